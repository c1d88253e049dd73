"""The doors from Celery: the clock is read here, the day defaults to today in the zone."""

from datetime import date

import pytest
import time_machine

from common.models import JobRun
from points import queries, tasks
from tests.factories import identity, lot
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("now", "left"), [("2026-06-30T15:59:59Z", 10), ("2026-06-30T16:10:00Z", 0)]
)
def test_today_begins_at_midnight_in_the_programmes_zone(now, left):
    of = identity()
    lot(of, 10, expires_on=date(2026, 6, 30))

    with time_machine.travel(now, tick=False):
        tasks.expire_due_lots()

    assert queries.balance(of.id) == left


def test_a_day_is_done_once():
    of = identity()
    tasks.expire_due_lots(day="2026-07-01")
    lot(of, 10, expires_on=date(2026, 6, 30))

    tasks.expire_due_lots(day="2026-07-01")

    assert queries.balance(of.id) == 10
    run = JobRun.objects.get()
    assert (run.name, run.day, run.report) == (
        "points.expire_due_lots",
        date(2026, 7, 1),
        {"members": 0, "lots": 0, "points": 0},
    )


def test_arguments_of_a_later_release_are_passed_over():
    tasks.expire_due_lots(day="2026-07-01", zone="Mars")
    tasks.verify_ledger(day="2026-07-01", zone="Mars")

    assert JobRun.objects.exclude(finished_at=None).count() == 2


def test_the_verification_reports_what_it_saw():
    lot(identity(), 10, at=NOON)

    tasks.verify_ledger(day="2026-07-01")

    assert JobRun.objects.get().report == {"members": 1, "differences": 0}
