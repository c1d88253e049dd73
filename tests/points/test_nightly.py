"""The night: expiry in chunks, once, resumable."""

from datetime import date

import pytest
import time_machine

from common import tasks
from points import nightly, queries, verification
from points.models import Account, Entry
from tests.factories import identity, lot
from tests.factories.points import NOON
from tests.nights import done

DAY = date(2026, 7, 1)
LAPSED = date(2026, 6, 30)


def ledger_is_right():
    report = verification.Report()
    for low, high in verification.ranges(size=1000):
        verification.verify(report=report, low=low, high=high)
    return report.differences == []


@pytest.mark.django_db
class TestExpireDueLots:
    @pytest.fixture(autouse=True)
    def _small_chunks(self, settings):
        settings.NIGHT_CHUNK_MEMBERS = 2

    def test_writes_off_what_lapsed_before_the_day(self):
        due = [identity() for _ in range(5)]
        for one in due:
            lot(one, 10, expires_on=LAPSED)
            lot(one, 5, expires_on=DAY)
        lot(identity(), 7, expires_on=DAY)

        assert nightly.expire_due_lots(day=DAY) == {"members": 5, "lots": 5, "points": 50}

        assert sorted(Account.objects.values_list("balance", flat=True)) == [5] * 5 + [7]
        assert ledger_is_right()

    def test_again_finds_nothing(self):
        lot(identity(), 10, expires_on=LAPSED)
        nightly.expire_due_lots(day=DAY)

        assert nightly.expire_due_lots(day=DAY) == {"members": 0, "lots": 0, "points": 0}
        assert Entry.objects.filter(kind="EXPIRE").count() == 1

    def test_an_empty_night_is_no_work(self, django_assert_num_queries):
        with django_assert_num_queries(1):
            assert nightly.expire_due_lots(day=DAY)["members"] == 0

    def test_what_came_in_late_goes_the_next_time_it_runs(self):
        early, other = identity(), identity()
        lot(early, 10, expires_on=LAPSED)
        nightly.expire_due_lots(day=DAY)
        # Imported in the morning: bought and lapsed long ago, in a chunk that is done.
        lot(early, 3, expires_on=date(2025, 1, 31), at=NOON.replace(year=2024))
        lot(other, 4, expires_on=LAPSED)

        assert nightly.expire_due_lots(day=DAY)["points"] == 7
        assert nightly.expire_due_lots(day=date(2026, 7, 2))["points"] == 0

    def test_nights_missed_are_made_up_with_their_own_days(self):
        of = identity()
        lot(of, 10, expires_on=date(2026, 3, 31), at=NOON.replace(month=1))
        lot(of, 20, expires_on=date(2026, 4, 30), at=NOON.replace(month=1))

        nightly.expire_due_lots(day=DAY)

        days = (
            Entry.objects.filter(kind="EXPIRE")
            .order_by("seq")
            .values_list("effective_at", flat=True)
        )
        assert [day.isoformat() for day in days] == [
            "2026-03-31T16:00:00+00:00",
            "2026-04-30T16:00:00+00:00",
        ]

    def test_leaves_a_run_with_its_figures(self):
        for _ in range(3):
            lot(identity(), 10, expires_on=LAPSED)

        run = done(nightly.expire_due_lots, day=DAY)

        assert run.report == {"members": 3, "lots": 3, "points": 30}
        assert [chunk.report["lots"] for chunk in run.chunks.order_by("low")] == [2, 1]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("now", "left"), [("2026-06-30T16:09:59Z", 10), ("2026-06-30T16:10:00Z", 0)]
)
def test_the_night_of_a_day_takes_what_was_good_until_the_day_before(now, left):
    of = identity()
    lot(of, 10, expires_on=LAPSED)

    with time_machine.travel(now, tick=False):
        tasks.work(zone="Mars")  # an argument of a later release

    assert queries.balance(of.id) == left
