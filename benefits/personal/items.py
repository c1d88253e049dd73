from typing import Any

from django.utils.translation import gettext_lazy as _

from benefits.models.items import Claim
from common import personal

personal.stays(
    "benefits_claim",
    why="What a member number had of an item: without it no limit holds and no order is proven.",
)


@personal.section(
    "benefits.claims",
    order=57,
    title=_("Items ordered"),
    labels={
        "item": _("item"),
        "pieces": _("pieces"),
        "on": _("on"),
        "given_back_at": _("given back at"),
    },
    tables=["benefits_claim"],
)
def claims(member_id: int) -> list[dict[str, Any]]:
    found = Claim.objects.filter(member_id=member_id).select_related("listing")
    return [
        {
            "item": each.listing.name,
            "pieces": each.quantity,
            "on": each.on,
            "given_back_at": each.given_back_at,
        }
        for each in found.order_by("pk")
    ]
