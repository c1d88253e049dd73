"""What was promised and not kept is noted with its reason, and somebody makes up for it."""

import pytest

from benefits import operations
from benefits.models import Failure, Right, Step
from common.models import AuditRecord
from points import queries as points
from points.models import Entry
from tests.benefits.plan import (
    LADDER,
    deliver,
    discount,
    document,
    left,
    night,
    noon,
    on,
    publish,
    rights,
    service,
    steps,
)
from tests.factories import staff, store

pytestmark = pytest.mark.django_db

DAY = "2026-07-05"


@pytest.fixture
def of():
    publish(service("wash", t1=1), service("tea", t2=1, cost="5"), discount("off", t1="90"))
    one = on("t1")
    night("2026-07-01")
    return one


@pytest.fixture
def right(of):
    return Right.objects.get(member=of.id)


def who():
    return operations.Who(by=staff())


def fail(right, reason=Failure.OUT_OF_STOCK, **more):
    more = {"who": who(), "note": "没有水", "at": noon(DAY)} | more
    return operations.fail(right_id=right.pk, reason=reason, **more)


def by_points(right, given=50, **more):
    return operations.compensate_by_points(
        right_id=right.pk, points_given=given, note="抱歉", at=noon(DAY), who=who(), **more
    )


def by_right(right, benefit="tea", days=30):
    return operations.compensate_by_right(
        right_id=right.pk, benefit=benefit, days=days, note="抱歉", at=noon(DAY), who=who()
    )


class TestFailing:
    def test_says_why_where_and_who(self, of, right):
        where, clerk = store(), staff()

        failed = fail(right, who=operations.Who(by=clerk, store_id=where.pk))

        assert (failed.state, failed.store) == ("FAILED", where)
        step = Step.objects.get(right=right, nth=2)
        assert (step.kind, step.reason, step.actor, step.note) == (
            "FAILED", "OUT_OF_STOCK", clerk, "没有水",
        )  # fmt: skip
        assert AuditRecord.objects.get(action="right.failed").target == of.number
        assert left(of, "wash") == 0

    def test_also_what_was_delivered_badly(self, of, right):
        deliver(of, "wash")

        assert fail(right, Failure.QUALITY).state == "FAILED"
        assert [kind for _nth, kind in steps(right)] == ["GRANTED", "DELIVERED", "FAILED"]

    def test_once(self, right):
        fail(right)

        with pytest.raises(operations.WrongRightState):
            fail(right)

    def test_not_what_lapsed(self, right):
        night("2026-08-01")

        with pytest.raises(operations.WrongRightState):
            fail(right, at=noon("2026-08-02"))


class TestPoints:
    def test_are_credited_under_the_right(self, of, right):
        fail(right)

        made_up = by_points(right)

        assert (made_up.state, made_up.compensated_points) == ("COMPENSATED", 50)
        entry = Entry.objects.get(member=of.id)
        assert (entry.points, entry.reference, entry.type) == (50, f"right:{right.pk}", "OTHER")
        assert points.spendable_points(of.id, on=noon(DAY).date()) == 50

    def test_not_before_it_failed_and_not_twice(self, right):
        with pytest.raises(operations.WrongRightState):
            by_points(right)
        fail(right)
        by_points(right)

        with pytest.raises(operations.WrongRightState):
            by_points(right)
        with pytest.raises(operations.WrongRightState):
            by_right(right)
        assert Entry.objects.count() == 1

    def test_above_the_limit_of_one_person_is_refused(self):
        from programme import operations as programmes
        from programme import queries

        content = document(service("wash", t1=1), tiers=LADDER)
        content["policies"] |= {"adjustment_limit": 100}
        programmes.load(document=content, published_at=noon("2026-01-01"))
        queries.forget_cached()
        one = on("t1")
        night("2026-07-01")
        right = fail(Right.objects.get(member=one.id))

        with pytest.raises(operations.CompensationTooLarge):
            by_points(right, 101)
        assert by_points(right, 100).state == "COMPENSATED"

    def test_none_are_no_compensation(self, right):
        fail(right)

        with pytest.raises(operations.PointsOutOfRange):
            by_points(right, 0)


class TestAnotherRight:
    def test_is_granted_whatever_the_tier_gets(self, of, right):
        fail(right)

        given = by_right(right)

        assert (given.compensates, given.state, str(given.last_on)) == (
            right, "GRANTED", "2026-08-04",
        )  # fmt: skip
        assert left(of, "tea") == 1
        assert deliver(of, "tea", "2026-08-04") == given
        assert rights(of)[1][3] == "COMPENSATED"

    @pytest.mark.parametrize(
        ("benefit", "days", "refusal"),
        [
            ("nothing", 30, operations.UnknownBenefit),
            ("off", 30, operations.NotCounted),
            ("tea", 0, operations.DaysOutOfRange),
        ],
    )
    def test_only_what_can_be_granted(self, right, benefit, days, refusal):
        fail(right)

        with pytest.raises(refusal):
            by_right(right, benefit, days)
        assert Right.objects.count() == 1

    def test_stays_after_a_downgrade(self, of, right):
        fail(right)
        by_right(right)

        operations.lose_tier(member_id=of.id, day=noon(DAY).date(), at=noon(DAY))

        assert left(of, "tea") == 1
