"""What a member owns, and how it changes hands."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import audit, events
from common.errors import DomainError, Invalid
from common.models import User
from members import masking, products
from members.models import Member, MemberStatus, Product
from members.operations._states import locked
from programme import queries as programme


class ProductTaken(DomainError):
    code = "product_taken"
    message = _("Another member owns this product.")


class NotOwned(DomainError):
    code = "product_not_owned"
    message = _("The member does not own this product any more.")


class OwnedElsewhere(Invalid):
    code = "invalid_owner"
    message = _("A product goes to another member than its owner.")


class OwnershipOutOfRange(Invalid):
    code = "ownership_out_of_range"
    message = _("The day must lie between the purchase and today.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFacts:
    identifier: str
    name: str = ""
    purchased_on: date | None = None
    selling_organization_id: int | None = None


@transaction.atomic
def add_product(
    *,
    member_id: int,
    product: ProductFacts,
    bound_at: datetime,
    by: User | None = None,
    reason: str = "",
) -> Product:
    """
    Note that a member owns a product.

    :param bound_at: when that became known; the rulebook of its day says what identifies a product
    :raises WrongState: if the membership has ended
    :raises ProductTaken: if another member owns it today
    :raises products.InvalidIdentifier: :raises products.InvalidVin: if it cannot be an identifier
    """
    # A merge that is under way must not leave it behind.
    locked(member_id, MemberStatus.PRE_REGISTERED, MemberStatus.ACTIVE, MemberStatus.FROZEN)
    identifier = products.normalize(product.identifier)
    if _asks_for_vins(localdate(bound_at)):
        products.require_vin(identifier)
    try:
        with transaction.atomic():
            bound = Product.objects.create(
                member_id=member_id,
                identifier=identifier,
                name=product.name,
                purchased_on=product.purchased_on,
                selling_organization_id=product.selling_organization_id,
            )
    except IntegrityError as error:
        raise ProductTaken from error
    events.publish(
        "member.product_bound", {"member_id": member_id, "bound_at": bound_at.isoformat()}
    )
    _noted("member.product_bound", bound, by, reason)
    return bound


@transaction.atomic
def end_ownership(
    *, product_id: int, member_id: int, on: date, at: datetime, by: User | None, reason: str
) -> Product:
    """
    Note that a member sold a product, or lost it. What it brought the member stays.

    :param on: the first day on which it is not the member's any more
    :raises NotOwned: if the member does not own it
    :raises OwnershipOutOfRange: if the day lies before the purchase, or has not come
    """
    product = (
        Product.objects.select_for_update(no_key=True)
        .filter(pk=product_id, member_id=member_id, owned_until=None)
        .first()
    )
    if product is None:
        raise NotOwned
    if on > localdate(at) or (product.purchased_on and on < product.purchased_on):
        raise OwnershipOutOfRange
    product.owned_until = on
    product.save(update_fields=["owned_until"])
    _noted("member.product_released", product, by, reason)
    return product


@transaction.atomic
def hand_over(
    *,
    product_id: int,
    member_id: int,
    to_id: int,
    on: date,
    at: datetime,
    by: User | None,
    reason: str,
) -> Product:
    """
    Note that a product went from one member to another.

    :param on: the first day on which it is the other's
    :returns: the product as the other member's
    :raises WrongState: if the other membership has ended; and as `end_ownership`
    """
    if to_id == member_id:
        raise OwnedElsewhere
    locked(to_id, MemberStatus.PRE_REGISTERED, MemberStatus.ACTIVE, MemberStatus.FROZEN)
    sold = end_ownership(
        product_id=product_id, member_id=member_id, on=on, at=at, by=by, reason=reason
    )
    facts = ProductFacts(identifier=sold.identifier, name=sold.name, purchased_on=on)
    return add_product(member_id=to_id, product=facts, bound_at=at, by=by, reason=reason)


def _asks_for_vins(day: date) -> bool:
    try:
        return programme.rulebook_on(day).policies.asks_for_vins
    except programme.NoRulebook:
        return False


def _noted(action: str, product: Product, by: User | None, reason: str) -> None:
    if by is not None:
        number = Member.objects.values_list("number", flat=True).get(pk=product.member_id)
        audit.record(
            action=action,
            target=number,
            by=by,
            reason=reason,
            # A part: what is erased with the member must not live on here.
            details={"product": masking.tail(product.identifier)},
        )
