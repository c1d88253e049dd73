"""What was promised and what members got (B2)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from benefits import operations
from benefits.models import Failure, Right
from benefits.nightly.rights import lapse_rights
from benefits.queries.kept import By, kept
from tests.benefits.plan import (
    STORE_SAYS,
    always,
    deliver,
    night,
    noon,
    on,
    publish,
    service,
)
from tests.factories import dealer, staff, store

pytestmark = pytest.mark.django_db

JULY = date(2026, 7, 1), date(2026, 7, 31)


@pytest.fixture
def one():
    publish(
        service("wash", cost="30", t1=2, t2=2),
        service("tea", cost="10", t1=1),
        always("tow", "t1"),
        undo_minutes=60,
    )
    return on("t1")


def who(name):
    """A dealer whose name a test asks for."""
    at = store(dealer(name=name))
    return operations.Who(by=staff(username=f"at-{at.pk}"), store_id=at.pk)


def row(by, of="", period=JULY):
    (found,) = [each for each in kept(*period) if (each.by, each.of) == (by, of)]
    return found


def counted(found):
    return (found.promised, found.delivered, found.open, found.lapsed, found.failed)


def test_counts_what_became_of_the_rights_of_a_period(one):
    north, other = who("North"), on("t2")
    night("2026-07-01")
    deliver(one, "wash", who=north)
    wash = Right.objects.filter(member=one.id, benefit="wash", state="GRANTED").get()
    operations.fail(
        right_id=wash.pk, reason=Failure.QUALITY, note="", at=noon("2026-07-06"), who=north
    )
    operations.compensate_by_right(
        right_id=wash.pk, benefit="tea", days=90, note="", at=noon("2026-07-06"), who=north
    )
    lapse_rights(day=date(2026, 8, 1))
    deliver(one, "tea", "2026-08-02", who=north)

    everything = row(By.ALL)
    assert counted(everything) == (5, 1, 0, 3, 1)
    assert (everything.cost, everything.failures_cost) == (Decimal(30), Decimal(10))
    assert (everything.made_up_for, everything.percent, everything.failed_percent) == (1, 20, 20)
    assert counted(row(By.TIER, "t1")) == (3, 1, 0, 1, 1)
    assert counted(row(By.TIER, "t2")) == (2, 0, 0, 2, 0)
    assert counted(row(By.BENEFIT, "wash")) == (4, 1, 0, 2, 1)
    assert counted(row(By.BENEFIT, "tea")) == (1, 0, 0, 1, 0)
    assert counted(row(By.DEALER, "North")) == (2, 1, 0, 0, 1)
    assert counted(row(By.DEALER)) == (3, 0, 0, 3, 0)
    assert other.id != one.id


def test_points_for_a_failure_are_told(one):
    night("2026-07-01")
    right = Right.objects.filter(benefit="tea").get()
    by = operations.Who(by=staff())
    operations.fail(right_id=right.pk, reason=Failure.LATE, note="", at=noon("2026-07-06"), who=by)
    operations.compensate_by_points(
        right_id=right.pk, points_given=50, note="", at=noon("2026-07-06"), who=by
    )

    assert (row(By.ALL).failures_points, row(By.ALL).failed) == (50, 1)


def test_what_was_told_by_mistake_was_no_promise(one):
    at = who("North")
    right = deliver(one, "tow", who=at, shown=STORE_SAYS)
    assert row(By.BENEFIT, "tow").delivered == 1

    operations.undo(right_id=right.pk, at=noon("2026-07-05") + timedelta(minutes=5), who=at)

    assert [each for each in kept(*JULY) if each.by == By.BENEFIT] == []


def test_counts_in_one_query_what_was_granted_in_these_days_alone(one, django_assert_num_queries):
    night("2026-07-01")
    night("2026-08-01")

    with django_assert_num_queries(1):
        assert row(By.ALL).promised == 3
    assert row(By.ALL, period=(date(2026, 8, 1), date(2026, 8, 31))).promised == 3
    assert row(By.ALL, period=(date(2026, 7, 1), date(2026, 8, 31))).promised == 6
    assert row(By.ALL, period=(date(2026, 9, 1), date(2026, 9, 30))).promised == 0
