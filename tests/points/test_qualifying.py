"""Points towards tiers are counted apart: neither spending nor expiry touch them (T3)."""

from datetime import UTC, date, datetime, timedelta

import pytest

from points import operations, queries
from points.models import AdjustmentReason, PointType
from points.operations import PendingLine
from tests.factories import buy, identity, lot, rulebook, source, staff
from tests.factories.points import NOON
from tests.points.ledger import account, entries, entry, latest, lots
from tests.points.returning import give_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sound")]

TODAY = date(2026, 6, 15)
LONG = date(2027, 6, 30)


def earn(of, points, *, reference="E", at=NOON, **fields):
    return operations.earn(
        **{
            "member": of,
            "points": points,
            "at": at,
            "expires_on": LONG,
            "reference": reference,
            "source": source(),
        }
        | fields
    )


def redeem(of, points):
    operations.redeem(member=of, points=points, at=NOON, reference="R", source=source())


@pytest.fixture
def of():
    rulebook()
    return identity()


def test_consumption_counts_and_what_is_given_does_not(of):
    for number, kind in enumerate(PointType):
        earn(of, 10**number, type=kind, reference=f"E-{kind}")

    counted = [entry(of, seq).qualifying for seq in (1, 2, 3, 4)]
    assert counted == [0, 10, 0, 0]
    assert queries.qualifying_points(of.id) == 10


@pytest.mark.parametrize("qualifying", [0, 3, 10, 25])
def test_it_may_count_otherwise_when_told_so(of, qualifying):
    earn(of, 10, qualifying=qualifying)

    assert account(of) == (10, 0, 0, qualifying)


def test_what_waits_counts_at_once(of):
    earn(of, 4, pending=[PendingLine("1", 6, None)])
    operations.vest(earned=entry(of, 1), at=NOON, reference="V", source=source())

    assert account(of) == (10, 0, 0, 10)


def test_spending_does_not_touch_it(of):
    buy(of, "500.00", reference="P")
    redeem(of, 20)
    operations.hold(
        member=of, points=20, at=NOON, until=NOON + timedelta(hours=1), reference="H",
        source=source(),
    )  # fmt: skip
    operations.confirm(held=entry(of, 3), points=15, at=NOON, source=source())
    operations.reinstate(
        member=of, of=entry(of, 2), at=NOON, reference="C", source=source(), floor_days=30
    )

    assert account(of)[3] == 50


def test_expiry_and_corrections_do_not_touch_it(of):
    buy(of, "500.00", reference="P")
    for points, reference in ((30, "A-1"), (-30, "A-2")):
        operations.adjust(
            member=of, points=points, at=NOON, expires_on=LONG, reason=AdjustmentReason.MISSED,
            note="", reference=reference, source=source(), by=staff(),
        )  # fmt: skip
    operations.expire(low=of.id, high=of.id, on=date(2028, 1, 1))

    assert account(of) == (0, 0, 0, 50)


def test_a_membership_that_ends_leaves_what_it_had_been(of):
    buy(of, "500.00", reference="P")
    operations.forfeit(member_id=of.id, at=NOON)

    assert account(of) == (0, 0, 0, 50)


class TestReturns:
    def test_take_what_the_goods_had_counted(self, of):
        buy(of, "500.00", reference="P")

        give_back("P", "200.00", reference="B")

        assert (account(of), latest(of).qualifying) == ((30, 0, 0, 30), -20)

    @pytest.mark.parametrize("policy", ["debt", "write_off"])
    def test_take_it_whatever_became_of_the_points(self, policy):
        rulebook(return_after_spending=policy)
        of = identity()
        buy(of, "500.00", reference="P")
        redeem(of, 50)

        give_back("P", "500.00", reference="B")

        assert account(of)[3] == 0

    def test_after_expiry_only_the_standing_goes(self, of):
        buy(of, "500.00", reference="P")
        lot(of, 7, expires_on=date(2030, 1, 1))
        operations.expire(low=of.id, high=of.id, on=date(2027, 7, 1))

        give_back("P", "500.00", reference="B", at=datetime(2027, 7, 3, tzinfo=UTC))

        assert entries(of, since=4) == [(4, "REVERSE", 0, 0, 0, 7)]
        assert (latest(of).qualifying, latest(of).lot_seq) == (-50, [])
        assert lots(of) == {2: 7}

    def test_in_parts_in_any_order_take_back_all_of_it(self, of):
        buy(of, "500.00", reference="P")
        redeem(of, 50)

        for number, amount in enumerate(("3.33", "123.45", "373.22")):
            give_back("P", amount, reference=f"B-{number}")

        assert account(of) == (-50, 0, 0, 0)

    def test_twice_take_it_once(self, of):
        buy(of, "500.00", reference="P")
        give_back("P", "200.00", reference="B")

        give_back("P", "200.00", reference="B")

        assert account(of)[3] == 30


def test_counts_by_the_days_it_happened_on(of):
    buy(of, "100.00", at=NOON - timedelta(days=200))
    buy(of, "200.00", reference="P", at=NOON - timedelta(days=20))
    give_back("P", "50.00", reference="B")

    def counted(**days):
        return queries.qualifying_points(of.id, **days)

    assert counted() == 25
    assert counted(since=TODAY - timedelta(days=20)) == 15
    assert counted(since=TODAY - timedelta(days=19)) == -5
    assert counted(until=TODAY - timedelta(days=1)) == 30
    assert counted(since=TODAY - timedelta(days=20), until=TODAY - timedelta(days=1)) == 20
