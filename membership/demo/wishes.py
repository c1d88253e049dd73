"""
What members of the club wish for: candidate benefits, a survey that runs, how staff judge them, and
two that are decided. Done again it changes nothing, as the story.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from django.db import transaction
from django.utils.timezone import localdate

from benefits.models import Source
from benefits.models.research import Candidate, Dimension, Question, QuestionKind, Survey
from benefits.operations import research, surveys
from benefits.queries import research as queries
from common.models import User
from members.queries import Identity
from membership.demo.treats import AWAY

# By position in the cast: who answers.
ASKED = range(90)
MOST = 2
# Names, source, expected cost and uses a quarter; how dear it is to members (of ten), how feasible
# and how light on the partner's purse (of five), with why.
CANDIDATES = (
    (("机场贵宾厅", "機場貴賓廳", "Airport lounge"), Source.PARTNER, 80, 60, 7,
     (3, "需与机场逐一签约"), (2, "按次付费，价格高")),
    (("上门取送车", "上門取送車", "Pick-up and delivery"), Source.OWN, 60, 150, 9,
     (4, "门店已有司机排班"), (4, "成本可控")),
    (("年度体检", "年度體檢", "Yearly health check"), Source.PARTNER, 190, 40, 6,
     (4, "合作机构覆盖主要城市"), (2, "单价较高")),
    (("儿童安全座椅租借", "兒童安全座椅租借", "Child seat on loan"), Source.OWN, 15, 30, 4,
     (5, "库存现成"), (5, "几乎没有新增成本")),
    (("露营装备体验", "露營裝備體驗", "Camping gear on trial"), Source.GOODS, 40, 50, 5,
     (3, "需要仓储"), (3, "损耗由品牌承担")),
    (("高尔夫练习场", "高爾夫練習場", "Driving range"), Source.PARTNER, 120, 10, 1,
     (2, "场地少"), (1, "只有少数人使用")),
)  # fmt: skip
ADOPTED, REJECTED = 1, 5
# Which benefit of the matrix the adopted one is.
BECAME = "pick-up"


@transaction.atomic
def ask(*, known: Mapping[int, Identity], writer: User, approver: User, at: datetime) -> None:
    """Put all of it there, as of `at`. `known`: the members by their position in the cast."""
    if Candidate.objects.exists():
        return
    found = [_candidate(each, by=writer).pk for each in CANDIDATES]
    survey = _survey(found, by=writer, at=at)
    members = [known[each] for each in ASKED if each in known and each not in AWAY]
    _answer(survey, members, at=at)
    evaluation = research.write_evaluation(
        name="2027 年权益候选", survey_id=survey.pk, weights=(50, 30, 20), candidates=found,
        by=writer,
    )  # fmt: skip
    for pk, (_names, _source, _cost, _uses, _wanted, feasible, cheap) in zip(
        found, CANDIDATES, strict=True
    ):
        scores = {Dimension.FEASIBILITY: feasible, Dimension.COST: cheap}
        for assessor in (writer, approver):
            research.assess(
                evaluation_id=evaluation.pk, candidate_id=pk, scores=scores, at=at, by=assessor
            )
    for place, adopt, reason in (
        (ADOPTED, True, "会员最想要，门店能做到"),
        (REJECTED, False, "受众太少"),
    ):
        research.decide_candidate(
            candidate_id=found[place], adopt=adopt, reason=reason, at=at, by=approver
        )
    research.become(candidate_id=found[ADOPTED], benefit=BECAME, at=at, by=approver)


def _candidate(told: tuple, *, by: User) -> Candidate:
    names, source, cost, uses, *_rest = told
    facts = research.CandidateFacts(
        names=_by_language(names), source=source, expected_cost=Decimal(cost), expected_uses=uses,
        expected_stars=Decimal("4.5"),
    )  # fmt: skip
    return research.write_candidate(facts=facts, by=by)


def _survey(candidates: list[int], *, by: User, at: datetime) -> Survey:
    day = localdate(at)
    survey = surveys.draft_survey(
        facts=surveys.SurveyFacts(
            titles=_by_language(
                ("您想要哪些权益？", "您想要哪些權益？", "Which benefits do you want?")
            ),
            intros=_by_language(
                ("两个问题，一分钟。", "兩個問題，一分鐘。", "Two questions, one minute.")
            ),
            opens_on=day - timedelta(days=5),
            closes_on=day + timedelta(days=30),
        ),
        by=by,
    )
    for kind, texts, most in (
        (QuestionKind.CHOOSE, ("最想要的两项", "最想要的兩項", "The two you want most"), MOST),
        (
            QuestionKind.RATE,
            (
                "各有多吸引您？（1–5 分）",
                "各有多吸引您？（1–5 分）",
                "How much do you want each?",
            ),
            None,
        ),
    ):
        surveys.ask(
            survey_id=survey.pk, kind=kind, texts=_by_language(texts), candidates=candidates,
            most=most, by=by,
        )  # fmt: skip
    return surveys.publish_survey(survey_id=survey.pk, at=at, by=by)


def _answer(survey: Survey, members: Iterable[Identity], *, at: datetime) -> None:
    chance = Random(7)  # noqa: S311 - a story, always the same
    wanted = [told[4] for told in CANDIDATES]
    questions = queries.questions(survey.pk)
    for one in members:
        said: dict[int, int] = {}
        for question, options in questions:
            said |= _said(question, [each.pk for each in options], wanted, chance)
        surveys.answer(survey_id=survey.pk, member_id=one.id, said=said, at=at)


def _said(
    question: Question, options: list[int], wanted: list[int], chance: Random
) -> dict[int, int]:
    drawn = [chance.gauss(each, 2) for each in wanted]
    if question.kind == QuestionKind.RATE:
        return {
            pk: min(5, max(1, round(each / 2))) for pk, each in zip(options, drawn, strict=True)
        }
    best = sorted(zip(drawn, options, strict=True), reverse=True)[:MOST]
    return {pk: 1 for _score, pk in best}


def _by_language(texts: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("zh-hans", "zh-hant", "en"), texts, strict=True))
