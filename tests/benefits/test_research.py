"""Surveys of what members want, candidates, and what became of them (B7)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, InternalError, connection, transaction
from django.utils import timezone
from django.utils.timezone import localdate

from benefits.models.research import Answer, Assessment, Dimension, Option, Question, Stage
from benefits.operations import research, surveys
from benefits.queries import research as queries
from common import personal
from common.models import AuditRecord, OutboxEvent
from members import operations as members
from members.models import Member
from membership import merging
from tests.benefits import plan
from tests.benefits.wanted import asking, candidate, noon, say, survey
from tests.factories import member, plain, staff

pytestmark = pytest.mark.django_db
DAY = date(2026, 6, 15)


@pytest.fixture(autouse=True)
def _rules():
    plain()


@pytest.fixture
def two():
    return candidate("机场贵宾厅"), candidate("代驾")


def over(one):
    return one.closes_on + timedelta(days=1)


def asked(who, day=None):
    return [each.pk for each, _answer in queries.asked(who.pk, day or localdate())]


class TestWhoIsAsked:
    def test_everybody_from_the_first_day_to_the_last(self, two):
        one, _options = asking(("RATE", two), on=DAY, days=2)
        who = member()

        days = [DAY + timedelta(days=n) for n in range(-1, 4)]
        assert [asked(who, day) for day in days] == [[], [one.pk], [one.pk], [one.pk], []]

    def test_nobody_of_a_draft_or_of_one_that_was_closed(self, two):
        one, _options = asking(("RATE", two), published=False)
        who = member()
        assert asked(who) == []

        surveys.publish_survey(survey_id=one.pk, at=timezone.now(), by=staff())
        assert asked(who) == [one.pk]
        surveys.close_survey(survey_id=one.pk, by=staff())
        assert asked(who) == []

    def test_only_who_has_the_tag(self, two):
        one, other = member(), member()
        members.set_tags(
            member_id=one.pk, names=["车主"], at=timezone.now(), by=staff(), reason="x"
        )
        tag = one.taggings.get().tag
        found, options = asking(("RATE", two), tag_id=tag.pk)

        assert (asked(one), asked(other)) == ([found.pk], [])
        with pytest.raises(surveys.UnknownSurvey):
            say(found, other, dict.fromkeys(options[0], 3))

    def test_only_who_is_on_one_of_its_tiers(self, two):
        plan.publish()
        high, low = plan.on("t1"), plan.someone()
        one, _options = asking(("RATE", two), levels=["t1", "t2"])

        found = [
            [each.pk for each, _a in queries.asked(who.id, localdate())] for who in (high, low)
        ]
        assert found == [[one.pk], []]


class TestAnswering:
    def test_once_and_until_it_closes_otherwise_than_before(self, two):
        one, (options,) = asking(("RATE", two), on=DAY)
        who = member()

        say(one, who, {options[0]: 5, options[1]: 1}, at=noon(DAY))
        say(one, who, {options[0]: 2, options[1]: 4}, at=noon(one.closes_on))

        answer = Answer.objects.get()
        assert queries.replies_of(answer) == {options[0]: 2, options[1]: 4}
        assert answer.at == noon(one.closes_on)
        with pytest.raises(surveys.SurveyOver):
            say(one, who, {options[0]: 1, options[1]: 1}, at=noon(over(one)))

    @pytest.mark.parametrize(
        ("kind", "most", "said"),
        [
            ("CHOOSE", 2, []),
            ("CHOOSE", 2, [1, 1, 1]),
            ("CHOOSE", 2, [2]),
            ("RATE", None, [5, 5]),
            ("RATE", None, [5, 5, 6]),
            ("RANK", None, [1, 2, 2]),
            ("RANK", None, [1, 2]),
            ("RANK", None, [2, 3, 4]),
        ],
    )
    def test_only_as_it_was_asked(self, two, kind, most, said):
        three = [*two, candidate("洗车")]
        one, (options,) = asking((kind, three, most))

        with pytest.raises(surveys.WrongAnswer):
            say(one, member(), dict(zip(options, said, strict=False)))
        assert Answer.objects.count() == 0

    def test_each_question_and_no_other_surveys(self, two):
        one, (first, second) = asking(("RATE", two), ("CHOOSE", two, 1))
        _other, (foreign,) = asking(("CHOOSE", two, 1))

        rated = dict.fromkeys(first, 3)
        for said in (rated, rated | {second[0]: 1, foreign[0]: 1}):
            with pytest.raises(surveys.WrongAnswer):
                say(one, member(), said)
        say(one, member(), rated | {second[0]: 1})

    def test_is_told_once(self, two):
        one, (options,) = asking(("RATE", two), activity="survey")
        who = member()

        for stars in (5, 3):
            say(one, who, dict.fromkeys(options, stars))

        told = OutboxEvent.objects.filter(name="survey.answered").values_list("payload", flat=True)
        assert [(each["survey_id"], each["member_id"], each["activity"]) for each in told] == [
            (one.pk, who.pk, "survey")
        ]


class TestDrafts:
    def test_what_is_asked_does_not_change_any_more(self, two):
        one, _options = asking(("RATE", two))
        question = Question.objects.get()
        by = staff()

        with pytest.raises(surveys.SurveyIsAsked):
            surveys.drop_question(survey_id=one.pk, question_id=question.pk, by=by)
        for change in (
            lambda: Question.objects.update(texts={"zh-hans": "其他"}),
            lambda: Option.objects.filter(position=1).delete(),
            lambda: Option.objects.create(question=question, candidate=candidate("c"), position=9),
        ):
            with pytest.raises((IntegrityError, InternalError)), transaction.atomic():
                change()

    def test_without_a_question_it_is_not_published(self):
        with pytest.raises(surveys.NothingAsked):
            surveys.publish_survey(survey_id=survey().pk, at=timezone.now(), by=staff())

    def test_nor_after_its_last_day(self, two):
        one, _options = asking(("RATE", two), on=DAY, published=False)
        with pytest.raises(surveys.WrongDays):
            surveys.publish_survey(survey_id=one.pk, at=noon(over(one)), by=staff())

    def test_a_question_can_be_dropped(self, two):
        one, _options = asking(("RATE", two), ("RANK", two), published=False)
        surveys.drop_question(survey_id=one.pk, question_id=one.questions.first().pk, by=staff())
        assert one.questions.count() == 1

    @pytest.mark.parametrize("many", [0, 1, 13])
    def test_a_question_is_about_a_few(self, many):
        with pytest.raises(surveys.WrongOptions):
            asking(("RATE", [candidate(f"{n}") for n in range(many)]))

    def test_it_is_not_about_what_is_decided(self, two):
        decide(two[0], adopt=False)
        with pytest.raises(surveys.WrongOptions):
            asking(("RATE", two))


def answer_all(one, options, stars, *, at, **more):
    """A member for each."""
    return [say(one, member(**more), {options[0]: of, options[1]: 6 - of}, at=at) for of in stars]


class TestReport:
    def test_tells_the_mean_of_all_once_it_is_over(self, two):
        one, (rate, rank, choose) = asking(("RATE", two), ("RANK", two), ("CHOOSE", two, 1), on=DAY)
        for n in range(5):
            stars = {rate[0]: 5, rate[1]: 1 + n % 2}
            order = {rank[0]: 1, rank[1]: 2} if n else {rank[0]: 2, rank[1]: 1}
            say(one, member(), stars | order | {choose[0]: 1}, at=noon(DAY))

        figures = [[each.figure for each in result.options] for result in queries.results(one.pk)]

        assert figures == [
            [Decimal(5), Decimal("1.40")],
            [Decimal("1.20"), Decimal("1.80")],
            [Decimal(100), Decimal(0)],
        ]
        # Of the first: 5 stars; place 1.2 of two is 4.2; chosen by all is 5.
        wanted = queries.attractiveness(one, over(one))
        assert [float(round(wanted[each.pk], 4)) for each in two] == [
            round((5 + 4.2 + 5) / 3, 4), round((1.4 + 1.8 + 1) / 3, 4),
        ]  # fmt: skip

    def test_tells_nothing_of_fewer_than_five(self, two):
        one, (options,) = asking(("RATE", two), on=DAY)
        answer_all(one, options, [5, 5, 5, 5], at=noon(DAY))
        assert queries.results(one.pk)[0].answers is None
        assert queries.results(one.pk)[0].options[0].figure is None
        assert queries.attractiveness(one, over(one)) == {}

        answer_all(one, options, [5], at=noon(DAY))
        assert queries.results(one.pk)[0].answers == 5

    def test_tells_nothing_as_long_as_one_more_answer_could_be_told_from_it(self, two):
        one, (options,) = asking(("RATE", two), on=DAY)
        answer_all(one, options, [5] * 5, at=noon(DAY))

        assert queries.attractiveness(one, one.closes_on) == {}
        assert queries.attractiveness(one, over(one)) != {}

    @pytest.mark.parametrize(
        ("sizes", "told"),
        [
            ({"a": 5, "b": 5}, ["a", "b"]),
            ({"a": 5, "b": 4}, []),
            ({"a": 6, "b": 5, "c": 4}, ["a"]),
            ({"a": 9, "b": 3, "c": 3}, ["a"]),
        ],
    )
    def test_of_a_tier_only_where_the_rest_does_not_tell_a_small_one(self, two, sizes, told):
        one, _options = asking(("RATE", two))
        Answer.objects.bulk_create(
            Answer(survey=one, member=member(), level=level, at=timezone.now())
            for level, size in sizes.items()
            for _ in range(size)
        )

        assert queries.tellable(one.pk) == told


class TestPersonalData:
    def test_an_erasure_leaves_an_answer_of_nobody(self, two):
        one, (options,) = asking(("RATE", two))
        who = member()
        say(one, who, dict.fromkeys(options, 4))

        with transaction.atomic():
            personal.erase([who.pk])

        answer = Answer.objects.get()
        assert answer.member_id is None
        assert queries.replies_of(answer) == dict.fromkeys(options, 4)
        assert personal.left([who.pk]) == {}

    def test_a_member_is_handed_their_answers(self, two):
        one, (options,) = asking(("RATE", two))
        who = member()
        say(one, who, dict.fromkeys(options, 4))

        (section,) = [each for each in personal.sections() if each.name == "benefits.surveys"]
        told = section.tell(who.pk)
        assert [(each["option"], each["value"]) for each in told] == [
            ("机场贵宾厅", 4), ("代驾", 4),
        ]  # fmt: skip
        assert set(told[0]) == set(section.labels)

    def test_who_is_one_person_counts_once_and_twice_again_when_taken_apart(self, two):
        one, (options,) = asking(("RATE", two))
        given_up, survivor = member(), member()
        say(one, given_up, dict.fromkeys(options, 1))
        say(one, survivor, dict.fromkeys(options, 5))

        merging.merge(
            member_id=given_up.pk, into_id=survivor.pk, take=(), frees_phone=False,
            at=timezone.now(), by=staff(), reason="同一人",
        )  # fmt: skip
        for _ in range(2):
            surveys.count_once(member_id=given_up.pk, into_id=survivor.pk)
        assert [each.member_id for each in queries.counted(one.pk)] == [survivor.pk]

        merging.unmerge(
            member_id=given_up.pk, after_spending="refuse", at=timezone.now(), by=staff(),
            reason="两个人",
        )  # fmt: skip
        surveys.count_once(member_id=given_up.pk, into_id=survivor.pk)
        assert queries.counted(one.pk).count() == 2

    def test_who_answered_before_has_answered_afterwards(self, two):
        one, (options,) = asking(("RATE", two))
        given_up, survivor = member(), member()
        say(one, given_up, dict.fromkeys(options, 1))
        merging.merge(
            member_id=given_up.pk, into_id=survivor.pk, take=(), frees_phone=False,
            at=timezone.now(), by=staff(), reason="同一人",
        )  # fmt: skip

        say(one, survivor, dict.fromkeys(options, 5))

        assert Answer.objects.count() == 1
        assert Member.objects.get(pk=Answer.objects.get().member_id) == given_up


def decide(one, *, adopt, reason="会员最想要"):
    return research.decide_candidate(
        candidate_id=one.pk, adopt=adopt, reason=reason, at=timezone.now(), by=staff()
    )


class TestCandidates:
    @pytest.mark.parametrize(("adopt", "stage"), [(True, "ADOPTED"), (False, "REJECTED")])
    def test_are_decided_once_with_a_reason_on_record(self, two, adopt, stage):
        one, _other = two
        with pytest.raises(research.ReasonMissing):
            decide(one, adopt=adopt, reason="  ")

        assert decide(one, adopt=adopt).stage == stage

        record = AuditRecord.objects.get(action=f"candidate.{stage.lower()}")
        assert (record.target, record.reason) == (f"candidate {one.pk}", "会员最想要")
        with pytest.raises(research.CandidateDecided):
            decide(one, adopt=not adopt)

    def test_a_forecast_does_not_change_with_hindsight(self, two):
        decide(two[0], adopt=True)
        with pytest.raises(research.CandidateDecided):
            research.write_candidate(
                facts=research.CandidateFacts(names={"zh-hans": "x"}, source="own"),
                candidate_id=two[0].pk,
                by=staff(),
            )

    def test_the_adopted_become_a_benefit_of_the_matrix(self, two):
        plan.publish(plan.service("lounge", t1=1))
        one, other = two
        decide(one, adopt=True)

        for wrong, refusal in (
            ((other, "lounge"), research.NotAdopted),
            ((one, "nowhere"), research.NoSuchBenefit),
        ):
            with pytest.raises(refusal):
                become(*wrong)
        assert become(one, "lounge").benefit == "lounge"

    def test_no_database_keeps_a_decision_without_a_reason(self, two):
        with pytest.raises(IntegrityError), transaction.atomic():
            type(two[0]).objects.filter(pk=two[0].pk).update(stage=Stage.ADOPTED)


def become(one, code):
    return research.become(candidate_id=one.pk, benefit=code, at=timezone.now(), by=staff())


def evaluate(*candidates, survey=None, weights=(1, 1, 1)):
    return research.write_evaluation(
        name="2026 下半年",
        survey_id=survey and survey.pk,
        weights=weights,
        candidates=[each.pk for each in candidates],
        by=staff(),
    )


def judge(evaluation, one, feasibility, cost, *, by=None):
    research.assess(
        evaluation_id=evaluation.pk,
        candidate_id=one.pk,
        scores={
            Dimension.FEASIBILITY: (feasibility, "已有合作方"),
            Dimension.COST: (cost, "每次 30 元"),
        },
        at=timezone.now(),
        by=by or staff(),
    )


class TestEvaluation:
    def test_ranks_by_what_members_want_and_what_staff_judge(self, two):
        survey, (options,) = asking(("RATE", two), on=DAY)
        for _ in range(5):
            say(survey, member(), {options[0]: 5, options[1]: 2}, at=noon(DAY))
        evaluation = evaluate(*two, survey=survey, weights=(2, 1, 1))
        lounge, driver = two
        judge(evaluation, lounge, 2, 3)
        judge(evaluation, lounge, 4, 2)
        judge(evaluation, driver, 5, 5)

        found = queries.ranking(evaluation, over(survey))

        # (2 × 5 + 3 + 2.5) ÷ 4 and (2 × 2 + 5 + 5) ÷ 4
        assert [(each.candidate.pk, str(each.ranked.total)) for each in found] == [
            (lounge.pk, "3.88"), (driver.pk, "3.50"),
        ]  # fmt: skip

    def test_an_assessor_says_one_thing_the_latest(self, two):
        evaluation = evaluate(*two)
        by = staff()
        for score in (1, 4):
            judge(evaluation, two[0], score, score, by=by)

        assert [each.score for each in Assessment.objects.order_by("pk")] == [4, 4]
        assert AuditRecord.objects.filter(action="candidate.assessed").count() == 2

    @pytest.mark.parametrize("score", [0, 6])
    def test_scores_are_of_five(self, two, score):
        with pytest.raises(research.WrongScore):
            judge(evaluate(*two), two[0], score, 3)

    @pytest.mark.parametrize("weights", [(0, 0, 0), (101, 0, 0), (-1, 1, 1)])
    def test_weights_weigh_something(self, two, weights):
        with pytest.raises(research.WrongWeights):
            evaluate(*two, weights=weights)

    def test_only_what_it_is_about_is_judged(self, two):
        with pytest.raises(research.UnknownCandidate):
            judge(evaluate(two[0]), two[1], 3, 3)


class TestAfterwards:
    def test_tells_each_quarter_what_was_granted_delivered_and_said(self):
        plan.publish(plan.service("wash", "month", cost="12.50", t1=1))
        who = plan.on("t1")
        for month in (2, 3, 4):
            plan.night(f"2026-0{month}-01")
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE benefits_right SET state = 'DELIVERED', delivered_at = %s"
                " WHERE member_id = %s AND period = '2026-03'",
                ["2026-03-31T23:30:00+08:00", who.id],
            )

        found = queries.usage("wash", zone="Asia/Shanghai")

        assert [(each.name, each.delivered, str(each.cost)) for each in found][:2] == [
            ("2026 Q1", 1, "12.50"), ("2026 Q2", 0, "0"),
        ]  # fmt: skip
        assert sum(each.granted for each in found) >= 3
