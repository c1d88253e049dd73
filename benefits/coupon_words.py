"""What a coupon is worth, and on which conditions, in words."""

from collections.abc import Iterator
from datetime import date

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from benefits import words
from benefits.models.coupons import BatchState, Coupon, CouponKind, CouponState, Stacking
from benefits.queries.coupons import Definition
from common.amounts import money
from common.localized import localized


def worth(batch: Definition, currency: str) -> str:
    """15 % off; 30 yuan off; free: engine oil."""
    terms = batch.terms
    if terms.kind == CouponKind.ITEM:
        return _("Free: %(item)s") % {"item": localized(batch.item)}
    if terms.kind == CouponKind.AMOUNT:
        return _("%(amount)s off") % {"amount": money(terms.amount, currency)}
    return words.discount(terms.pays)


def conditions(batch: Definition, currency: str) -> Iterator[str]:
    """Each condition of a batch, a line each; its days are told with the coupon."""
    terms = batch.terms
    if terms.minimum_spend:
        yield _("From %(amount)s on") % {"amount": money(terms.minimum_spend, currency)}
    if terms.most is not None:
        yield _("At most %(amount)s off") % {"amount": money(terms.most, currency)}
    if terms.categories:
        yield _("Only for: %(categories)s") % {"categories": ", ".join(sorted(terms.categories))}
    if terms.stacking == Stacking.EXCLUSIVE:
        yield _("Not together with other coupons")
    if terms.stacking == Stacking.ONCE:
        yield _("One of these a receipt")
    if told := localized(batch.description):
        yield told


def state(coupon: Coupon, day: date) -> str:
    """
    What a member may make of it on a day: the night may not have come yet, and a revoked batch
    leaves its coupons as they are. Of a coupon with `batch_state`.
    """
    told = CouponState(coupon.state)
    if told in (CouponState.OPEN, CouponState.RESERVED):
        if getattr(coupon, "batch_state", "") == BatchState.REVOKED:
            told = CouponState.REVOKED
        elif coupon.last_on < day:
            told = CouponState.LAPSED
    return str(told.label)


def days(coupon: Coupon) -> str:
    """Both days are good ones."""
    ends = {
        "first_day": date_format(coupon.first_on, "SHORT_DATE_FORMAT"),
        "last_day": date_format(coupon.last_on, "SHORT_DATE_FORMAT"),
    }
    return _("%(first_day)s to %(last_day)s, both included") % ends


def stores(names: list[str], more: int) -> str:
    """At which stores and organizations; empty: at all."""
    if not names:
        return ""
    listed = ", ".join(names)
    if not more:
        return _("Only at: %(stores)s") % {"stores": listed}
    text = ngettext(
        "Only at: %(stores)s and %(more)s other", "Only at: %(stores)s and %(more)s others", more
    )
    return text % {"stores": listed, "more": more}
