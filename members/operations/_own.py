"""What members do to what is known of themselves. Staff may more (`_profiles`, `_products`)."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from common import limits
from common.errors import DomainError
from common.models import User
from members import attributes
from members.models import Member, MemberStatus, Product
from members.operations._products import ProductFacts, add_product
from members.operations._profiles import update_profile
from members.operations._states import locked

BY_THE_MEMBER = "by the member"
# A name stands on documents of the store, a birthday brings points: both are told once.
TOLD_ONCE = ("name", "birthday")
OWN = frozenset({*TOLD_ONCE, "sex", "province", "city", "attributes"})

# Identifiers are not guessed: who tries more has something else in mind than typing errors.
BINDINGS, BINDINGS_SECONDS = 10, 86_400


class KnownAlready(DomainError):
    code = "known_already"
    message = _("This is known already. Ask your store if it is wrong.")


class NotYours(DomainError):
    code = "not_yours"
    message = _("Only your store can change this.")


@transaction.atomic
def correct_own(*, member_id: int, changes: dict[str, Any], at: datetime, by: User) -> Member:
    """
    Let members complete and correct what is known of themselves.

    :param changes: as of `update_profile`, of OWN
    :raises KnownAlready: if the name or the birthday would change
    :raises NotYours: if an attribute is not for members to edit; and as `update_profile`
    """
    assert changes.keys() <= OWN, f"not a member's own to change: {changes.keys() - OWN}"
    member = locked(
        member_id, MemberStatus.PRE_REGISTERED, MemberStatus.ACTIVE, MemberStatus.FROZEN
    )
    for field in TOLD_ONCE:
        known = getattr(member, field)
        if known and field in changes and changes[field] != known:
            raise KnownAlready
    if told := changes.get("attributes"):
        defined = attributes.defined()
        if any(code in defined and not defined[code].by_member for code in told):
            raise NotYours
    return update_profile(member_id=member_id, changes=changes, at=at, by=by, reason=BY_THE_MEMBER)


@transaction.atomic
def change_own_phone(*, member_id: int, phone: str, at: datetime, by: User) -> Member:
    """
    Give a member the phone they have just proven to have. They log in with it from now on.

    :raises PhoneTaken: if another member has it; and as `update_profile`
    """
    return update_profile(
        member_id=member_id, changes={"phone": phone}, at=at, by=by, reason=BY_THE_MEMBER
    )


def bind_own(*, member_id: int, product: ProductFacts, at: datetime, by: User) -> Product:
    """
    Let a member bind a product they say they own.

    :raises limits.TooMany: after ten attempts a day, whatever came of them
    :raises limits.Unavailable: without Redis
    :raises ProductTaken: :raises products.InvalidIdentifier: as `add_product`
    """
    limits.consume(f"products:bind:{member_id}", limit=BINDINGS, seconds=BINDINGS_SECONDS)
    return add_product(
        member_id=member_id, product=product, bound_at=at, by=by, reason=BY_THE_MEMBER
    )
