"""Whether who is at the console has proven all they must. No query: a login brings its factor."""

from typing import Literal

from django.conf import settings
from django.http import HttpRequest

from common.models import SecondFactor, User
from members import reach

PROVEN = "second_factor"


def missing(request: HttpRequest) -> Literal["", "prove", "set"]:
    """What is to be done before the console opens; empty if nothing."""
    user = request.user
    if not isinstance(user, User):
        return ""
    factor = of(user)
    if factor is not None:
        return "" if request.session.get(PROVEN) == _stamp(factor) else "prove"
    if settings.STAFF_MFA == "required" and may_do_harm(user):
        return "set"
    return ""


def note(request: HttpRequest, factor: SecondFactor) -> None:
    """This session has proven it. With another factor, or none, that holds no more."""
    request.session[PROVEN] = _stamp(factor)
    request.session.cycle_key()


def of(user: User) -> SecondFactor | None:
    try:
        return user.second_factor
    except SecondFactor.DoesNotExist:
        return None


def may_do_harm(user: User) -> bool:
    """Whether a login may do more than look. What only narrows what it sees lets it do nothing."""
    names = (name.partition(".")[2] for name in user.get_all_permissions() - {reach.LIMITED})
    return user.is_superuser or any(not name.startswith("view_") for name in names)


def _stamp(factor: SecondFactor) -> str:
    return factor.confirmed_at.isoformat()
