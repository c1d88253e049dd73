"""Points given back: of a redemption that was cancelled, or expired ones for goodwill (P6, P8)."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from members import operations as members
from members.queries import MemberClosed
from points import operations, queries
from points.models import Entry
from tests.factories import buy, identity, lot, member, plain, source, staff, store
from tests.factories.points import NOON
from tests.points.ledger import (
    account,
    entries,
    entry,
    last_days,
    latest,
    lots,
    refused,
    took,
    unchanged,
)
from tests.points.returning import give_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sound")]

SHANGHAI = ZoneInfo("Asia/Shanghai")
SOON = date(2026, 6, 30)
LATER = date(2026, 12, 31)
LATEST = date(2027, 6, 30)
FLOOR = date(2026, 7, 15)  # thirty days from noon


def redeem(of, points, *, reference="R", at=NOON):
    return operations.redeem(member=of, points=points, at=at, reference=reference, source=source())


def reinstate(of, points=None, *, seq=None, reference="C", at=NOON, floor_days=30, **fields):
    debit = entry(of, seq) if seq else Entry.objects.get(member_id=of.id, kind="REDEEM")
    return operations.reinstate(
        **{
            "member": of,
            "of": debit,
            "points": points,
            "at": at,
            "reference": reference,
            "source": source(),
            "floor_days": floor_days,
        }
        | fields
    )


def expire(of, on):
    return operations.expire(low=of.id, high=of.id, on=on)


@pytest.fixture
def of():
    """50 until June next year, 40 until December, of which 70 were spent: entry 3."""
    plain()
    of = identity()
    lot(of, 50, expires_on=LATEST)
    lot(of, 40, expires_on=LATER)
    redeem(of, 70)
    assert last_days(of) == [(1, LATEST, 20)]
    return of


class TestCancelledRedemption:
    def test_goes_back_to_its_own_lots_with_their_last_days(self, of):
        posting = reinstate(of)

        assert posting == operations.Posting(4, 90)
        assert last_days(of) == [(2, LATER, 40), (1, LATEST, 50)]
        back = latest(of)
        assert (back.kind, back.points, back.reverses, back.reference) == ("REINSTATE", 70, 3, "C")
        assert took(back) == {2: 40, 1: 30}
        assert account(of) == (90, 0, 0, 90)
        assert queries.totals(as_of=NOON.date()).redeemed == 0

    def test_in_parts_as_if_it_had_been_for_less_from_the_start(self, of):
        assert reinstate(of, 20, reference="C-1").balance_after == 40
        assert last_days(of) == [(1, LATEST, 40)]
        assert reinstate(of, 25, reference="C-2").balance_after == 65
        assert last_days(of) == [(2, LATER, 15), (1, LATEST, 50)]

        assert reinstate(of, reference="C-3").balance_after == 90
        assert last_days(of) == [(2, LATER, 40), (1, LATEST, 50)]
        assert [took(entry(of, seq)) for seq in (4, 5, 6)] == [{1: 20}, {2: 15, 1: 10}, {2: 25}]

    def test_no_more_than_was_spent(self, of):
        with refused(operations.NothingToReinstate, left=70):
            reinstate(of, 71)
        reinstate(of, 50, reference="C-1")
        with refused(operations.NothingToReinstate, left=20):
            reinstate(of, 21, reference="C-2")
        reinstate(of, 20, reference="C-3")
        with refused(operations.NothingToReinstate, left=0):
            reinstate(of, reference="C-4")

    def test_pays_a_debt_first(self):
        plain()
        of = identity()
        buy(of, "500.00", reference="P")
        redeem(of, 50)
        give_back("P", "300.00", reference="B")
        assert queries.balance(of.id) == -30

        assert reinstate(of, 20, reference="C-1").balance_after == -10
        assert (lots(of), took(latest(of))) == ({}, {})
        assert reinstate(of, reference="C-2").balance_after == 20
        assert (lots(of), took(latest(of))) == ({1: 20}, {1: 20})

    @pytest.mark.parametrize("other", [{"points": 19}, {"points": None}, {"note": "other"}])
    def test_a_reference_stands_for_one_thing(self, of, other):
        reinstate(of, 20)

        with refused(operations.ReferenceReused, reference="C"):
            reinstate(of, **{"points": 20} | other)

    def test_not_for_another_redemption_either(self, of):
        redeem(of, 20, reference="R-2")
        reinstate(of, 20, seq=3)

        with refused(operations.ReferenceReused, reference="C"):
            reinstate(of, 20, seq=4)

    @pytest.mark.parametrize("points", [None, 70])
    def test_a_repeat_gets_the_first_answer(self, of, points):
        first = reinstate(of, points)
        lot(of, 5)

        with unchanged():
            assert reinstate(of, points) == replace(first, replayed=True)

    @pytest.mark.parametrize("points", [0, -1, 1.5, 10**12 + 1])
    def test_points_are_whole_and_within_reason(self, of, points):
        with refused(operations.PointsOutOfRange):
            reinstate(of, points)

    def test_is_dated_after_the_redemption_and_not_ahead(self, of):
        with refused(operations.DatedBeforeOriginal):
            reinstate(of, at=NOON - timedelta(days=1))
        with refused(operations.DatedInFuture):
            reinstate(of, at=NOON + timedelta(days=1), now=NOON)

    def test_has_a_name_and_a_short_note(self, of):
        with refused(operations.InvalidReference):
            reinstate(of, reference="")
        with refused(operations.InvalidNote):
            reinstate(of, note="x" * 201)

    def test_a_frozen_member_gets_points_back_one_who_left_does_not(self):
        frozen, closed = member(), member()
        for number, who in enumerate((frozen, closed)):
            lot(identity(who), 10)
            redeem(identity(who), 10, reference=f"R-{number}")
        members.freeze(member_id=frozen.pk, by=staff(), reason="x")
        members.close(member_id=closed.pk, closed_at=NOON, by=None, reason="x")

        assert reinstate(identity(frozen), reference="C-1").balance_after == 10
        with refused(MemberClosed):
            reinstate(identity(closed), reference="C-2")

    def test_of_what_a_hold_had_spent(self, of):
        operations.hold(
            member=of, points=20, at=NOON, until=NOON + timedelta(minutes=15), reference="H",
            source=source(),
        )  # fmt: skip
        operations.confirm(held=entry(of, 4), points=15, at=NOON, source=source())

        assert reinstate(of, seq=5).balance_after == 20
        assert last_days(of) == [(1, LATEST, 20)]

    def test_a_return_takes_what_came_back_from_its_own_lot(self):
        plain()
        of = identity()
        buy(of, "500.00", reference="P")
        lot(of, 10, expires_on=SOON)
        redeem(of, 60)
        reinstate(of)

        give_back("P", "500.00", reference="B")

        assert (lots(of), account(of)) == ({2: 10}, (10, 0, 0, 10))

    def test_another_store_of_the_issuer_may_cancel(self, of):
        elsewhere = source(store(organization=store().organization))

        assert reinstate(of, source=elsewhere).balance_after == 90


class TestFloor:
    @pytest.fixture
    def of(self):
        """50 until the end of June, of which 30 were spent: entry 2."""
        plain()
        of = identity()
        lot(of, 50, expires_on=SOON)
        redeem(of, 30)
        return of

    def test_what_comes_back_can_be_used_for_a_while(self, of):
        reinstate(of)

        # One credit with two lots: what was never spent lapses as ever.
        assert last_days(of) == [(1, SOON, 20), (1, FLOOR, 30)]
        assert entry(of, 3).lot_expires_on == [FLOOR]
        assert queries.expiries(of.id, on=NOON.date()) == [
            queries.Expiry(SOON, 20),
            queries.Expiry(FLOOR, 30),
        ]

    def test_each_part_counts_from_its_own_day(self, of):
        reinstate(of, 10, reference="C-1")
        reinstate(of, 10, reference="C-2", at=NOON + timedelta(days=2))
        reinstate(of, 10, reference="C-3", at=NOON + timedelta(days=2, hours=5))

        assert last_days(of) == [(1, SOON, 20), (1, FLOOR, 10), (1, date(2026, 7, 17), 20)]

    def test_both_lots_are_spent_in_their_order(self, of):
        reinstate(of)

        redeem(of, 25, reference="R-2")
        assert last_days(of) == [(1, FLOOR, 25)]
        assert entry(of, 4).lot_seq == [1, 1]
        assert (entry(of, 4).lot_points, entry(of, 4).lot_expires_on) == ([-20, -5], [SOON, FLOOR])

        redeem(of, 25, reference="R-3")
        assert last_days(of) == []

    def test_each_lapses_on_its_own_day(self, of):
        reinstate(of)

        assert expire(of, date(2026, 7, 1)) == (1, 1, 20)
        assert expire(of, FLOOR) == (0, 0, 0)
        assert expire(of, FLOOR + timedelta(days=1)) == (1, 1, 30)
        assert queries.balance_as_of(of.id, FLOOR) == 30

    def test_a_redemption_of_what_came_back_goes_back_again(self, of):
        reinstate(of)
        redeem(of, 45, reference="R-2")

        reinstate(of, seq=4, reference="C-2")

        assert last_days(of) == [(1, FLOOR, 50)]
        assert queries.balance(of.id) == 50

    def test_may_be_none_at_all(self, of):
        reinstate(of, floor_days=0)

        assert last_days(of) == [(1, SOON, 50)]

    def test_without_one_what_lapsed_can_still_be_used_on_its_day(self, of):
        reinstate(of, floor_days=0, at=NOON + timedelta(days=20))

        assert last_days(of) == [(1, date(2026, 7, 5), 30)]
        # What was never spent was written off first.
        assert [line[1] for line in entries(of)] == ["EARN", "REDEEM", "EXPIRE", "REINSTATE"]


class TestExpired:
    @pytest.fixture
    def of(self):
        """A purchase worth 50 until June 2027, of which 20 were spent; 30 lapsed: entry 3."""
        plain()
        of = identity()
        buy(of, "500.00", reference="P")
        redeem(of, 20)
        expire(of, date(2027, 7, 1))
        return of

    AT = datetime(2027, 7, 3, 12, tzinfo=SHANGHAI)

    def test_goodwill_gives_them_a_new_last_day(self, of):
        by = staff()

        reinstate(of, seq=3, at=self.AT, by=by, note="regular guest")

        assert last_days(of) == [(1, date(2027, 8, 2), 30)]
        assert (latest(of).actor_id, latest(of).note) == (by.pk, "regular guest")
        totals = queries.totals(as_of=self.AT.date())
        assert (totals.expired, totals.outstanding) == (0, 30)

    def test_some_of_them_too(self, of):
        reinstate(of, 10, seq=3, at=self.AT)

        with refused(operations.NothingToReinstate, left=20):
            reinstate(of, 21, seq=3, at=self.AT, reference="C-2")

    def test_they_lapse_again_and_come_back_again(self, of):
        reinstate(of, seq=3, at=self.AT)
        expire(of, date(2027, 8, 3))

        reinstate(of, seq=5, at=datetime(2027, 8, 5, tzinfo=SHANGHAI), reference="C-2")

        assert last_days(of) == [(1, date(2027, 9, 4), 30)]
        with refused(operations.NothingToReinstate, left=0):
            reinstate(of, seq=3, at=datetime(2027, 8, 6, tzinfo=SHANGHAI), reference="C-3")

    def test_the_return_of_the_purchase_takes_them_back(self, of):
        reinstate(of, 10, seq=3, at=self.AT)

        # 20 lapsed for good, 10 came back, 20 were spent.
        posted = give_back("P", "500.00", reference="B", at=self.AT)

        assert posted.posting.balance_after == -20
        assert account(of) == (-20, 0, 0, 0)
