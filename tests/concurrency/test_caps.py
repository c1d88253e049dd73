"""A member at two doors at once is given no more than a cap allows; without the lock, too much."""

from datetime import timedelta

import pytest
from django.db import transaction

from campaigns import activities, steps
from campaigns.models import TaskStep
from points.models import Account, Activity
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.factories import buy
from tests.factories.activities import cap, do, kind, named, rewarding
from tests.factories.points import NOON

pytestmark = pytest.mark.concurrency

EVENT = kind("event", 50)
LIMITS = {
    "once a day": {"kinds": [kind("event", 50, once_per="day")]},
    "in points": {"kinds": [EVENT], "caps": [cap("most", "event", points=50)]},
    "in times": {"kinds": [EVENT], "caps": [cap("most", "event", times=1)]},
    "as a share": {
        "kinds": [EVENT],
        "caps": [cap("half", "activities", share="50", of_type="consumption")],
    },
}


@pytest.fixture
def doing(of):
    """Two reports of the same member, which are about different events."""
    return (
        lambda: do(of, "event", reference="A"),
        lambda: do(of, "event", reference="B"),
    )


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_two_at_once_are_given_what_the_cap_allows(of, doing, limits):
    rewarding(**limits)
    buy(of, "1000.00")  # 100 points, half of which are 50
    first, second = doing

    with transaction.atomic():
        assert first().posted.points == 50
        other = Racer(second).go()
        until_waiting(other)
    granted = other.answer()

    assert granted.posted.points == 0
    assert granted.explanation["cut"][0]["points"] == 50
    assert Account.objects.get().balance == 150


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_without_the_lock_both_are_given_all(of, doing, limits, monkeypatch):
    """What the test above would look like if the account were not held while it is counted."""
    rewarding(**limits)
    buy(of, "1000.00")
    first, second = doing
    monkeypatch.setattr(activities.points, "lock", lambda member_id: None)

    with transaction.atomic():
        assert first().posted.points == 50
        other = Racer(second).go()
        until_waiting(other)
    granted = other.answer()

    assert granted.posted.points == 50
    assert Account.objects.get().balance == 200


def test_the_same_report_twice_at_once_is_one(of):
    rewarding(**LIMITS["in times"])

    def report():
        return do(of, "event", reference="A")

    answers = at_once(report, report, report)

    assert sorted(each.posted.replayed for each in answers) == [False, True, True]
    assert {each.posted.points for each in answers} == {50}
    assert Activity.objects.count() == 1


def test_many_at_once_never_exceed_a_cap(of):
    rewarding(kinds=[kind("share", 2)], caps=[cap("most", "share", points=13)])

    works = [lambda nth=nth: do(of, "share", reference=f"S{nth}") for nth in range(12)]
    answers = at_once(*works)

    assert sorted(each.posted.points for each in answers) == [0] * 5 + [1] + [2] * 6
    assert Account.objects.get().balance == 13


class TestPurchases:
    """The caps of earning rules: the account is held from the count to the posting."""

    CAPPED = {"caps": [cap("most", "base", points=10)]}

    @pytest.mark.parametrize("held", [True, False])
    def test_two_at_once_are_given_what_the_cap_allows(self, of, held, monkeypatch):
        rewarding(**self.CAPPED)
        if not held:
            monkeypatch.setattr(activities.points, "lock", lambda member_id: None)

        with transaction.atomic():
            assert buy(of, "80.00", reference="A").points == 8
            other = Racer(lambda: buy(of, "80.00", reference="B")).go()
            until_waiting(other)
        second = other.answer()

        # Without holding it, the second counts what is there before the first has committed.
        assert second.points == (2 if held else 8)
        assert Account.objects.get().balance == 8 + second.points


def test_a_step_told_twice_at_once_is_rewarded_once(of):
    """By two who also disagree about when it was taken."""
    rewarding(tasks=[named("hello", when="joined", points="20")])

    def take(at):
        return steps.take(member_id=of.id, step=TaskStep.JOINED, at=at)

    with transaction.atomic():
        assert take(NOON) == 20
        other = Racer(lambda: take(NOON + timedelta(hours=1))).go()
        until_waiting(other)

    assert other.answer() == 0
    assert Account.objects.get().balance == 20
