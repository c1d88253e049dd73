"""Rights for those who answer for them: by state, and what was promised against what was kept."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic import TemplateView
from unfold.widgets import UnfoldAdminSelectWidget

from benefits import queries
from benefits.models import Right, RightState
from benefits.queries.kept import By, Kept, kept
from common import tables
from common.amounts import money
from members import masking
from membership.console import ConsolePage
from membership.member_page import currency
from membership.periods import PeriodForm
from membership.right_actions import named
from membership.rights_page import STATE_LABELS
from partners.models import Store
from tiers import queries as tiers

SHOWN = 100
# In this order, and by these names.
BY = {
    By.TIER: gettext_lazy("By tier"),
    By.BENEFIT: gettext_lazy("By benefit"),
    By.DEALER: gettext_lazy("By dealer"),
}


class ReportPage(ConsolePage, TemplateView):
    """Promised against delivered, by tier, benefit and dealer, with failures and their cost."""

    template_name = "console/rights_report.html"
    permission_required = "benefits.view_right"
    title = gettext_lazy("Benefits promised and kept")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = PeriodForm(request.GET, label=_("Granted from"))
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form), status=422)
        first, last = form.days
        rows = [_Row(each) for each in kept(first, last)]
        if "csv" in request.GET:
            return _download(rows, first, last)
        context = self.get_context_data(
            form=form,
            together=next((row for row in rows if row.kept.by == By.ALL), None),
            parts=[(told, [row for row in rows if row.kept.by == by]) for by, told in BY.items()],
        )
        return self.render_to_response(context)


class _Row:
    """A line of the report as people read it."""

    def __init__(self, found: Kept) -> None:
        self.kept = found
        self.name = _name(found)
        self.cost = money(found.cost, currency())
        self.failures_cost = money(found.failures_cost, currency())
        self.stars = f"{found.stars:.1f}" if found.stars is not None else ""


def _name(found: Kept) -> str:
    today = localdate()
    if found.by == By.TIER:
        level = tiers.ladder_on(today).find(found.of)
        return level.name if level else found.of
    if found.by == By.BENEFIT:
        benefit = queries.matrix_on(today).find(found.of)
        return benefit.name if benefit else found.of
    return found.of or _("No store yet")


HEADER = [
    "by", "of", "name", "promised", "delivered", "open", "lapsed", "ended", "failed",
    "made_up_for", "cost", "failures_points", "failures_cost", "stars",
]  # fmt: skip


def _download(rows: list[_Row], first: date, last: date) -> Any:
    def lines() -> Iterator[str]:
        yield "\ufeff" + tables.csv_line(HEADER)
        for row in rows:
            each = row.kept
            told = [
                each.by.value, each.of, row.name, each.promised, each.delivered, each.open,
                each.lapsed, each.ended, each.failed, each.made_up_for, each.cost,
                each.failures_points, each.failures_cost, row.stars,
            ]  # fmt: skip
            yield tables.csv_line([str(cell) for cell in told])

    answer = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="benefits-{first}-{last}.csv"'
    return answer


class FilterForm(forms.Form):
    state = forms.ChoiceField(
        label=gettext_lazy("State"), required=False,
        choices=[("", "–"), *RightState.choices], widget=UnfoldAdminSelectWidget,
    )  # fmt: skip
    benefit = forms.ChoiceField(
        label=gettext_lazy("Benefit"), required=False, widget=UnfoldAdminSelectWidget
    )
    store = forms.ModelChoiceField(
        label=gettext_lazy("Store"), required=False, widget=UnfoldAdminSelectWidget,
        queryset=Store.objects.order_by("name"), empty_label="–",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(each.code, each.name) for each in queries.matrix_on(localdate()).benefits]
        self.fields["benefit"].choices = [("", "–"), *known]  # type: ignore[attr-defined]  # a choice field


class RightsPage(ConsolePage, TemplateView):
    """Rights by state, benefit and store, the latest first: what is booked, what failed."""

    template_name = "console/rights.html"
    permission_required = "benefits.view_right"
    title = gettext_lazy("Rights of members")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        # Those somebody has to look after, unless asked otherwise.
        form = FilterForm(self.request.GET if self.request.GET else {"state": RightState.BOOKED})
        wanted = form.cleaned_data if form.is_valid() else {}
        found = Right.objects.filter(**{name: value for name, value in wanted.items() if value})
        shown = found.select_related("member", "store").order_by("-pk")[:SHOWN]
        return super().get_context_data(
            form=form,
            rights=[
                {
                    "right": right,
                    "name": named(right),
                    "member": masking.name(right.member.name),
                    "label": STATE_LABELS.get(RightState(right.state), ""),
                }
                for right in shown
            ],
            shown_max=SHOWN,
            may_see_members=self.request.user.has_perm("members.view_member"),
            **context,
        )


URLS: dict[str, tuple[str, Any]] = {
    "rights": ("rights/", RightsPage),
    "rights-report": ("rights-report/", ReportPage),
}
