"""What draws know of a person: when a member drew, and what it came to."""

from typing import Any

from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from benefits.models.draws import DrawOutcome, PrizeHandover
from common import personal

personal.stays(
    "benefits_drawoutcome",
    why="Which number was drawn and what it won: without it a draw cannot be proven.",
)

personal.stays(
    "benefits_prizehandover",
    why="That a prize was handed over, by whom: notes name nobody.",
)


@personal.section(
    "benefits.draws",
    order=59,
    title=_("Prize draws"),
    labels={
        "draw": _("prize draw"),
        "number": _("number"),
        "at": _("at"),
        "prize": _("prize"),
        "handed_over": _("handed over"),
    },
    tables=["benefits_drawoutcome", "benefits_prizehandover"],
)
def draws(member_id: int) -> list[dict[str, Any]]:
    found = DrawOutcome.objects.filter(member_id=member_id)
    found = found.select_related("draw", "prize", "handover")
    return [
        {
            "draw": str(each.draw),
            "number": each.number,
            "at": each.at,
            "prize": str(each.prize) if each.prize else "",
            "handed_over": _told(getattr(each, "handover", None)),
        }
        for each in found.order_by("pk")
    ]


def _told(handover: PrizeHandover | None) -> str:
    if handover is None:
        return ""
    return f"{localdate(handover.at).isoformat()} {handover.note}".strip()
