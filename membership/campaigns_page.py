"""Campaigns: a year of them as a calendar, and one with its terms and what came of it (C1)."""

import calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localdate
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, TemplateView
from unfold.widgets import UnfoldAdminTextareaWidget

from campaigns import campaign_queries, operations, words
from campaigns.campaign_queries import Figures, Outcome, Part, Run, State
from campaigns.models import GiftOccasion, TaskStep
from common.amounts import money
from common.errors import DomainError
from common.localized import localized
from common.staff import acting
from membership.console import ConsolePage
from membership.member_page import currency

VIEW = "campaigns.view_campaign"
EVALUATE = "campaigns.add_evaluation"
LABELS = {
    State.PLANNED: "",
    State.APPROVED: "info",
    State.RUNNING: "success",
    State.ENDED: "warning",
    State.EVALUATED: "",
}
YEAR_MIN, YEAR_MAX = 1901, 9998
# A month is so wide in the pictures, whatever its length.
MONTH = 100
YEAR = 12 * MONTH
# The picture of the points per day, in its own units.
HEIGHT, DAY_WIDTH, GAP, DAYS_DRAWN = 100, 10, 0.8, 400


@dataclass(frozen=True, slots=True)
class Bar:
    """A campaign in the picture of a year: from where, how wide."""

    run: Run
    x: float
    width: float
    label: str


class CampaignsPage(ConsolePage, TemplateView):
    """A year of campaigns: a calendar, and the same as a list."""

    template_name = "console/campaigns/list.html"
    permission_required = VIEW
    title = _("Marketing campaigns")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        today = localdate()
        year = self._year(today)
        runs = [
            run
            for run in campaign_queries.runs(on=today)
            if run.first_day.year <= year <= run.last_day.year
        ]
        spent = campaign_queries.spent(run.code for run in runs if run.points)
        return super().get_context_data(
            # As text: no language writes years in groups of three.
            year=str(year),
            year_before=str(year - 1),
            year_after=str(year + 1),
            is_this_year=year == today.year,
            months=[date(year, month, 1) for month in range(1, 13)],
            bars=[_bar(run, year) for run in runs],
            today=_place(today, year) if today.year == year else None,
            rows=[(run, LABELS[run.state], _purse(run, spent)) for run in runs],
            states=[(state, LABELS[state]) for state in State],
            **context,
        )

    def _year(self, today: date) -> int:
        asked = self.request.GET.get("year", "")
        if asked.isascii() and asked.isdecimal() and YEAR_MIN <= int(asked[:5]) <= YEAR_MAX:
            return int(asked)
        return today.year


def _bar(run: Run, year: int) -> Bar:
    first = max(run.first_day, date(year, 1, 1))
    last = min(run.last_day, date(year, 12, 31))
    x = _place(first, year)
    end = _place(last, year) + MONTH / calendar.monthrange(last.year, last.month)[1]
    return Bar(run, round(x, 1), round(max(end - x, 8), 1), LABELS[run.state])


def _place(day: date, year: int) -> float:
    """Where a day of a year begins in its picture, 0 to YEAR."""
    assert day.year == year, "only days of the year are drawn"
    return (day.month - 1) * MONTH + (day.day - 1) / calendar.monthrange(year, day.month)[1] * MONTH


@dataclass(frozen=True, slots=True)
class Purse:
    """`percent`: of the budget that is used, 0 to 100."""

    points: int
    spent: int
    percent: int

    @property
    def left(self) -> int:
        return max(0, self.points - self.spent)


def _purse(run: Run, spent: Mapping[str, int]) -> Purse | None:
    if not run.points:
        return None
    paid = spent.get(run.code, 0)
    return Purse(run.points, paid, min(100, paid * 100 // run.points))


class EvaluationForm(forms.Form):
    text = forms.CharField(
        label=_("Evaluation"),
        max_length=operations.EVALUATION_MAX,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text=_("What went well, what did not, what to do differently next time."),
    )


class CampaignPage(ConsolePage, FormView):
    """One campaign: its terms in plain words, its purse, what came of it, its evaluation."""

    template_name = "console/campaigns/campaign.html"
    permission_required = VIEW
    form_class = EvaluationForm

    @cached_property
    def found(self) -> Run:
        found = campaign_queries.run(self.kwargs["code"], on=localdate())
        if found is None:
            raise Http404
        return found

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        run, told = self.found, currency()
        parts = campaign_queries.parts(run)
        has_begun = run.state not in (State.PLANNED, State.APPROVED)
        outcome = campaign_queries.outcome(run, parts) if has_begun else None
        is_over = run.state in (State.ENDED, State.EVALUATED)
        user = self.request.user
        return super().get_context_data(
            **{
                "title": run.name,
                "run": run,
                "label": LABELS[run.state],
                "goal": localized(run.goal),
                "budget_money": money(run.money, told) if run.money is not None else "",
                "parts": [_told(part) for part in parts],
                "purse": _purse(run, campaign_queries.spent([run.code]) if has_begun else {}),
                "figures": outcome.total if outcome else None,
                "spend": money(outcome.total.spend, told) if outcome else "",
                "picture": _picture(run, outcome) if outcome else None,
                "compared": list(_compared(run, outcome.total, told)) if outcome else [],
                "expected": list(_expected(run, told)),
                "evaluations": campaign_queries.evaluations(run.code) if is_over else [],
                "may_evaluate": is_over and user.has_perm(EVALUATE),
                "may_see_drafts": user.has_perm("programme.view_draft"),
                "may_see_versions": user.has_perm("programme.view_version"),
                **context,
            }
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(EVALUATE):
            return self.handle_no_permission()
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            operations.evaluate(
                code=self.kwargs["code"],
                text=form.cleaned_data["text"],
                at=timezone.now(),
                by=acting(self.request),
            )
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.form_invalid(form)
        messages.success(self.request, gettext("The evaluation is kept with the campaign."))
        return HttpResponseRedirect(reverse("admin:campaign", args=[self.kwargs["code"]]))


# --- In plain words -------------------------------------------------------------------------------

WHAT = {
    "rule": _("Earning rule"),
    "boost": _("Boost"),
    "kind": _("Engagement"),
    "task": _("Task"),
    "gift": _("Gift"),
}


@dataclass(frozen=True, slots=True)
class PartTold:
    what: str
    name: str
    code: str
    gives: str


def _told(part: Part) -> PartTold:
    return PartTold(str(WHAT[part.what]), localized(part.names), part.code, _gives(part))


def _gives(part: Part) -> str:
    terms = part.terms
    if part.what == "boost":
        return words.gives(terms)
    per_amount = terms.get("per_amount")
    if part.what == "rule" or per_amount:
        return words.rate(Decimal(str(terms["points"])), Decimal(str(per_amount)))
    points = int(Decimal(str(terms["points"])))
    said = ngettext("%(points)s point", "%(points)s points", points) % {"points": f"{points:,}"}
    if part.what == "kind":
        return said
    step = TaskStep if part.what == "task" else GiftOccasion
    return f"{step(terms['when']).label}: {said}"


@dataclass(frozen=True, slots=True)
class Compared:
    """What was expected and what came; `percent` of it, `width` of its bar."""

    name: str
    expected: str
    actual: str
    percent: int
    width: int


def _expected(run: Run, told: str) -> Iterator[tuple[str, str]]:
    names = {"members": _("Members reached"), "points": _("Points given"), "spend": _("Spend")}
    for code, name in names.items():
        if code in run.expected:
            yield str(name), _figure(code, Decimal(run.expected[code]), told)


def _compared(run: Run, total: Figures, told: str) -> Iterator[Compared]:
    came = {
        "members": Decimal(total.members),
        "points": Decimal(total.points),
        "spend": total.spend,
    }
    for (name, expected), code in zip(
        _expected(run, told), [code for code in came if code in run.expected], strict=True
    ):
        percent = int(came[code] * 100 / Decimal(run.expected[code]))
        yield Compared(
            name, expected, _figure(code, came[code], told), percent, max(0, min(100, percent))
        )


def _figure(code: str, number: Decimal, told: str) -> str:
    return money(number, told) if code == "spend" else f"{number:,.0f}"


# --- Points per day -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A day, or several where there are too many to draw each."""

    x: float
    y: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Picture:
    columns: list[Column]
    width: int
    most: int
    first_day: date
    last_day: date
    # Of each day on which something happened, for those who read instead of look.
    days: list[tuple[date, Figures]]
    summary: str


def _picture(run: Run, outcome: Outcome) -> Picture | None:
    """None if nothing came of it yet."""
    if not outcome.by_day:
        return None
    last_day = min(run.last_day, max(localdate(), run.first_day))
    step = (last_day - run.first_day).days // DAYS_DRAWN + 1
    columns = []
    sums = [0] * ((last_day - run.first_day).days // step + 1)
    for day, figures in outcome.by_day.items():
        sums[min((day - run.first_day).days // step, len(sums) - 1)] += figures.points
    most = max(*sums, 1)
    for nth, points in enumerate(sums):
        height = round(max(points, 0) / most * HEIGHT, 1)
        day = run.first_day + timedelta(days=nth * step)
        said = ngettext("%(day)s: %(points)s point", "%(day)s: %(points)s points", points) % {
            "day": date_format(day),
            "points": f"{points:,}",
        }
        columns.append(Column(nth * DAY_WIDTH + GAP, round(HEIGHT - height, 1), height, said))
    best = max(outcome.by_day.items(), key=lambda each: each[1].points)
    return Picture(
        columns=columns,
        width=len(sums) * DAY_WIDTH,
        most=most,
        first_day=run.first_day,
        last_day=last_day,
        days=list(outcome.by_day.items()),
        summary=gettext("Points given per day; most on %(day)s: %(points)s.")
        % {"day": date_format(best[0]), "points": f"{best[1].points:,}"},
    )


URLS: dict[str, tuple[str, Any]] = {
    "campaigns": ("campaigns/", CampaignsPage),
    "campaign": ("campaigns/plan/<slug:code>/", CampaignPage),
}
