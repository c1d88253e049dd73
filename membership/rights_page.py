"""A member's benefits in the console: what is left, and each right with every step."""

from typing import Any

from django.utils.timezone import localdate

from benefits import queries, words
from benefits.models import Right, RightState, Step
from membership import right_actions
from membership.member_page import MemberPage

RIGHTS_SHOWN = 50
STATE_LABELS = {
    RightState.GRANTED: "info",
    RightState.BOOKED: "warning",
    RightState.DELIVERED: "success",
    RightState.RATED: "success",
    RightState.FAILED: "danger",
    RightState.COMPENSATED: "warning",
}


class BenefitsPage(MemberPage):
    """What the member's tier gives, what was granted, and what became of it."""

    template_name = "console/member/benefits.html"
    permission_required = ("members.view_member", "benefits.view_right")
    tab = "benefits"

    def content(self) -> dict[str, Any]:
        found = Right.objects.filter(member_id__in=queries.guests_of(self.member.pk))
        shown = list(found.select_related("store", "rating").order_by("-pk")[:RIGHTS_SHOWN])
        taken: dict[int, list[Step]] = {}
        for step in queries.steps([each.pk for each in shown]):
            taken.setdefault(step.right_id, []).append(step)
        return {
            "offers": [
                (offer, words.cell(offer.cell) if offer.cell else "")
                for offer in queries.offers(self.member.pk, localdate())
            ],
            "rights": [
                {
                    "right": right,
                    "name": right_actions.named(right),
                    "label": STATE_LABELS.get(RightState(right.state), ""),
                    "steps": taken.get(right.pk, []),
                    "rating": getattr(right, "rating", None),
                }
                for right in shown
            ],
            "right_buttons": list(self._offered(right_actions.ACTIONS.values())),
        }


URLS: dict[str, tuple[str, Any]] = {
    "member-benefits": ("member/<str:number>/benefits/", BenefitsPage),
}
