"""A member's benefits in the console: what is left, and each right with every step."""

from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from django.utils.timezone import localdate

from benefits import operations, queries, words
from benefits.models import Picture, Proof, Right, RightState, Step, StepKind
from common.staff import acting
from membership import right_actions
from membership.member_page import MemberPage
from membership.points_actions import identity

RIGHTS_SHOWN = 50
PICTURES_SHOWN = 6
PICTURED = (Proof.SIGNATURE, Proof.PHOTO)
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
            "sees_pictures": self.request.user.has_perm(PicturesPage.permission_required),
            "pictured": PICTURED,
            "right_buttons": list(self._offered(right_actions.ACTIONS.values())),
        }


class PicturesPage(MemberPage):
    """Signatures and photos of deliveries, the latest or the one asked for. Looking is recorded."""

    template_name = "console/member/pictures.html"
    permission_required = "benefits.compensate_right"
    tab = "benefits"

    def content(self) -> dict[str, Any]:
        steps = Step.objects.filter(
            right__member_id__in=queries.guests_of(self.member.pk), kind=StepKind.DELIVERED,
            proof__in=PICTURED,
        )  # fmt: skip
        asked = self.request.GET.get("step", "")
        if asked.isascii() and asked.isdigit() and len(asked) < 19:
            steps = steps.filter(pk=asked)
        shown = steps.select_related("right", "actor", "store").order_by("-pk")[:PICTURES_SHOWN]
        return {"pictures": self._seen(list(shown))}

    def _seen(self, steps: Iterable[Step]) -> list[dict[str, Any]]:
        found = operations.look_at_pictures(
            step_ids=[each.pk for each in steps],
            member=identity(self.member),
            by=acting(self.request),
        )
        return [
            {
                "step": each,
                "name": right_actions.named(each.right),
                "source": _inline(found[each.pk]) if each.pk in found else "",
            }
            for each in steps
        ]


def _inline(picture: Picture) -> str:
    """Within the page: a picture with an address of its own would be kept by browsers."""
    return f"data:{picture.media_type};base64,{b64encode(picture.content).decode()}"


URLS: dict[str, tuple[str, Any]] = {
    "member-pictures": ("member/<str:number>/pictures/", PicturesPage),
    "member-benefits": ("member/<str:number>/benefits/", BenefitsPage),
}
