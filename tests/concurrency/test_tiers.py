"""Two purchases that both cross a threshold are one upgrade, whoever comes first."""

from contextlib import nullcontext
from threading import Barrier
from types import SimpleNamespace

import pytest
from django.db import transaction

from points import operations as points
from programme import queries as programme
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.concurrency.unlocked import without_locks
from tests.tiers.ladder import decisions, gather, noon, publish, simple, standing
from tiers import operations
from tiers.operations import Measured, _merging
from tiers.operations._deciding import Held

pytestmark = pytest.mark.concurrency

YESTERDAY, TODAY = "2026-06-14", "2026-06-15"


@pytest.fixture(autouse=True)
def _ladder(_committed):
    publish(simple(10, 30), valid_from="2020-01-01")


def second_of_two(of):
    """
    The second comes while the first has crossed the threshold and not committed. They happened on
    two days, so that nothing but the standing is common to them.
    """
    second = Racer(lambda: gather(of, TODAY, points=10))
    with transaction.atomic():
        gather(of, YESTERDAY, points=10)
        second.go()
        return second, second_waits(second)


def second_waits(second):
    try:
        until_waiting(second)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("locked", [True, False])
def test_two_purchases_that_cross_a_threshold_are_one_upgrade(of, locked):
    gather(of, "2026-06-01", points=1)

    with nullcontext() if locked else without_locks("tiers_gather"):
        second, waited = second_of_two(of)
        answer = second.answer()

    upgrades = [each for each in decisions(of) if each[0] == "UPGRADE"]
    if locked:
        assert waited
        assert answer is None
        assert upgrades == [("UPGRADE", "regular", "t1", YESTERDAY)]
        assert standing(of).level == "t1"
    else:
        # It judged what it saw: a member at the base, so that one upgrade is decided twice.
        assert len(upgrades) == 2, answer


def test_many_at_once_are_counted_and_upgrade_once(of):
    answers = at_once(*[lambda: gather(of, TODAY, points=3) for _ in range(8)])

    assert sum(answer is not None for answer in answers) == 1
    assert decisions(of) == [("UPGRADE", "regular", "t1", TODAY)]


def test_the_night_and_a_purchase_decide_once(of):
    from datetime import date

    gather(of, "2025-06-15", points=10)
    day = date(2026, 6, 16)
    night = Racer(lambda: operations.review(low=of.id, high=of.id, day=day, at=noon(day)))
    with transaction.atomic():
        gather(of, day, points=1)
        night.go()
        until_waiting(night)
    night.answer()

    assert decisions(of)[1:] == [("DOWNGRADE", "t1", "regular", "2026-06-16")]


def test_two_imports_in_opposite_order_wait_for_each_other(of):
    from tests.factories import identity

    other = identity()
    rulebook = programme.rulebook_on(noon(TODAY).date())

    def bring(*members):
        def work():
            with transaction.atomic():
                return operations.gathered_many(
                    [(each, noon(TODAY), Measured(points=5), rulebook) for each in members]
                )

        return work

    answers = at_once(bring(of, other), bring(other, of), bring(of, other))

    assert sum(len(answer) for answer in answers) == 2
    assert decisions(of) == decisions(other) == [("UPGRADE", "regular", "t1", TODAY)]


@pytest.mark.parametrize("locked", [True, False])
def test_a_merge_told_twice_at_once_is_one_decision(of, locked, monkeypatch):
    from tests.factories import identity, source, staff

    into = identity()
    gather(of, YESTERDAY, points=10)
    gather(into, YESTERDAY, points=1)
    points.merge_accounts(
        member=of, into=into, at=noon(TODAY), source=source(), by=staff(), note="one"
    )
    if not locked:
        monkeypatch.setattr(_merging, "hold", read_together(Barrier(2)))

    def follow():
        return operations.follow_merge(member_id=of.id, into_id=into.id, at=noon(TODAY))

    answers = at_once(follow, follow)

    merges = [each for each in decisions(into) if each[0] == "MERGE"]
    assert len(merges) == (1 if locked else 2), answers


def read_together(barrier):
    def hold(member_ids, **_more):
        found = [Held.of(standing(SimpleNamespace(id=each))) for each in member_ids]
        barrier.wait(5)
        return found

    return hold
