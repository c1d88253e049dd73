"""How members are asked, and how they answer (B7)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from benefits.models.research import (
    Answer,
    Candidate,
    Option,
    Question,
    QuestionKind,
    Reply,
    Stage,
    Survey,
    SurveyState,
)
from benefits.queries import guests_of
from benefits.queries import research as queries
from common import audit, events
from common.errors import DomainError, Invalid, NotFound
from common.models import User
from common.moments import require_years
from points import operations as ledger
from points import queries as points
from tiers import queries as tiers

QUESTIONS_MAX = 10
OPTIONS_MAX = 12
STARS = range(1, 6)


class UnknownSurvey(NotFound):
    code = "unknown_survey"
    message = _("There is no such survey.")


class SurveyIsAsked(DomainError):
    code = "survey_is_asked"
    message = _("What members are asked does not change any more.")


class NothingAsked(DomainError):
    code = "nothing_asked"
    message = _("A survey asks something: add a question.")


class TooManyQuestions(DomainError):
    code = "too_many_questions"
    message = _("A survey has at most %(count)s questions.")


class WrongOptions(Invalid):
    code = "wrong_options"
    message = _("A question is about two to %(count)s candidates, and never of more to choose.")


class WrongDays(Invalid):
    code = "wrong_days"
    message = _("The last day is not before the first, and not over yet.")


class SurveyOver(DomainError):
    code = "survey_over"
    message = _("This survey is over. Thank you all the same.")


class WrongAnswer(Invalid):
    code = "wrong_answer"
    message = _("Please answer each question.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyFacts:
    """What a survey is. See `Survey`."""

    titles: Mapping[str, str]
    intros: Mapping[str, str] = field(default_factory=dict)
    opens_on: date
    closes_on: date
    levels: Sequence[str] = ()
    tag_id: int | None = None
    activity: str = ""


@transaction.atomic
def draft_survey(*, facts: SurveyFacts, by: User, survey_id: int | None = None) -> Survey:
    """
    Write a survey down, a new one or a draft.

    :raises UnknownSurvey: :raises SurveyIsAsked: if it is none any more
    :raises WrongDays: if it ends before it begins
    :raises common.moments.YearOutOfRange: if so
    """
    require_years(facts.opens_on, facts.closes_on)
    if facts.closes_on < facts.opens_on:
        raise WrongDays
    survey = _draft(survey_id) if survey_id else Survey()
    for name in ("titles", "intros", "opens_on", "closes_on", "tag_id", "activity"):
        setattr(survey, name, getattr(facts, name))
    survey.levels = list(facts.levels)
    survey.save()
    audit.record(
        action="survey.changed" if survey_id else "survey.created", target=f"survey {survey.pk}",
        by=by,
    )  # fmt: skip
    return survey


@transaction.atomic
def ask(
    *,
    survey_id: int,
    kind: QuestionKind,
    texts: Mapping[str, str],
    candidates: Sequence[int],
    most: int | None,
    by: User,
) -> Question:
    """
    Add a question to a draft.

    :param candidates: in the order members see them
    :param most: of a choice: how many may be chosen
    :raises WrongOptions: if there are too few or too many, or one was decided already
    :raises TooManyQuestions: :raises SurveyIsAsked:
    """
    survey = _draft(survey_id)
    taken = list(survey.questions.order_by("position").values_list("position", flat=True))
    if len(taken) >= QUESTIONS_MAX:
        raise TooManyQuestions(count=QUESTIONS_MAX)
    open_ones = Candidate.objects.filter(pk__in=candidates, stage=Stage.IDEA).count()
    chosen = most if kind == QuestionKind.CHOOSE else None
    if (
        len(candidates) not in range(2, OPTIONS_MAX + 1)
        or open_ones != len(candidates)
        or (kind == QuestionKind.CHOOSE and not 1 <= (most or 0) <= len(candidates))
    ):
        raise WrongOptions(count=OPTIONS_MAX)
    question = Question.objects.create(
        survey=survey, position=max(taken, default=0) + 1, kind=kind, texts=texts, most=chosen
    )
    Option.objects.bulk_create(
        Option(question=question, candidate_id=pk, position=nth)
        for nth, pk in enumerate(candidates, 1)
    )
    audit.record(action="survey.changed", target=f"survey {survey.pk}", by=by)
    return question


@transaction.atomic
def drop_question(*, survey_id: int, question_id: int, by: User) -> None:
    """:raises SurveyIsAsked: :raises UnknownSurvey: if it is no question of it"""
    survey = _draft(survey_id)
    question = survey.questions.filter(pk=question_id).first()
    if question is None:
        raise UnknownSurvey
    question.options.all().delete()
    question.delete()
    audit.record(action="survey.changed", target=f"survey {survey.pk}", by=by)


@transaction.atomic
def publish_survey(*, survey_id: int, at: datetime, by: User) -> Survey:
    """
    Let members answer, from its first day on.

    :raises SurveyIsAsked: :raises NothingAsked: without a question
    :raises WrongDays: if its last day is over
    """
    survey = _draft(survey_id)
    if not survey.questions.exists():
        raise NothingAsked
    if survey.closes_on < localdate(at):
        raise WrongDays
    return _set(survey, SurveyState.PUBLISHED, "survey.published", by)


@transaction.atomic
def close_survey(*, survey_id: int, by: User) -> Survey:
    """End it before its last day. A draft that is closed was never asked."""
    survey = _held(survey_id)
    if survey.state == SurveyState.CLOSED:
        return survey
    return _set(survey, SurveyState.CLOSED, "survey.closed", by)


def _set(survey: Survey, state: SurveyState, action: str, by: User) -> Survey:
    survey.state = state
    survey.save(update_fields=["state"])
    audit.record(action=action, target=f"survey {survey.pk}", by=by)
    return survey


def _held(survey_id: int) -> Survey:
    found = Survey.objects.select_for_update(no_key=True).filter(pk=survey_id).first()
    if found is None:
        raise UnknownSurvey
    return found


def _draft(survey_id: int) -> Survey:
    survey = _held(survey_id)
    if survey.state != SurveyState.DRAFT:
        raise SurveyIsAsked
    return survey


# --- Answering ------------------------------------------------------------------------------------


@transaction.atomic
def answer(*, survey_id: int, member_id: int, said: Mapping[int, int], at: datetime) -> Answer:
    """
    Take down what a member answers; until the survey closes, the last answer counts.

    :param said: by option: chosen (1), stars, or its place; options not chosen are left out
    :raises UnknownSurvey: if the member is not asked
    :raises SurveyOver: if it has been closed
    :raises WrongAnswer: if a question is not answered as it was asked
    """
    survey = Survey.objects.filter(pk=survey_id).first()
    if survey is None or survey.state == SurveyState.DRAFT:
        raise UnknownSurvey
    day = localdate(at)
    if queries.is_over(survey, day):
        raise SurveyOver
    person = points.holder_of(member_id)
    # The same person does not answer twice at once. Who is answering while it is closed still may.
    ledger.lock(person)
    given = {each.pk: mine for each, mine in queries.asked(person, day)}
    if survey_id not in given:
        raise UnknownSurvey
    _require_answers(queries.questions(survey_id), said)
    mine = given[survey_id]
    is_first = mine is None
    if mine is None:
        level = tiers.level_code_on(person, day) or ""
        mine = Answer.objects.create(survey=survey, member_id=person, level=level, at=at)
    else:
        mine.replies.all().delete()
        mine.at = at
        mine.save(update_fields=["at"])
    Reply.objects.bulk_create(
        Reply(answer=mine, option_id=option, value=value) for option, value in said.items()
    )
    if is_first:
        told = {
            "survey_id": survey_id, "member_id": person, "activity": survey.activity,
            "at": at.isoformat(),
        }  # fmt: skip
        events.publish("survey.answered", told)
    return mine


def _require_answers(
    questions: Iterable[tuple[Question, Sequence[Option]]], said: Mapping[int, int]
) -> None:
    known = set[int]()
    for question, options in questions:
        ids = [each.pk for each in options]
        known.update(ids)
        values = [said[pk] for pk in ids if pk in said]
        if not _is_answered(question, len(ids), values):
            raise WrongAnswer
    if not said.keys() <= known:
        raise WrongAnswer


def _is_answered(question: Question, options: int, values: Sequence[int]) -> bool:
    if question.kind == QuestionKind.CHOOSE:
        return 1 <= len(values) <= (question.most or 0) and set(values) == {1}
    if question.kind == QuestionKind.RATE:
        return len(values) == options and set(values) <= set(STARS)
    return sorted(values) == list(range(1, options + 1))


@transaction.atomic
def count_once(*, member_id: int, into_id: int) -> None:
    """
    Let a person whose memberships are one count once in each survey, with the answer given last;
    and let each count again when that is taken apart. Repeating changes nothing.
    """
    for holder in sorted({points.holder_of(each) for each in (member_id, into_id)}):
        mine = Answer.objects.filter(member_id__in=guests_of(holder))
        latest: dict[int, Answer] = {}
        for each in mine.select_for_update(no_key=True).order_by("at", "pk"):
            latest[each.survey_id] = each
        counting = [each.pk for each in latest.values()]
        mine.filter(is_counted=True).exclude(pk__in=counting).update(is_counted=False)
        mine.filter(is_counted=False, pk__in=counting).update(is_counted=True)
