"""Research 权益调研 in the console: surveys, candidate benefits, evaluations, what came of them."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import get_default_timezone_name, localdate
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, TemplateView, View

from benefits import scoring
from benefits.models.research import (
    Assessment,
    Candidate,
    Dimension,
    Evaluation,
    QuestionKind,
    Stage,
    Survey,
    SurveyState,
)
from benefits.operations import research, surveys
from benefits.queries import research as queries
from benefits.scoring import GROUP_MIN, Ranked
from common import tables
from common.errors import DomainError
from common.staff import acting
from membership import research_forms
from membership.console import ConsolePage
from membership.radar import Radar, radar
from tiers import queries as tiers

VIEW = "benefits.view_candidate"
CHANGE = "benefits.change_candidate"
ASSESS = "benefits.assess_candidate"
DECIDE = "benefits.decide_candidate"
DAYS_OPEN = 14
STAGE_LABELS = {Stage.IDEA: "info", Stage.ADOPTED: "success", Stage.REJECTED: ""}
STATE_LABELS = {SurveyState.DRAFT: "warning", SurveyState.PUBLISHED: "success"}
# By what a candidate stands below the one before it.
BY = {
    scoring.ATTRACTIVENESS: _("Same total; members want the one before it more."),
    scoring.FEASIBILITY: _("Same total, as attractive; the one before it is more feasible."),
    scoring.COST: _("Same total, as attractive and as feasible; the one before it costs less."),
    scoring.NOTHING: _("The same in everything: they share the place."),
}
AXES = (_("Attractiveness"), _("Feasibility"), _("Partner cost"))
FIGURES = {
    QuestionKind.CHOOSE: _("Chosen by, %"),
    QuestionKind.RATE: _("Stars on average"),
    QuestionKind.RANK: _("Place on average"),
}


class Page(ConsolePage):
    kwargs: dict[str, Any]
    permission_required: Any = VIEW

    def may(self, permission: str) -> bool:
        return self.request.user.has_perm(permission)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(
            may_change=self.may(CHANGE),
            may_assess=self.may(ASSESS),
            may_decide=self.may(DECIDE),
            **context,
        )


class ResearchPage(Page, TemplateView):
    """Everything there is: surveys, evaluations, candidates; the latest first."""

    template_name = "console/research/overview.html"
    title = _("Research")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(
            surveys=[
                (each, STATE_LABELS.get(SurveyState(each.state), ""))
                for each in Survey.objects.annotate(answered=Count("answers")).order_by("-pk")
            ],
            evaluations=Evaluation.objects.annotate(size=Count("candidates")).order_by("-pk"),
            candidates=[(each, STAGE_LABELS[Stage(each.stage)]) for each in queries.candidates()],
            **context,
        )


class WritePage(Page, FormView):
    """A form that writes one thing, and leads to its page."""

    template_name = "console/research/form.html"
    permission_required = CHANGE
    # The name of the page it leads to.
    leads_to = ""

    def write(self, form: Any) -> int:
        """
        :returns: what the page is found by
        :raises DomainError: if it cannot be
        """
        raise NotImplementedError

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(back=self.back, **context)

    @property
    def back(self) -> str:
        return reverse("admin:research")

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            made = self.write(form)
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.form_invalid(form)
        messages.success(self.request, gettext("Saved."))
        return HttpResponseRedirect(reverse(f"admin:{self.leads_to}", args=[made]))


# --- Candidates -----------------------------------------------------------------------------------


class CandidateNew(WritePage):
    title = _("New candidate benefit")
    form_class = research_forms.CandidateForm
    leads_to = "candidate"

    def write(self, form: Any) -> int:
        return research.write_candidate(facts=form.facts(), by=acting(self.request)).pk


class CandidateEdit(CandidateNew):
    title = _("Change the candidate benefit")

    def get_initial(self) -> dict[str, Any]:
        one = get_object_or_404(Candidate, pk=self.kwargs["candidate_id"])
        return {name: getattr(one, name) for name in self.form_class.base_fields}

    def write(self, form: Any) -> int:
        return research.write_candidate(
            facts=form.facts(), by=acting(self.request), candidate_id=self.kwargs["candidate_id"]
        ).pk


@dataclass(frozen=True, slots=True)
class Afterwards:
    """What became of an adopted candidate, beside what was expected."""

    quarters: list[queries.Quarter]
    expected_uses: int | None
    expected_spend: Decimal | None
    expected_stars: Decimal | None


def afterwards(one: Candidate) -> Afterwards | None:
    """None where it became no benefit (yet)."""
    if not one.benefit:
        return None
    uses = one.expected_uses
    return Afterwards(
        quarters=queries.usage(one.benefit, zone=get_default_timezone_name()),
        expected_uses=uses,
        expected_spend=None if uses is None else uses * one.expected_cost,
        expected_stars=one.expected_stars,
    )


class CandidatePage(Page, TemplateView):
    """What it is, what was decided and why, and what came of it."""

    template_name = "console/research/candidate.html"
    refused: Any = None

    @cached_property
    def one(self) -> Candidate:
        return get_object_or_404(queries.candidates(), pk=self.kwargs["candidate_id"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        one = self.one
        return super().get_context_data(
            title=one.name,
            candidate=one,
            label=STAGE_LABELS[Stage(one.stage)],
            is_open=one.stage == Stage.IDEA,
            is_adopted=one.stage == Stage.ADOPTED,
            afterwards=afterwards(one),
            evaluations=one.evaluations.order_by("-pk"),
            decide_form=self.refused or research_forms.DecideForm(),
            become_form=research_forms.BecomeForm(initial={"benefit": one.benefit}),
            **context,
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.may(DECIDE):
            return self.handle_no_permission()
        deed = self._become if "benefit" in request.POST else self._decide
        try:
            if not deed(request):
                return self.render_to_response(self.get_context_data(), status=422)
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
        return HttpResponseRedirect(request.path)

    def _decide(self, request: HttpRequest) -> bool:
        form = research_forms.DecideForm(request.POST)
        if not form.is_valid():
            self.refused = form
            return False
        research.decide_candidate(
            candidate_id=self.one.pk,
            adopt=request.POST.get("decision") == "adopt",
            reason=form.cleaned_data["reason"],
            at=timezone.now(),
            by=acting(request),
        )
        return True

    def _become(self, request: HttpRequest) -> bool:
        research.become(
            candidate_id=self.one.pk,
            benefit=request.POST["benefit"][: research_forms.TEXT_MAX],
            at=timezone.now(),
            by=acting(request),
        )
        return True


# --- Surveys --------------------------------------------------------------------------------------


class SurveyNew(WritePage):
    title = _("New survey")
    form_class = research_forms.SurveyForm
    leads_to = "survey"

    def get_initial(self) -> dict[str, Any]:
        today = localdate()
        return {"opens_on": today, "closes_on": today + timedelta(days=DAYS_OPEN)}

    def write(self, form: Any) -> int:
        return surveys.draft_survey(facts=form.facts(), by=acting(self.request)).pk


class SurveyEdit(SurveyNew):
    title = _("Change the survey")

    def get_initial(self) -> dict[str, Any]:
        one = get_object_or_404(Survey, pk=self.kwargs["survey_id"])
        return {name: getattr(one, name) for name in self.form_class.base_fields}

    def write(self, form: Any) -> int:
        return surveys.draft_survey(
            facts=form.facts(), by=acting(self.request), survey_id=self.kwargs["survey_id"]
        ).pk


class QuestionNew(WritePage):
    title = _("Add a question")
    form_class = research_forms.QuestionForm
    leads_to = "survey"

    @property
    def back(self) -> str:
        return reverse("admin:survey", args=[self.kwargs["survey_id"]])

    def write(self, form: Any) -> int:
        given = form.cleaned_data
        return surveys.ask(
            survey_id=self.kwargs["survey_id"],
            kind=QuestionKind(given["kind"]),
            texts=given["texts"],
            candidates=[each.pk for each in given["candidates"]],
            most=given["most"],
            by=acting(self.request),
        ).survey_id


class SurveyPage(Page, TemplateView):
    """A draft with its questions; later how many answered, and once it is over, what they said."""

    template_name = "console/research/survey.html"

    @cached_property
    def one(self) -> Survey:
        found = Survey.objects.select_related("tag")
        return get_object_or_404(found, pk=self.kwargs["survey_id"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        one = self.one
        is_over = queries.is_over(one, localdate())
        tellable = queries.tellable(one.pk) if is_over else []
        level = self.request.GET.get("tier", "")
        level = level if level in tellable else ""
        names = {each.code: each.name for each in tiers.ladder_on(localdate()).levels}
        return super().get_context_data(
            title=one.title,
            survey=one,
            label=STATE_LABELS.get(SurveyState(one.state), ""),
            is_draft=one.state == SurveyState.DRAFT,
            is_published=one.state == SurveyState.PUBLISHED,
            is_over=is_over,
            asked=[names.get(each, each) for each in one.levels],
            answered=queries.counted(one.pk).count(),
            questions=[] if is_over else queries.questions(one.pk),
            results=_results(one, level) if is_over else [],
            tiers=[(each, names.get(each, each)) for each in tellable if each],
            tier=level,
            group_min=GROUP_MIN,
            **context,
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.may(CHANGE):
            return self.handle_no_permission()
        by, pk = acting(request), self.one.pk
        try:
            if "publish" in request.POST:
                surveys.publish_survey(survey_id=pk, at=timezone.now(), by=by)
            elif "close" in request.POST:
                surveys.close_survey(survey_id=pk, by=by)
            elif (dropped := request.POST.get("drop", "")).isdecimal() and len(dropped) < 19:
                surveys.drop_question(survey_id=pk, question_id=int(dropped), by=by)
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
        return HttpResponseRedirect(request.path)


def _results(one: Survey, level: str) -> list[tuple[queries.QuestionResult, Any]]:
    found = queries.results(one.pk, level=level or None)
    return [(each, FIGURES[QuestionKind(each.question.kind)]) for each in found]


class SurveyFile(Page, View):
    """What was answered, as figures of groups: a CSV."""

    def get(self, _request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        one = get_object_or_404(Survey, pk=self.kwargs["survey_id"])
        return _csv(f"survey-{one.pk}.csv", _survey_lines(one))


def _survey_lines(one: Survey) -> Iterator[list[Any]]:
    yield [_("Tier"), _("Question"), _("Candidates"), _("Answers given"), _("Figure"), AXES[0]]
    if not queries.is_over(one, localdate()):
        return
    for level in ["", *(each for each in queries.tellable(one.pk) if each)]:
        for result, told in _results(one, level):
            for each in result.options:
                yield [
                    level, result.question.text, each.option.candidate.name,
                    "" if result.answers is None else result.answers,
                    "" if each.figure is None else f"{told}: {each.figure}",
                    scoring.shown(each.attractiveness),
                ]  # fmt: skip


def _csv(name: str, lines: Iterable[list[Any]]) -> HttpResponse:
    text = "\ufeff" + "".join(
        tables.csv_line(["" if cell is None else str(cell) for cell in line]) for line in lines
    )
    answer = HttpResponse(text, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


# --- Evaluations ----------------------------------------------------------------------------------


class EvaluationNew(WritePage):
    title = _("New evaluation")
    form_class = research_forms.EvaluationForm
    leads_to = "evaluation"

    def write(self, form: Any, evaluation_id: int | None = None) -> int:
        given = form.cleaned_data
        return research.write_evaluation(
            name=given["name"],
            survey_id=given["survey"] and given["survey"].pk,
            weights=(given["attractiveness"], given["feasibility"], given["cost"]),
            candidates=[each.pk for each in given["candidates"]],
            by=acting(self.request),
            evaluation_id=evaluation_id,
        ).pk


class EvaluationEdit(EvaluationNew):
    title = _("Change the evaluation")

    def get_initial(self) -> dict[str, Any]:
        one = get_object_or_404(Evaluation, pk=self.kwargs["evaluation_id"])
        kept = {name: getattr(one, name) for name in ("name", "survey")}
        weights = asdict(queries.weights_of(one))
        return kept | weights | {"candidates": list(one.candidates.values_list("pk", flat=True))}

    def write(self, form: Any, evaluation_id: int | None = None) -> int:
        return super().write(form, evaluation_id=self.kwargs["evaluation_id"])


@dataclass(frozen=True, slots=True)
class Row:
    """A candidate in the ranking, with its picture and what assessors say."""

    ranked: Ranked
    candidate: Candidate
    label: str
    why: Any
    picture: Radar
    assessments: list[Assessment]


class EvaluationPage(Page, TemplateView):
    """The ranking, a picture each, and beside it the scores with their reasons."""

    template_name = "console/research/evaluation.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = Evaluation.objects.select_related("survey")
        one = get_object_or_404(found, pk=self.kwargs["evaluation_id"])
        shares = queries.weights_of(one).shares
        percents = [scoring.shown(100 * share) for share in shares]
        is_told = one.survey is not None and queries.is_over(one.survey, localdate())
        return super().get_context_data(
            title=one.name,
            evaluation=one,
            weights=list(zip(AXES, percents, strict=True)),
            waits_for_survey=one.survey is not None and not is_told,
            rows=list(_rows(one)),
            best=scoring.BEST,
            **context,
        )


def _rows(one: Evaluation) -> Iterator[Row]:
    for standing in queries.ranking(one, localdate()):
        candidate, ranked = standing.candidate, standing.ranked
        yield Row(
            ranked=ranked,
            candidate=candidate,
            label=STAGE_LABELS[Stage(candidate.stage)],
            why=BY.get(ranked.by, ""),
            picture=radar(candidate.name, list(zip(AXES, ranked.scored.scores, strict=True))),
            assessments=standing.assessments,
        )


class AssessPage(WritePage):
    """One candidate judged by who is logged in; what they said before stands in the form."""

    form_class = research_forms.AssessForm
    permission_required = ASSESS
    leads_to = "evaluation"

    @property
    def back(self) -> str:
        return reverse("admin:evaluation", args=[self.kwargs["evaluation_id"]])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        one = get_object_or_404(
            Candidate, pk=self.kwargs["candidate_id"], evaluations=self.kwargs["evaluation_id"]
        )
        return super().get_context_data(title=one.name, about=one, **context)

    def get_initial(self) -> dict[str, Any]:
        mine = Assessment.objects.filter(
            evaluation=self.kwargs["evaluation_id"],
            candidate=self.kwargs["candidate_id"],
            assessor=acting(self.request),
        )
        names = {Dimension.FEASIBILITY: "feasibility", Dimension.COST: "cost"}
        found: dict[str, Any] = {}
        for each in mine:
            name = names[Dimension(each.dimension)]
            found |= {name: each.score, f"{name}_reason": each.reason}
        return found

    def write(self, form: Any) -> int:
        research.assess(
            evaluation_id=self.kwargs["evaluation_id"],
            candidate_id=self.kwargs["candidate_id"],
            scores=form.scores(),
            at=timezone.now(),
            by=acting(self.request),
        )
        return self.kwargs["evaluation_id"]


class EvaluationFile(Page, View):
    """The ranking as a CSV."""

    def get(self, _request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        one = get_object_or_404(Evaluation, pk=self.kwargs["evaluation_id"])
        return _csv(f"evaluation-{one.pk}.csv", _evaluation_lines(one))


def _evaluation_lines(one: Evaluation) -> Iterator[list[Any]]:
    yield [_("Rank"), _("Candidate"), *AXES, _("Total"), _("Why"), _("State")]
    for row in _rows(one):
        yield [
            row.ranked.place, row.candidate.name, *row.ranked.scored.scores, row.ranked.total,
            row.why, row.candidate.get_stage_display(),
        ]  # fmt: skip


URLS: dict[str, tuple[str, Any]] = {
    "research": ("research/", ResearchPage),
    "candidate-new": ("research/candidates/new/", CandidateNew),
    "candidate": ("research/candidates/<int:candidate_id>/", CandidatePage),
    "candidate-edit": ("research/candidates/<int:candidate_id>/edit/", CandidateEdit),
    "survey-new": ("research/surveys/new/", SurveyNew),
    "survey": ("research/surveys/<int:survey_id>/", SurveyPage),
    "survey-edit": ("research/surveys/<int:survey_id>/edit/", SurveyEdit),
    "survey-question": ("research/surveys/<int:survey_id>/question/", QuestionNew),
    "survey-file": ("research/surveys/<int:survey_id>/answers.csv", SurveyFile),
    "evaluation-new": ("research/evaluations/new/", EvaluationNew),
    "evaluation": ("research/evaluations/<int:evaluation_id>/", EvaluationPage),
    "evaluation-edit": ("research/evaluations/<int:evaluation_id>/edit/", EvaluationEdit),
    "evaluation-file": ("research/evaluations/<int:evaluation_id>/ranking.csv", EvaluationFile),
    "evaluation-assess": (
        "research/evaluations/<int:evaluation_id>/<int:candidate_id>/",
        AssessPage,
    ),
}
