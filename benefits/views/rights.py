from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.timezone import localdate

from benefits import operations, queries, words
from benefits.forms.rights import RateForm
from benefits.models import Kind, Right, RightState
from benefits.queries import Offer
from common.errors import DomainError
from members.views import MemberPage

USED_SHOWN = 20


class BenefitsPage(MemberPage):
    """What the member's tier gives: what is left and until when, and what was had."""

    template_name = "benefits/benefits.html"
    # The rating that was sent and refused, if any.
    refused: RateForm | None = None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = queries.offers(self.member.pk, localdate())
        of_kind = {
            kind: [(offer, _told(offer)) for offer in found if offer.benefit.kind == kind]
            for kind in Kind
        }
        return super().get_context_data(
            # What can be used comes first; what is used up, or not due yet, comes after it.
            services=sorted(of_kind[Kind.SERVICE], key=lambda each: each[0].left == 0),
            discounts=of_kind[Kind.DISCOUNT],
            standing=of_kind[Kind.STANDING],
            used=[self._used(right) for right in queries.used(self.member.pk)[:USED_SHOWN]],
            refused=self.refused,
            **kwargs,
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        """Rate what was had."""
        form = RateForm(request.POST)
        if form.is_valid():
            try:
                operations.rate(
                    right_id=form.cleaned_data["right"],
                    member_id=self.member.pk,
                    stars=form.cleaned_data["stars"],
                    words=form.cleaned_data["words"],
                    at=timezone.now(),
                )
            except DomainError as refusal:
                form.add_error(None, refusal.sentence)
            else:
                return redirect("benefits:benefits")
        self.refused = form
        return self.render_to_response(self.get_context_data(), status=422)

    def _used(self, right: Right) -> dict[str, Any]:
        benefit = queries.benefit_of(right)
        can_rate = right.state == RightState.DELIVERED
        return {
            "right": right,
            "name": benefit.name if benefit else right.benefit,
            "rating": getattr(right, "rating", None),
            "form": RateForm(initial={"right": right.pk}, auto_id=f"id_{right.pk}_%s")
            if can_rate
            else None,
        }


def _told(offer: Offer) -> str:
    return words.cell(offer.cell) if offer.cell else ""
