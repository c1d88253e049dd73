"""
What of the console is open to staff of a dealer: pages whose rows are limited to the dealer's own.

Every page of the console goes through `guard`. A page that is not named here is closed to them,
whatever their permissions; and of a page about a member, so is another dealer's member. Lists and
searches are limited by the querysets of their admins (`members.reach`).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from members import reach

OPEN = {
    "index", "login", "logout", "password_change", "password_change_done", "jsi18n",
    "second_factor", "own_factor",
    "members_member_changelist", "members_member_change",
    "members_application_changelist", "members_application_change",
    "members_application_approve", "members_application_refuse",
    "entry",
    # Collected at the dealer's stores.
    "benefits_order_changelist", "benefits_order_change",
    "benefits_order_pick", "benefits_order_ready", "benefits_order_receive",
}  # fmt: skip
# What shows more than masked data, or names a second member, whose dealer may be another.
CLOSED = {
    "member-reveal", "member-profile", "member-transfer", "member-merge", "member-unmerge",
    "member-product-hand-over",
    # Whether a promise was broken, and what makes up for it, the office decides.
    "member-fail-right", "member-compensate-right", "member-pictures",
}  # fmt: skip

View = Callable[..., HttpResponse]


def is_open(user: Any, name: str) -> bool:
    """Whether a page of the console is there for a login, as far as dealers matter."""
    if not reach.of(user).is_limited:
        return True
    about_a_member = name == "member" or name.startswith("member-")
    return name in OPEN or (about_a_member and name not in CLOSED)


def guard(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        place = request.resolver_match
        name = place.url_name or "" if place else ""
        if not is_open(request.user, name):
            raise PermissionDenied
        number = _member_of(name, kwargs)
        within = reach.of(request.user)
        if number and within.is_limited and not within.members().filter(number=number).exists():
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def _member_of(name: str, kwargs: dict[str, Any]) -> str:
    """Whose page it is: M0000000018, also of the entry M0000000018-17."""
    if name == "entry":
        return str(kwargs["name"]).partition("-")[0]
    return str(kwargs.get("number", ""))
