"""Questions about research: who is asked what, what was answered, what it says of candidates."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from benefits import scoring
from benefits.models.research import (
    Answer,
    Assessment,
    Candidate,
    Dimension,
    Evaluation,
    Option,
    Question,
    QuestionKind,
    Reply,
    Survey,
    SurveyState,
)
from benefits.queries.rights import guests_of
from benefits.scoring import GROUP_MIN
from members.models import Tagging
from tiers import queries as tiers

# --- For the member -------------------------------------------------------------------------------


def open_on(day: date) -> QuerySet[Survey]:
    """Surveys that can be answered on a day, the one that closes first first."""
    found = Survey.objects.filter(
        state=SurveyState.PUBLISHED, opens_on__lte=day, closes_on__gte=day
    )
    return found.order_by("closes_on", "pk")


def asked(member_id: int, day: date) -> list[tuple[Survey, Answer | None]]:
    """What a member is asked on a day, and what the member, or who was merged in, answered."""
    tagged = Tagging.objects.filter(tag=OuterRef("tag"), member=member_id, tag__is_active=True)
    found = list(open_on(day).filter(Q(tag=None) | Exists(tagged)))
    if not found:
        return []
    level = tiers.level_code_on(member_id, day) if any(each.levels for each in found) else None
    mine = [each for each in found if not each.levels or level in each.levels]
    answers = {each.survey_id: each for each in answers_of(member_id).filter(survey__in=mine)}
    return [(each, answers.get(each.pk)) for each in mine]


def answers_of(member_id: int) -> QuerySet[Answer]:
    """The answers of one person, whoever gave them before memberships were joined."""
    return Answer.objects.filter(member_id__in=guests_of(member_id), is_counted=True)


def questions(survey_id: int) -> list[tuple[Question, list[Option]]]:
    """In order, with what they are about."""
    options: dict[int, list[Option]] = {}
    found = Option.objects.filter(question__survey=survey_id).select_related("candidate")
    for option in found.order_by("position", "pk"):
        options.setdefault(option.question_id, []).append(option)
    rows = Question.objects.filter(survey=survey_id).order_by("position")
    return [(each, options.get(each.pk, [])) for each in rows]


def replies_of(answer: Answer) -> dict[int, int]:
    """By option."""
    return dict(answer.replies.values_list("option_id", "value"))


# --- What was answered: nobody's answer, only figures of groups -----------------------------------


@dataclass(frozen=True, slots=True)
class OptionResult:
    """
    What members say of an option; `attractiveness`: None where too few said anything.

    :param figure: chosen by so many of a hundred, stars, or the place, on average
    """

    option: Option
    figure: Decimal | None
    attractiveness: Fraction | None


@dataclass(frozen=True, slots=True)
class QuestionResult:
    """`answers`: of how many; None: too few to tell."""

    question: Question
    answers: int | None
    options: list[OptionResult]


def counted(survey_id: int) -> QuerySet[Answer]:
    return Answer.objects.filter(survey=survey_id, is_counted=True)


def is_over(survey: Survey, day: date) -> bool:
    """
    Whether no answer can come any more. Figures are told only then: two looks with one answer
    between them would tell that answer.
    """
    if survey.state == SurveyState.PUBLISHED:
        return survey.closes_on < day
    return survey.state == SurveyState.CLOSED


def tellable(survey_id: int) -> list[str]:
    """
    Tiers whose figures may be told: of groups that are large enough, as long as those left out are
    together large enough too, or nobody.
    """
    sizes = dict(counted(survey_id).values_list("level").annotate(Count("pk")).order_by("level"))
    large = [level for level, size in sizes.items() if size >= GROUP_MIN]
    left_out = sum(size for level, size in sizes.items() if level not in large)
    if 0 < left_out < GROUP_MIN:
        # The smallest is left out with them: the rest, taken from all, must not tell them.
        large.sort(key=lambda level: sizes[level])
        large = large[1:]
    return sorted(large)


def results(survey_id: int, *, level: str | None = None) -> list[QuestionResult]:
    """
    What was answered to each question.

    :param level: only of a tier, one of `tellable`
    """
    answers = counted(survey_id)
    if level is not None:
        answers = answers.filter(level=level)
    # Who answers, answers each question: see `benefits.operations.surveys`.
    answering = answers.count()
    replies = Reply.objects.filter(answer__in=answers)
    said = {
        option: (count, total)
        for option, count, total in replies.values_list("option").annotate(
            Count("pk"), Sum("value")
        )
    }
    return [
        _result(question, options, answering, said) for question, options in questions(survey_id)
    ]


def _result(
    question: Question, options: list[Option], answers: int, said: dict[int, tuple[int, int]]
) -> QuestionResult:
    if answers < GROUP_MIN:
        return QuestionResult(question, None, [OptionResult(each, None, None) for each in options])
    rows = []
    for option in options:
        count, total = said.get(option.pk, (0, 0))
        figure, score = _figures(question, count, total, answers=answers, options=len(options))
        rows.append(OptionResult(option, scoring.shown(figure), score))
    return QuestionResult(question, answers, rows)


def _figures(
    question: Question, count: int, total: int, *, answers: int, options: int
) -> tuple[Fraction | None, Fraction | None]:
    if question.kind == QuestionKind.CHOOSE:
        return Fraction(100 * count, answers), scoring.of_choice(chosen=count, answers=answers)
    # Every option has its reply: see `benefits.operations.surveys`.
    if question.kind == QuestionKind.RATE:
        stars = scoring.of_stars(total=total, answers=count)
        return stars, stars
    place = Fraction(total, count)
    return place, scoring.of_order(total=total, answers=count, options=options)


def attractiveness(survey: Survey | None, day: date) -> dict[int, Fraction]:
    """By candidate, the mean of what the questions about it say; of what too few answered, none."""
    if survey is None or not is_over(survey, day):
        return {}
    found: dict[int, list[Fraction]] = {}
    for result in results(survey.pk):
        for each in result.options:
            if each.attractiveness is not None:
                found.setdefault(each.option.candidate_id, []).append(each.attractiveness)
    return {one: scoring.mean(values) for one, values in found.items()}


# --- Evaluations ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """A candidate in a ranking, with what each assessor says of it."""

    ranked: scoring.Ranked
    candidate: Candidate
    assessments: list[Assessment]


def ranking(evaluation: Evaluation, day: date) -> list[Standing]:
    """An evaluation's candidates by what is known on a day, the best first."""
    wanted = attractiveness(evaluation.survey, day)
    judged: dict[int, list[Assessment]] = {}
    for each in (
        Assessment.objects.filter(evaluation=evaluation)
        .select_related("assessor")
        .order_by("dimension", "assessor__username")
    ):
        judged.setdefault(each.candidate_id, []).append(each)
    candidates = evaluation.candidates.in_bulk()
    rows = [
        scoring.Scored(
            pk,
            scoring.shown(wanted.get(pk)),
            _judged(judged.get(pk, []), Dimension.FEASIBILITY),
            _judged(judged.get(pk, []), Dimension.COST),
        )
        for pk in candidates
    ]
    return [
        Standing(
            each, candidates[each.scored.candidate_id], judged.get(each.scored.candidate_id, [])
        )
        for each in scoring.ranked(rows, weights_of(evaluation))
    ]


def _judged(by: list[Assessment], dimension: Dimension) -> Decimal | None:
    """The mean of all assessors."""
    scores = [Fraction(each.score) for each in by if each.dimension == dimension]
    return scoring.shown(scoring.mean(scores)) if scores else None


def weights_of(evaluation: Evaluation) -> scoring.Weights:
    return scoring.Weights(evaluation.attractiveness, evaluation.feasibility, evaluation.cost)


# --- Afterwards -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quarter:
    """What became of an adopted benefit in a quarter."""

    begins_on: date
    granted: int
    delivered: int
    cost: Decimal
    ratings: int
    stars: Decimal | None

    @property
    def name(self) -> str:
        return f"{self.begins_on.year} Q{(self.begins_on.month + 2) // 3}"


# Days are the programme's (settings.TIME_ZONE, which the connection is told).
USAGE = """
    WITH granted AS (
        SELECT date_trunc('quarter', granted_on)::date AS begins_on, count(*) AS granted
        FROM benefits_right WHERE benefit = %(benefit)s AND NOT on_demand GROUP BY 1
    ), delivered AS (
        SELECT date_trunc('quarter', r.delivered_at AT TIME ZONE %(zone)s)::date AS begins_on,
            count(*) AS delivered, sum(r.cost) AS cost,
            count(s.stars) AS ratings, avg(s.stars)::numeric(3, 2) AS stars
        FROM benefits_right AS r LEFT JOIN benefits_rating AS s ON s.right_id = r.id
        WHERE r.benefit = %(benefit)s AND r.state IN ('DELIVERED', 'RATED') GROUP BY 1
    )
    SELECT begins_on, coalesce(granted, 0), coalesce(delivered, 0), coalesce(cost, 0),
        coalesce(ratings, 0), stars
    FROM granted FULL JOIN delivered USING (begins_on) ORDER BY begins_on
"""


def usage(benefit: str, *, zone: str) -> list[Quarter]:
    """What was granted, delivered and said of a benefit, by quarter, the earliest first."""
    with connection.cursor() as cursor:
        cursor.execute(USAGE, {"benefit": benefit, "zone": zone})
        return [Quarter(*row) for row in cursor.fetchall()]


def candidates() -> QuerySet[Candidate]:
    return Candidate.objects.select_related("partner", "decided_by").order_by("pk")
