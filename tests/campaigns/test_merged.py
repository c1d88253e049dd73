"""What was used of caps, done and given once goes with a merged account, and comes back (P4)."""

from datetime import UTC, datetime

import pytest

from campaigns import gifts, steps, usage
from campaigns.models import GiftOccasion, TaskStep
from points import operations as points
from tests.factories import buy, identity, member, source, staff
from tests.factories.activities import cap, do, kind, named, rewarding
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db
LATER = datetime(2026, 8, 1, 4, tzinfo=UTC)


def merge(one, into):
    points.merge_accounts(
        member=one, into=into, at=NOON, source=source(), by=staff(), note="同一人"
    )


def unmerge(one):
    points.unmerge_accounts(
        member=one, at=NOON, source=source(), by=staff(), note="弄错了", after_spending="debt"
    )


@pytest.fixture
def one():
    return identity()


@pytest.fixture
def other():
    return identity()


def test_a_cap_counts_what_both_did_until_they_are_two_again(one, other):
    rewarding(kinds=[kind("share", 10)], caps=[cap("year", "share", points=30)])
    do(one, "share", at=NOON)
    do(one, "share", at=NOON)

    merge(one, other)
    assert do(other, "share", at=LATER).posted.points == 10
    assert do(other, "share", at=LATER).posted.points == 0
    [used] = usage.caps(member_id=other.id, on=LATER.date())
    assert (used.used, used.left) == (30, 0)

    unmerge(one)
    assert [do(other, "share", at=LATER).posted.points for _ in range(3)] == [10, 10, 0]
    assert do(one, "share", at=LATER).posted.points == 10


def test_so_does_one_in_times_and_one_merged_on(one, other):
    third = identity()
    rewarding(kinds=[kind("share", 10)], caps=[cap("year", "share", times=2)])
    do(one, "share", at=NOON)
    do(other, "share", at=NOON)
    merge(one, other)
    merge(other, third)

    assert do(third, "share", at=LATER).posted.points == 0


def test_a_share_counts_what_both_bought(one, other):
    rewarding(
        kinds=[kind("event", 50)],
        caps=[cap("half", "activities", share="50", of_type="consumption")],
    )
    buy(one, "600", at=NOON)
    buy(other, "200", at=NOON)
    merge(one, other)

    assert do(other, "event", at=LATER).posted.points == 40


def test_a_cap_on_what_is_bought_counts_both_too(one, other):
    rewarding(caps=[cap("year", "base", points=100)])
    buy(one, "700", at=NOON)
    merge(one, other)

    assert buy(other, "700", at=LATER).points == 30
    unmerge(one)
    assert buy(other, "700", at=LATER).points == 70


def test_what_counts_once_a_day_was_done(one, other):
    rewarding(kinds=[kind("check-in", 1, once_per="day")])
    do(one, "check-in", at=NOON)
    merge(one, other)

    assert do(other, "check-in", at=NOON).posted.points == 0
    assert do(other, "check-in", at=LATER).posted.points == 1


def test_a_gift_for_joining_is_not_given_twice(one, other):
    rewarding(gifts=[named("bind", when="product_bound", points="100")])

    def bound(of):
        return gifts.give(member_id=of.id, occasion=GiftOccasion.PRODUCT_BOUND, at=LATER)

    assert bound(one) == 100
    merge(one, other)
    assert bound(other) == 0
    unmerge(one)
    assert bound(other) == 100
    assert bound(one) == 0


def test_a_task_that_one_did_is_done_for_both(one, other):
    rewarding(tasks=[named("go", when="activated", points="20")])

    def taken(of):
        return steps.take(member_id=of.id, step=TaskStep.ACTIVATED, at=LATER)

    assert taken(one) == 20
    merge(one, other)
    assert taken(other) == 0
    [told] = usage.tasks(member_id=other.id, on=LATER.date())
    assert told.done_at is not None
    unmerge(one)
    assert taken(other) == 20


def test_of_others_nothing_counts(one, other):
    rewarding(kinds=[kind("share", 10)], caps=[cap("year", "share", points=10)])
    do(identity(member()), "share", at=NOON)
    do(one, "share", at=NOON)

    assert do(other, "share", at=LATER).posted.points == 10
