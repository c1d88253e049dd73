"""
Coupons that tills took without a network, and report later.

A till has checked the token of the coupon's QR code: it is ours, and these are its days. What it
cannot know is what happened to the coupon elsewhere. So a use that would have been refused is not
undone, for the goods are gone, but written down as a conflict: borne by who took the coupon without
asking. Which use counts is the order in which they reach us: a till's own clock proves nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from benefits.coupons import tokens
from benefits.models.coupons import Coupon, CouponConflict, CouponState
from benefits.operations._steps import Who
from benefits.operations.coupons._refusals import ReceiptNeeded, UnknownCoupon
from benefits.operations.coupons._using import (
    lock,
    record,
    require_day,
    require_open,
    require_place,
    use,
)
from benefits.queries import coupons as queries
from common.errors import DomainError, Invalid


class FromTheFuture(Invalid):
    code = "from_the_future"
    message = _("The use lies in the future: set the till's clock.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What came of a use that was reported later. `conflict`: None if all was well."""

    coupon: Coupon
    conflict: CouponConflict | None
    is_repeat: bool


@transaction.atomic
def report_offline(
    *, token: str, used_at: datetime, discount: Decimal | None, receipt: str, who: Who,
    at: datetime,
) -> Reported:  # fmt: skip
    """
    Note that a till took a coupon without a network. Reported again, it is the same report.

    :param token: what the coupon's QR code carried; a typed code cannot be checked offline
    :param used_at: as the till says; the day judges the coupon's validity
    :param discount: what the till took off; None where something was free
    :param at: when it is reported
    :raises UnknownCoupon: if we did not sign the token: such a coupon was never ours
    :raises ReceiptNeeded: :raises FromTheFuture: if so
    """
    if not receipt:
        raise ReceiptNeeded
    if used_at > at:
        raise FromTheFuture
    assert who.store_id is not None, "a coupon is used somewhere"
    try:
        coupon = lock(tokens.read(token).coupon_id)
    except tokens.InvalidToken as error:
        raise UnknownCoupon from error
    if coupon.state == CouponState.USED and (
        (coupon.store_id, coupon.receipt) == (who.store_id, receipt)
    ):
        return Reported(coupon=coupon, conflict=None, is_repeat=True)
    earlier = CouponConflict.objects.filter(
        coupon=coupon, store_id=who.store_id, receipt=receipt
    ).first()
    if earlier is not None:
        return Reported(coupon=coupon, conflict=earlier, is_repeat=True)
    refusal = _refusal(coupon, used_at, who, receipt)
    if refusal is None:
        use(coupon, at=used_at, who=who, receipt=receipt, discount=discount, is_offline=True)
        return Reported(coupon=coupon, conflict=None, is_repeat=False)
    conflict = _conflict(
        coupon, refusal=refusal, used_at=used_at, discount=discount, receipt=receipt, who=who, at=at
    )
    return Reported(coupon=coupon, conflict=conflict, is_repeat=False)


def _refusal(coupon: Coupon, used_at: datetime, who: Who, receipt: str) -> DomainError | None:
    """What a till with a network would have been told."""
    assert who.store_id is not None, "a coupon is used somewhere"
    try:
        require_open(coupon, at=used_at, who=who, receipt=receipt)
        require_place(queries.definition(coupon.batch_id), who.store_id)
        # The night may have written off what was used in time and is told late.
        if coupon.state != CouponState.LAPSED or localdate(used_at) > coupon.last_on:
            require_day(coupon, localdate(used_at))
    except DomainError as refusal:
        return refusal
    return None


def _conflict(
    coupon: Coupon,
    *,
    refusal: DomainError,
    used_at: datetime,
    discount: Decimal | None,
    receipt: str,
    who: Who,
    at: datetime,
) -> CouponConflict:
    assert who.store_id is not None, "a coupon is used somewhere"
    batch = queries.definition(coupon.batch_id)
    conflict = CouponConflict.objects.create(
        coupon=coupon, why=refusal.code, at=used_at, recorded_at=at, store_id=who.store_id,
        client_id=who.client_id, receipt=receipt, cost=_cost(batch.cost, discount),
        bearer_id=queries.organization_of(who.store_id), first=queries.latest_use(coupon),
    )  # fmt: skip
    record("coupon.conflict", coupon, who.by, why=refusal.code, receipt=receipt, there=who.store_id)
    return conflict


def _cost(of_a_use: Decimal | None, discount: Decimal | None) -> Decimal:
    """What a use costs by its batch, else what was taken off."""
    return of_a_use if of_a_use is not None else discount or Decimal(0)
