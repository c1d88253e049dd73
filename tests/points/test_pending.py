"""Points that wait: earned, not yet to be spent (P8)."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from points import nightly, operations, queries
from points.models import Entry, EntryKind
from points.operations import PendingLine
from tests.factories import buy, identity, lot, rulebook, source
from tests.factories.points import NOON
from tests.points.ledger import (
    account,
    entries,
    entry,
    latest,
    lots,
    refused,
    took,
    unchanged,
    waits,
)
from tests.points.returning import give_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sound")]

SHANGHAI = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 6, 15)
LONG = date(2027, 6, 30)
VESTS = date(2026, 6, 29)


def earn(of, now, *lines, reference="E", at=NOON, expires_on=LONG, **fields):
    """So many points now, and lines that wait: (line, points) by event, or with a day."""
    return operations.earn(
        member=of,
        points=now,
        pending=[PendingLine(line, points, *(on or (None,))) for line, points, *on in lines],
        at=at,
        expires_on=expires_on,
        reference=reference,
        source=source(),
        **fields,
    )


def vest(of, seq=1, *, line=None, reference="V", at=NOON, **fields):
    return operations.vest(
        earned=entry(of, seq), line=line, at=at, reference=reference, source=source(), **fields
    )


def redeem(of, points, *, reference="R", at=NOON):
    return operations.redeem(member=of, points=points, at=at, reference=reference, source=source())


def in_debt(of, debt):
    """An account below zero, as a return after spending leaves it; three entries."""
    buy(of, f"{debt * 10}.00", reference="debt")
    redeem(of, debt, reference="debt")
    give_back("debt", f"{debt * 10}.00", reference="debt-return")
    assert queries.balance(of.id) == -debt


@pytest.fixture
def of():
    rulebook()
    return identity()


class TestEarn:
    def test_what_waits_is_earned_but_no_balance(self, of):
        posting = earn(of, 40, ("1", 50, VESTS), ("2", 10))

        assert (posting.seq, posting.balance_after) == (1, 40)
        assert account(of) == (40, 60, 0, 100)
        assert lots(of) == {1: 40}
        assert waits(of) == {(1, "1"): 50, (1, "2"): 10}
        assert entries(of) == [(1, "EARN", 40, 60, 0, 40)]
        assert queries.spendable_points(of.id, on=VESTS - timedelta(days=1)) == 40
        assert queries.spendable_points(of.id, on=VESTS) == 90
        assert queries.account_summary(of.id, today=TODAY).pending == 60

    def test_all_of_it_may_wait(self, of):
        assert earn(of, 0, ("", 50, VESTS)).balance_after == 0

        assert (account(of), lots(of)) == ((0, 50, 0, 50), {})

    def test_does_not_pay_a_debt_yet(self, of):
        in_debt(of, 30)

        assert earn(of, 0, ("1", 50)).balance_after == -30
        assert account(of) == (-30, 50, 0, 50)

    @pytest.mark.parametrize(
        ("now", "lines"),
        [
            (0, []),
            (0, [("1", 0)]),
            (5, [("1", -1)]),
            (5, [("1", 1.5)]),
            (-1, [("1", 5)]),
            (10**12, [("1", 1)]),
            (5, [("1", 1), ("1", 2)]),
        ],
    )
    def test_each_part_is_whole_and_together_within_reason(self, of, now, lines):
        with refused(operations.PointsOutOfRange):
            earn(of, now, *lines)

    def test_a_repeat_gets_the_first_answer(self, of):
        first = earn(of, 40, ("1", 60))
        vest(of)

        with unchanged():
            assert earn(of, 40, ("1", 60)) == replace(first, replayed=True)

    def test_a_reference_stands_for_one_thing(self, of):
        earn(of, 40, ("1", 60))

        with refused(operations.ReferenceReused, reference="E"):
            earn(of, 40, ("1", 61))


class TestVest:
    def test_all_of_an_earn_by_event(self, of):
        earn(of, 40, ("1", 50), ("2", 10))

        posting = vest(of, at=NOON + timedelta(days=3))

        assert (posting.seq, posting.balance_after, posting.replayed) == (2, 100, False)
        assert account(of) == (100, 0, 0, 100)
        # It comes to the lot the earn has made already.
        assert (lots(of), waits(of)) == ({1: 100}, {})
        made = latest(of)
        assert (made.kind, made.points, made.pending) == ("VEST", 60, -60)
        assert (made.reverses, made.line, made.reference) == (1, None, "V")
        assert took(made) == {1: 60}
        assert made.effective_at == NOON + timedelta(days=3)

    def test_line_by_line(self, of):
        earn(of, 0, ("1", 50), ("2", 10), ("3", 5))

        vest(of, line="2", reference="V-2")
        vest(of, line="1", reference="V-1")

        assert (lots(of), waits(of)) == ({1: 60}, {(1, "3"): 5})
        assert entries(of, since=2) == [
            (2, "VEST", 10, -10, 0, 10),
            (3, "VEST", 50, -50, 0, 60),
        ]
        assert [entry(of, seq).line for seq in (2, 3)] == ["2", "1"]

    def test_before_its_day_too(self, of):
        earn(of, 0, ("1", 50, VESTS))

        assert vest(of).balance_after == 50
        assert nightly.vest_due_points(day=VESTS)["points"] == 0

    @pytest.mark.parametrize(
        ("waiting", "left", "balance"), [(29, {}, -1), (30, {}, 0), (50, {4: 20}, 20)]
    )
    def test_pays_a_debt_first(self, of, waiting, left, balance):
        in_debt(of, 30)
        earn(of, 0, ("1", waiting))

        assert vest(of, 4).balance_after == balance
        assert lots(of) == left
        assert took(latest(of)) == left

    def test_what_had_lapsed_meanwhile_can_be_used_on_that_day(self, of):
        earn(of, 10, ("1", 50), expires_on=date(2026, 6, 30))
        later = NOON + timedelta(days=30)

        vest(of, at=later)

        assert queries.spendable_points(of.id, on=date(2026, 7, 15)) == 50
        assert queries.spendable_points(of.id, on=date(2026, 7, 16)) == 0
        assert redeem(of, 50, at=later).balance_after == 10

    def test_after_a_return_of_its_line_what_waited_of_it_is_gone(self):
        rulebook(vesting={"event": True})
        of = identity()
        buy(of, "300.00", reference="P", lines=(("1", "", "200.00"), ("2", "", "100.00")))
        assert waits(of) == {(1, "1"): 20, (1, "2"): 10}

        give_back("P", "100.00", reference="B", lines=[("2", "100.00")])

        assert waits(of) == {(1, "1"): 20}
        with refused(operations.NothingPending):
            vest(of, line="2")
        assert vest(of).balance_after == 20

    def test_a_repeat_gets_the_first_answer(self, of):
        earn(of, 0, ("1", 50), ("2", 10))
        first = vest(of, line="1")
        vest(of, line="2", reference="V-2")

        with unchanged():
            assert vest(of, line="1") == replace(first, replayed=True)

    def test_a_reference_stands_for_one_vesting(self, of):
        earn(of, 0, ("1", 50), ("2", 10))
        earn(of, 0, ("1", 5), reference="E-2")
        vest(of, line="1")

        with refused(operations.ReferenceReused, reference="V"):
            vest(of, line="2")
        with refused(operations.ReferenceReused, reference="V"):
            vest(of)
        with refused(operations.ReferenceReused, reference="V"):
            vest(of, 2)

    def test_what_does_not_wait_cannot_vest(self, of):
        earn(of, 5, ("1", 50))
        earn(of, 5, reference="E-2")

        with refused(operations.NothingPending):
            vest(of, line="2")
        with refused(operations.NothingPending):
            vest(of, 2)
        vest(of)
        with refused(operations.NothingPending):
            vest(of, reference="V-2")

    def test_is_dated_after_the_earn_and_not_ahead(self, of):
        earn(of, 0, ("1", 50))

        with refused(operations.DatedBeforeOriginal):
            vest(of, at=NOON - timedelta(days=1))
        with refused(operations.DatedInFuture):
            vest(of, at=NOON + timedelta(days=1), now=NOON)
        with refused(operations.InvalidReference):
            vest(of, reference=" V")


class TestVestDue:
    def due(self, on, *members):
        ids = [of.id for of in members]
        return operations.vest_due(low=min(ids), high=max(ids), on=on)

    def test_one_entry_per_earn_and_day_effective_when_the_day_begins(self, of):
        earn(of, 0, ("1", 50, VESTS), ("2", 10, VESTS), ("3", 5, VESTS + timedelta(days=1)))
        earn(of, 0, ("1", 7, VESTS - timedelta(days=2)), reference="E-2")

        assert self.due(VESTS, of) == (1, 2, 67)

        assert entries(of, since=3) == [
            (3, "VEST", 7, -7, 0, 7),
            (4, "VEST", 60, -60, 0, 67),
        ]
        assert [entry(of, seq).reverses for seq in (3, 4)] == [2, 1]
        assert entry(of, 4).effective_at == datetime(2026, 6, 29, tzinfo=SHANGHAI)
        assert (lots(of), waits(of)) == ({1: 60, 2: 7}, {(1, "3"): 5})

    def test_the_day_before_nothing_vests(self, of):
        earn(of, 0, ("1", 50, VESTS))

        with unchanged():
            assert self.due(VESTS - timedelta(days=1), of) == (0, 0, 0)

    def test_twice_finds_nothing_left(self, of):
        earn(of, 0, ("1", 50, VESTS))
        self.due(VESTS, of)

        with unchanged():
            assert self.due(VESTS, of) == (0, 0, 0)

    def test_what_waits_for_an_event_stays(self, of):
        earn(of, 0, ("1", 50), ("2", 10, VESTS))

        assert self.due(date(2099, 1, 1), of) == (1, 1, 10)
        assert waits(of) == {(1, "1"): 50}

    def test_a_debt_is_paid_by_what_vests_first(self, of):
        in_debt(of, 30)
        earn(of, 0, ("1", 20, VESTS))
        earn(of, 0, ("1", 25, VESTS), reference="E-2")

        self.due(VESTS, of)

        assert entries(of, since=6) == [
            (6, "VEST", 20, -20, 0, -10),
            (7, "VEST", 25, -25, 0, 15),
        ]
        assert lots(of) == {5: 15}
        assert [took(entry(of, seq)) for seq in (6, 7)] == [{}, {5: 15}]

    def test_keeps_to_its_range_of_members(self, of):
        another = identity()
        for each in (of, another):
            earn(each, 0, ("1", 50, VESTS), reference=each.number)

        assert self.due(VESTS, another) == (1, 1, 50)
        assert (account(of), account(another)) == ((0, 50, 0, 50), (50, 0, 0, 50))

    def test_what_lapsed_while_it_waited_can_be_used_on_its_day(self, of):
        earn(of, 0, ("1", 50, VESTS), expires_on=TODAY)

        self.due(VESTS + timedelta(days=3), of)

        assert queries.balance_as_of(of.id, VESTS) == 50
        assert queries.balance_as_of(of.id, VESTS + timedelta(days=1)) == 0
        assert operations.expire(low=of.id, high=of.id, on=VESTS + timedelta(days=3)) == (1, 1, 50)
        assert queries.balance_as_of(of.id, VESTS) == 50
        assert queries.balance_as_of(of.id, VESTS + timedelta(days=1)) == 0

    def test_the_night_does_it(self, of):
        earn(of, 0, ("1", 50, VESTS))

        assert nightly.vest_due_points(day=VESTS - timedelta(days=1))["members"] == 0
        assert nightly.vest_due_points(day=VESTS) == {"earns": 1, "members": 1, "points": 50}
        assert nightly.vest_due_points(day=VESTS) == {"earns": 0, "members": 0, "points": 0}

    @pytest.mark.parametrize("vested_on", [None, VESTS, VESTS + timedelta(days=9)])
    def test_answers_are_the_same_whenever_the_night_came(self, of, vested_on):
        earn(of, 40, ("1", 60, VESTS))
        if vested_on:
            self.due(vested_on, of)

        days = [TODAY, VESTS - timedelta(days=1), VESTS, LONG, LONG + timedelta(days=1)]
        assert [queries.balance_as_of(of.id, day) for day in days] == [40, 40, 100, 100, 0]
        assert queries.totals(as_of=VESTS).outstanding == 100


class TestSpending:
    def test_what_is_due_vests_before_a_till_is_told_there_is_too_little(self, of):
        earn(of, 40, ("1", 60, VESTS))
        on_the_day = NOON + timedelta(days=14)

        assert redeem(of, 100, at=on_the_day).balance_after == 0

        assert [line[1] for line in entries(of)] == ["EARN", "VEST", "REDEEM"]
        assert entry(of, 2).effective_at == datetime(2026, 6, 29, tzinfo=SHANGHAI)

    def test_the_day_before_it_cannot_be_spent(self, of):
        earn(of, 40, ("1", 60, VESTS))

        with refused(operations.InsufficientPoints, requested=41, spendable=40):
            redeem(of, 41, at=NOON + timedelta(days=13))

    def test_told_of_late_it_cannot_spend_what_vested_since(self, of):
        earn(of, 0, ("1", 60, VESTS))
        operations.vest_due(low=of.id, high=of.id, on=VESTS)

        with refused(operations.InsufficientPoints, requested=1, spendable=0):
            redeem(of, 1, at=NOON + timedelta(days=13))
        assert redeem(of, 60, at=NOON + timedelta(days=14)).balance_after == 0


class TestReverse:
    @pytest.fixture
    def of(self):
        return identity()

    def test_what_waits_is_taken_first(self, of):
        rulebook(vesting={"days": 14})
        buy(of, "300.00", reference="P", lines=(("1", "", "200.00"), ("2", "", "100.00")))
        lot(of, 5)

        give_back("P", "300.00", reference="B")

        assert account(of) == (5, 0, 0, 5)
        assert entries(of, since=3) == [(3, "REVERSE", 0, -30, 0, 5)]
        assert (latest(of).qualifying, latest(of).lot_seq) == (-30, [])

    def test_then_its_own_lot(self, of):
        rulebook(vesting={"event": True})
        buy(of, "300.00", reference="P", lines=(("1", "", "200.00"), ("2", "", "100.00")))
        vest(of, line="1")
        lot(of, 5, expires_on=date(2026, 6, 30))

        give_back("P", "150.00", reference="B")

        assert entries(of, since=4) == [(4, "REVERSE", -5, -10, 0, 20)]
        assert lots(of) == {1: 15, 3: 5}

    def test_of_a_part_takes_its_own_line(self, of):
        rulebook(vesting={"event": True})
        buy(of, "300.00", reference="P", lines=(("1", "", "200.00"), ("2", "", "100.00")))

        give_back("P", "50.00", reference="B", lines=[("2", "50.00")])

        assert waits(of) == {(1, "1"): 20, (1, "2"): 5}

    def test_may_be_refused_by_policy_only_for_what_is_spent(self, of):
        rulebook(vesting={"event": True}, return_after_spending="refuse")
        buy(of, "100.00", reference="P")
        assert account(of) == (0, 10, 0, 10)

        give_back("P", "100.00", reference="B")

        assert account(of) == (0, 0, 0, 0)


class TestElsewhere:
    def test_who_leaves_forfeits_what_waits(self, of):
        earn(of, 40, ("1", 60))

        operations.forfeit(member_id=of.id, at=NOON)

        assert entries(of, since=2) == [
            (2, "FORFEIT", -40, 0, 0, 0),
            (3, "FORFEIT", 0, -60, 0, 0),
        ]
        assert (account(of), waits(of), lots(of)) == ((0, 0, 0, 100), {}, {})
        assert operations.forfeit(member_id=of.id, at=NOON) is None

    def test_who_leaves_in_debt_forfeits_what_waits_and_owes_on(self, of):
        in_debt(of, 30)
        earn(of, 0, ("1", 60))

        operations.forfeit(member_id=of.id, at=NOON)

        assert account(of) == (-30, 0, 0, 60)

    def test_what_waits_counts_as_outstanding(self, of):
        earn(of, 40, ("1", 60))

        totals = queries.totals(as_of=TODAY)
        assert (totals.earned, totals.outstanding) == (100, 100)

    def test_many_purchases_at_once_wait_as_one_does(self):
        version = rulebook(vesting={"event": True})
        of, another = identity(), identity()
        judged = [
            operations.JudgedPurchase(
                member=each,
                reference=f"P-{number}",
                at=NOON,
                amount=100,
                lines=[],
                fingerprint=b"0" * 16,
                points=10,
                pending=(PendingLine("1", number, VESTS),) if number else (),
                expires_on=LONG,
                explanation={},
                source=source(version_id=version.pk),
            )
            for number, each in ((0, of), (3, of), (10, another))
        ]
        operations.post_purchases(purchases=judged)

        assert (account(of), lots(of), waits(of)) == ((17, 3, 0, 20), {1: 10, 2: 7}, {(2, "1"): 3})
        assert (account(another), lots(another)) == ((0, 10, 0, 10), {})
        assert Entry.objects.filter(kind=EntryKind.EARN).count() == 3
