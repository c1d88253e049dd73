"""Coupons that lapse, and the word to their members before."""

from datetime import date

from django.utils.translation import gettext_lazy as _

from benefits.operations import coupons as operations
from common import jobs
from points.queries import start_of_day

# Cut by coupons instead of members: most have none.
DUE = """
    SELECT id AS member_id FROM benefits_coupon
    WHERE state IN ('OPEN', 'RESERVED') AND last_on < %(day)s
"""
LAPSING_SOON = """
    SELECT DISTINCT coupon.member_id
    FROM benefits_coupon AS coupon
    JOIN benefits_couponbatch AS batch ON batch.id = coupon.batch_id
    WHERE coupon.member_id IS NOT NULL AND coupon.state IN ('OPEN', 'RESERVED')
        AND coupon.last_on = %(day)s::date + batch.remind_days::integer
        AND batch.state IN ('RUNNING', 'ENDED')
"""


@jobs.nightly(
    name="benefits.lapse_coupons",
    order=37,
    title=_("Coupons that lapse"),
    plan=jobs.members_in(DUE),
    figures={"coupons": _("Coupons")},
)
def lapse_coupons(*, day: date, low: int, high: int) -> dict[str, int]:
    """Let coupons lapse whose last day was before `day`."""
    return {"coupons": operations.lapse(low=low, high=high, day=day)}


@jobs.nightly(
    name="benefits.remind_of_coupons",
    order=38,
    title=_("Members told of coupons that lapse soon"),
    plan=jobs.members_in(LAPSING_SOON),
    figures={"messages": _("Messages")},
)
def remind_of_coupons(*, day: date, low: int, high: int) -> dict[str, int]:
    """Tell members of coupons that are good for only as many days as their batch names."""
    at = start_of_day(day)
    return {"messages": operations.remind(low=low, high=high, day=day, at=at)}
