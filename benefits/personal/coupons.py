"""What coupons know of a person: which a member had, and what of it a member is handed."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from benefits.models.coupons import Coupon
from common import personal

# The code goes: who reads it could use the coupon. That there was one stays, as it was paid for.
personal.table(
    "benefits_coupon", blank={"code": "''"}, keeps=["reference", "state", "receipt", "digest"]
)
personal.stays(
    "benefits_couponstep", "benefits_couponconflict",
    why="Which coupon was taken where and when, for which stores are paid: it names no member.",
)  # fmt: skip
personal.stays(
    "benefits_couponlist", "benefits_couponrow",
    why="Which row of a file got a member number its coupon, or why not. What was typed into the"
    " file is kept nowhere, and its name without phones.",
)  # fmt: skip
personal.untold(
    "benefits_couponrow", why="Which row of a file of ours; the coupon itself is in the file."
)
personal.untold(
    "benefits_couponconflict",
    why="Between us and the stores: whose till took a coupon that was good no more.",
)


@personal.section(
    "benefits.coupons",
    order=57,
    title=_("Coupons"),
    labels={
        "coupon": _("coupon"),
        "state": _("state"),
        "issued_on": _("issued on"),
        "first_on": _("first day"),
        "last_on": _("last day"),
        "used_at": _("used at"),
        "store": _("store"),
        "taken_off": _("taken off"),
    },
    tables=["benefits_coupon", "benefits_couponstep"],
)
def coupons(member_id: int) -> list[dict[str, Any]]:
    found = Coupon.objects.filter(member_id=member_id).select_related("store", "batch")
    return [_told(each) for each in found.order_by("pk")]


def _told(coupon: Coupon) -> dict[str, Any]:
    return {
        "coupon": str(coupon.batch),
        "state": coupon.get_state_display(),
        "issued_on": coupon.issued_on,
        "first_on": coupon.first_on,
        "last_on": coupon.last_on,
        "used_at": coupon.used_at,
        "store": coupon.store.name if coupon.store else "",
        "taken_off": coupon.discount,
    }
