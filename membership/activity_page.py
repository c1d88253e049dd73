"""One activity of the journal, and why it was worth what it was, laid out for people."""

from decimal import Decimal
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView

from campaigns import words
from common.amounts import money
from membership.console import ConsolePage
from membership.member_page import currency
from points import queries as points
from points.models import Activity
from programme.words import ROUNDED

REASONS = {
    "an_earlier_rule_took_the_line": _("An earlier rule took its lines."),
    "no_line_of_its_categories": _("No line belongs to its categories."),
}


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
        rules = {rule.code: rule for rule in words.rules(activity.version_id)}
        told = currency()
        return super().get_context_data(
            activity=activity,
            title=f"{activity.get_kind_display()} {activity.reference}",
            amount=money(activity.amount, told),
            lines=[self._line(line, rules, told) for line in explanation.get("lines", [])],
            exact=explanation.get("exact"),
            worth=explanation.get("points"),
            rounded=ROUNDED.get((rounding.get("mode"), rounding.get("per")), ""),
            not_applied=[
                (_rule(rules, item["rule"]), REASONS.get(item["reason"], item["reason"]))
                for item in explanation.get("not_applied", [])
            ],
            entry=points.entry_of(activity),
            returns=activity.returns.order_by("pk"),
            may_see_members=self.request.user.has_perm("members.view_member"),
            **context,
        )

    def _line(self, line: dict[str, Any], rules: dict[str, Any], told: str) -> dict[str, Any]:
        return {
            "number": line["line"],
            "category": line["category"],
            "amount": money(Decimal(line["amount"]), told),
            "rule": _rule(rules, line["rule"]) if line["rule"] else "",
            "rate": words.rate(Decimal(line["points"]), Decimal(line["per_amount"]))
            if line["rule"]
            else "",
            "exact": line["exact"],
        }


def _rule(rules: dict[str, Any], code: str) -> str:
    rule = rules.get(code)
    return rule.name if rule and rule.name else code


URLS: dict[str, tuple[str, Any]] = {"activity": ("activity/<int:activity_id>/", ActivityPage)}
