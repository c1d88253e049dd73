"""The proof finds each kind of damage, and finds nothing where nothing is wrong."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from points import nightly, operations, verification
from points.verification import Difference
from tests.factories import buy, identity, lot, plain, source
from tests.factories.points import NOON
from tests.nights import done
from tests.points.returning import give_back

pytestmark = pytest.mark.django_db

DAY = date(2026, 7, 1)


def verified(**options):
    report = verification.Report()
    for low, high in verification.ranges(size=1000):
        verification.verify(report=report, low=low, high=high, **options)
    return report


@pytest.fixture
def of():
    """Earned, spent, in debt, earned again: every shape an entry can have."""
    of = identity()
    plain()
    buy(of, "500.00", reference="P")
    operations.redeem(member=of, points=40, at=NOON, reference="R", source=source())
    give_back("P", "300.00", reference="B")
    lot(of, 100, expires_on=date(2026, 6, 30))
    lot(of, 50)
    operations.redeem(member=of, points=30, at=NOON, reference="R2", source=source())
    lot(identity(), 5)
    return of


def damage(sql):
    """Write past the functions and past the triggers, as nobody but the owner could."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE points_entry DISABLE TRIGGER append_only")
        cursor.execute(sql)


def test_a_sound_ledger_has_no_difference(of):
    assert verified() == verification.Report(members=2, differences=[])


DAMAGE = [
    ("UPDATE points_account SET balance = balance + 1 WHERE {}", {"balance", "lots"}),
    ("UPDATE points_account SET seq = seq + 1 WHERE {}", {"gapless"}),
    ("DELETE FROM points_account WHERE {}", {"gapless", "lots"}),
    ("UPDATE points_lot SET remaining = remaining - 1 WHERE {} AND seq = 5", {"lots", "remaining"}),
    ("DELETE FROM points_lot WHERE {} AND seq = 5", {"lots", "remaining"}),
    ("UPDATE points_lot SET expires_on = '2030-01-01' WHERE {} AND seq = 5", {"remaining"}),
    ("UPDATE points_lot SET seq = 99 WHERE {} AND seq = 5", {"remaining"}),
    ("UPDATE points_entry SET points = points + 1 WHERE {} AND seq = 4", {"chain", "balance"}),
    ("UPDATE points_entry SET balance_after = balance_after + 1 WHERE {} AND seq = 2", {"chain"}),
    (
        "UPDATE points_entry SET lot_points = '{{-29}}' WHERE {} AND seq = 6",
        {"shares", "remaining"},
    ),
    ("UPDATE points_entry SET lot_seq = '{{5}}' WHERE {} AND seq = 6", {"remaining"}),
    (
        "UPDATE points_entry SET lot_expires_on = '{{2030-01-01}}' WHERE {} AND seq = 6",
        {"remaining"},
    ),
    ("UPDATE points_entry SET lot_points = '{{-21}}' WHERE {} AND seq = 3", {"shares"}),
    ("DELETE FROM points_entry WHERE {} AND seq = 6", {"gapless", "balance", "remaining"}),
    ("DELETE FROM points_entry WHERE {} AND seq = 2", {"gapless", "chain", "balance"}),
]


@pytest.mark.parametrize(("sql", "equations"), DAMAGE)
def test_each_kind_of_damage_is_found(of, sql, equations):
    damage(sql.format(f"member_id = {of.id}"))

    report = verified()

    assert equations <= {difference.equation for difference in report.differences}
    assert {difference.member_id for difference in report.differences} == {of.id}


class TestSwept:
    SWEEP = verification.Sweep(on=DAY, began_at=datetime(2100, 1, 1, tzinfo=UTC))

    def test_what_the_night_should_have_found_is_a_difference(self, of):
        found = verified(sweep=self.SWEEP).differences

        assert found == [Difference("swept", of.id, 4)]

    def test_before_the_night_nothing_is_late(self, of):
        on_its_last_day = verification.Sweep(on=date(2026, 6, 30), began_at=self.SWEEP.began_at)

        assert verified().differences == []
        assert verified(sweep=on_its_last_day).differences == []

    def test_what_came_in_since_waits_for_the_next_night(self, of):
        """Imports of old history go on after the sweep; they are no reason to wake anybody."""
        earlier = verification.Sweep(on=DAY, began_at=datetime.now(UTC) - timedelta(hours=1))

        assert verified(sweep=earlier).differences == []


class TestNight:
    def test_an_import_after_the_sweep_raises_no_alarm(self, of, caplog):
        done(nightly.expire_due_lots, day=DAY)
        lot(of, 3, expires_on=date(2025, 1, 31), at=NOON.replace(year=2024))

        run = done(nightly.verify_ledger, day=DAY)

        assert run.report == {"members": 2, "differences": 0}
        assert caplog.records == []

    def test_a_lot_the_sweep_forgot_raises_one(self, of, caplog):
        done(nightly.expire_due_lots, day=DAY)
        lot(of, 3, expires_on=date(2025, 1, 31), at=NOON.replace(year=2024))
        damage("UPDATE points_entry SET recorded_at = now() - interval '2 hours'")

        run = done(nightly.verify_ledger, day=DAY)

        assert run.report == {
            "members": 2,
            "differences": 1,
            "findings": [f"swept,{of.number},8"],
        }
        [record] = caplog.records
        assert record.levelname == "CRITICAL"
        assert "swept" in record.getMessage()

    def test_is_done_range_by_range(self, of):
        report = verification.Report()

        counts = list(nightly.differences_by_range(report=report, day=DAY, size=1))

        assert sum(counts) == report.members == 2

    def test_an_empty_ledger_is_sound(self):
        assert nightly.verify_ledger(day=DAY) == {"members": 0, "differences": 0}
