"""One activity of the journal, and why it was worth what it was, laid out for people."""

from decimal import Decimal
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from django.views.generic import TemplateView

from campaigns import activity_words, campaign_words, words
from common.amounts import money
from common.localized import localized
from membership.console import ConsolePage
from membership.member_page import currency
from points import queries as points
from points.models import Activity, ActivityKind
from programme.words import ROUNDED


class ActivityPage(ConsolePage, TemplateView):
    template_name = "console/activity.html"
    permission_required = "points.view_activity"

    @cached_property
    def activity(self) -> Activity:
        activities = Activity.objects.select_related(
            "member", "issuer", "store", "client", "version", "original"
        )
        return get_object_or_404(activities, pk=self.kwargs["activity_id"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        activity = self.activity
        explanation = activity.explanation
        rounding = explanation.get("rounding", {})
        names = words.names(activity.version_id)
        told = currency()
        return super().get_context_data(
            activity=activity,
            title=f"{activity.get_kind_display()} {activity.reference}",
            amount=money(activity.amount, told),
            lines=[self._line(line, names, told) for line in explanation.get("lines", [])],
            boosts=[
                (names.get(each["code"], each["code"]), words.gives(each), each["exact"])
                for each in explanation.get("boosts", [])
            ],
            caps=[
                (names.get(each["code"], each["code"]), each["left"], each["exact"])
                for each in explanation.get("caps", [])
            ],
            tier=explanation.get("tier", ""),
            campaigns=campaign_words.listed(activity.version_id, explanation.get("campaigns", ())),
            exact=explanation.get("exact"),
            worth=explanation.get("points"),
            rounded=ROUNDED.get((rounding.get("mode"), rounding.get("per")), ""),
            not_applied=[
                (names.get(code, code), words.REASONS.get(each["reason"], each["reason"]))
                for each in explanation.get("not_applied", [])
                for code in each["codes"]
            ],
            done=self._done() if activity.kind == ActivityKind.ACTIVITY else None,
            entry=points.entry_of(activity),
            returns=activity.returns.order_by("pk"),
            may_see_members=self.request.user.has_perm("members.view_member"),
            **context,
        )

    def _done(self) -> dict[str, Any]:
        """What was done besides buying, and what of its worth was kept back."""
        explanation = self.activity.explanation
        return {
            "name": localized(explanation["names"]),
            "worth": explanation["worth"],
            "cuts": activity_words.cuts(explanation, version_id=self.activity.version_id),
        }

    def _line(self, line: dict[str, Any], names: dict[str, str], told: str) -> dict[str, Any]:
        return {
            "number": line["line"],
            "category": line["category"],
            "amount": money(Decimal(line["amount"]), told),
            "rule": names.get(line["rule"], line["rule"]) if line["rule"] else "",
            "rate": words.rate(Decimal(line["points"]), Decimal(line["per_amount"]))
            if line["rule"]
            else "",
            "exact": line["exact"],
        }


URLS: dict[str, tuple[str, Any]] = {"activity": ("activity/<int:activity_id>/", ActivityPage)}
