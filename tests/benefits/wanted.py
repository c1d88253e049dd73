"""Candidate benefits, surveys about them and what members answer, through the real operations."""

from datetime import date, datetime, timedelta

from django.utils import timezone
from django.utils.timezone import localdate

from benefits.models import Source
from benefits.models.research import Candidate, Evaluation, QuestionKind, Survey
from benefits.operations import research, surveys
from tests.factories import staff


def candidate(name: str = "机场贵宾厅", *, by=None, **more) -> Candidate:
    facts = research.CandidateFacts(
        names={"zh-hans": name}, source=more.pop("source", Source.PARTNER), **more
    )
    return research.write_candidate(facts=facts, by=by or staff())


def survey(*, by=None, on: date | None = None, days: int = 30, **more) -> Survey:
    """A draft, from a day on (today)."""
    first = on or localdate()
    facts = surveys.SurveyFacts(
        titles={"zh-hans": "您想要什么？"},
        intros={"zh-hans": "三个问题，一分钟。"},
        opens_on=first,
        closes_on=first + timedelta(days=days),
        **more,
    )
    return surveys.draft_survey(facts=facts, by=by or staff())


def asking(*questions, on: date | None = None, by=None, published=True, **more):
    """
    A survey with questions `(kind, candidates)` or `(kind, candidates, most)`.

    :returns: the survey, and by question the options' ids in order
    """
    by = by or staff()
    one = survey(by=by, on=on, **more)
    asked = [
        surveys.ask(
            survey_id=one.pk,
            kind=QuestionKind(kind),
            texts={"zh-hans": f"问题{nth}"},
            candidates=[each.pk for each in candidates],
            most=most[0] if most else (1 if kind == "CHOOSE" else None),
            by=by,
        )
        for nth, (kind, candidates, *most) in enumerate(questions, 1)
    ]
    if published:
        at = timezone.now() if on is None else noon(on)
        one = surveys.publish_survey(survey_id=one.pk, at=at, by=by)
    return one, [
        list(each.options.order_by("position").values_list("pk", flat=True)) for each in asked
    ]


def noon(day: date) -> datetime:
    return timezone.make_aware(datetime(day.year, day.month, day.day, 12))


def say(one: Survey, member, said, *, at: datetime | None = None):
    return surveys.answer(survey_id=one.pk, member_id=member.pk, said=said, at=at or timezone.now())


def research_of_all(*members) -> tuple[Evaluation, Candidate]:
    """An evaluation by a survey that is asked, one answer each, and one of its candidates."""
    by = staff()
    two = [candidate("机场贵宾厅", by=by, expected_uses=1200), candidate("代驾", by=by)]
    one, (options,) = asking(("RATE", two), by=by)
    for each in members:
        say(one, each, {options[0]: 5, options[1]: 3})
    evaluation = research.write_evaluation(
        name="2026 下半年",
        survey_id=one.pk,
        weights=(2, 1, 1),
        candidates=[each.pk for each in two],
        by=by,
    )
    return evaluation, two[0]
