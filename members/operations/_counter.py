"""How a clerk finds the member at the counter: by the card, or by what only the member tells."""

import unicodedata
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from common import audit, limits
from common.errors import NotFound
from common.models import User
from members import queries
from members.models import Member

# Enough for a busy till; far too few to try digits out.
PER_TEN_MINUTES = 20
PER_DAY = 200
TEN_MINUTES, DAY = 600, 86_400


class NobodyFound(NotFound):
    code = "nobody_found"
    message = _("No member, or more than one, has these digits and this name. Scan the code.")


@transaction.atomic
def meet_by_card(*, card: str, at: datetime, by: User, store_id: int) -> Member:
    """
    Find who shows the code of a card. Who found whom where is on record.

    :raises cards.InvalidCard: :raises cards.CardExpired: :raises UnknownMember: as the code is
    """
    member = queries.by_card(card, at=at)
    _record(member, by=by, store_id=store_id, how="card")
    return member


@transaction.atomic
def meet_by_phone(*, tail: str, name: str, by: User, store_id: int) -> Member:
    """
    Find the one member whose phone ends so and who is called exactly so: nobody can be browsed for.

    :param tail: the phone's last four digits
    :raises NobodyFound: if there is none, or more than one
    :raises limits.TooMany: as a clerk may ask only so often
    """
    limits.consume(f"counter:{by.pk}", limit=PER_TEN_MINUTES, seconds=TEN_MINUTES)
    limits.consume(f"counter-day:{by.pk}", limit=PER_DAY, seconds=DAY)
    called = unicodedata.normalize("NFKC", name).strip()
    found = list(queries.ending_and_called(tail, called)[:2])
    if len(found) != 1:
        raise NobodyFound
    (member,) = found
    _record(member, by=by, store_id=store_id, how="phone")
    return member


def _record(member: Member, *, by: User, store_id: int, how: str) -> None:
    audit.record(
        action="member.met", target=member.number, by=by, details={"store": store_id, "how": how}
    )
