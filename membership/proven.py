"""The phone a browser has proven that is no member's: who wants to join, or has applied."""

from datetime import datetime, timedelta

from django.http import HttpRequest

from common.fields import seal, unseal

PROVEN = "join_proven"
PROVEN_FOR = timedelta(minutes=30)
# Sessions are rows of a table: the phone is sealed there as everywhere.
_SEALED_AS = "membership.session.phone"


def remember(request: HttpRequest, phone: str, *, now: datetime) -> None:
    request.session[PROVEN] = {
        "phone": seal(phone, column=_SEALED_AS),
        "until": (now + PROVEN_FOR).isoformat(),
    }
    request.session.cycle_key()


def proven_phone(request: HttpRequest, *, now: datetime) -> str:
    """The phone this browser has proven lately; empty if none."""
    proven = request.session.get(PROVEN)
    if proven is None or datetime.fromisoformat(proven["until"]) < now:
        return ""
    return unseal(proven["phone"], column=_SEALED_AS)


def forget(request: HttpRequest) -> None:
    request.session.pop(PROVEN, None)
