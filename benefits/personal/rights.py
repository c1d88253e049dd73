"""What this room knows of a person: what of it a member is handed, and what goes with them."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from benefits import queries
from benefits.models import Right
from common import personal

OF_RIGHT = "right_id IN (SELECT id FROM benefits_right WHERE member_id = ANY(%(members)s))"

personal.table("benefits_rating", of=OF_RIGHT, blank={"words": "''"})
personal.table(
    "benefits_picture",
    of="step_id IN (SELECT s.id FROM benefits_step AS s JOIN benefits_right AS r"
    " ON r.id = s.right_id WHERE r.member_id = ANY(%(members)s))",
)
personal.stays(
    "benefits_right", "benefits_step",
    why="What a member number was promised and got, when and where: without it nothing is proven.",
)  # fmt: skip


@personal.section(
    "benefits.rights",
    order=56,
    title=_("Rights"),
    labels={
        "benefit": _("benefit"),
        "period": _("period"),
        "state": _("state"),
        "granted_on": _("granted on"),
        "last_on": _("last day"),
        "booked_for": _("booked for"),
        "delivered_at": _("delivered at"),
        "store": _("store"),
        "stars": _("stars"),
        "words": _("words"),
    },
    tables=["benefits_right", "benefits_step", "benefits_rating", "benefits_picture"],
)
def rights(member_id: int) -> list[dict[str, Any]]:
    found = Right.objects.filter(member_id=member_id).select_related("store", "rating")
    return [_told(each) for each in found.order_by("pk")]


def _told(right: Right) -> dict[str, Any]:
    benefit = queries.benefit_of(right)
    rating = getattr(right, "rating", None)
    return {
        "benefit": benefit.name if benefit else right.benefit,
        "period": right.period,
        "state": right.get_state_display(),
        "granted_on": right.granted_on,
        "last_on": right.last_on,
        "booked_for": right.booked_for,
        "delivered_at": right.delivered_at,
        "store": right.store.name if right.store else "",
        "stars": rating.stars if rating else None,
        "words": rating.words if rating else "",
    }
