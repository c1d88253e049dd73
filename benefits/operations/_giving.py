"""
What an order gives by itself as soon as it is paid: coupons, and goes at a prize draw. Within the
order's own transaction, last of all: a coupon's batch and a draw are rows that many wait for.
"""

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from benefits.models.orders import Order
from benefits.operations import coupons, draws
from benefits.queries import orders as queries
from common.errors import DomainError
from common.models import User
from members import queries as members


class DrawnAlready(DomainError):
    code = "drawn_already"
    message = _("What was drawn cannot be taken back.")


def gives(order: Order) -> bool:
    """Whether an order is for what is given by itself."""
    listing = order.claim.listing
    return listing.batch_id is not None or listing.draw_id is not None


def give(order: Order, *, at: datetime) -> None:
    """
    Give what each piece stands for.

    :raises DomainError: as `coupons.issue` and `draws.enter` do; then nothing of it is given
    """
    listing = order.claim.listing
    member = members.identity_of(order.member_id)
    for reference in queries.gifts(order):
        if listing.batch_id is not None:
            coupons.issue(batch_id=listing.batch_id, member=member, reference=reference, at=at)
        elif listing.draw_id is not None:
            draws.enter(
                member=member, draw_id=listing.draw_id, reference=reference, at=at, has_ticket=True
            )


def take_away(order: Order, *, note: str, at: datetime, by: User) -> None:
    """
    Undo it before the order is given back.

    :raises DrawnAlready: if it was drawn for
    :raises coupons.CouponUsed, CouponReserved: if a coupon is
    """
    if order.claim.listing.draw_id is not None:
        raise DrawnAlready
    for coupon in queries.coupons_given(order):
        coupons.revoke(coupon_id=coupon.pk, reason=note, at=at, by=by)
