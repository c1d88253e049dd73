"""How long points live: together as an account, or from the day a member is activated (P6, M3)."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from campaigns import operations as campaigns
from common import events
from common.models import OutboxEvent
from members import operations as members
from points import nightly, operations, queries
from points.models import Account, AdjustmentReason, Entry
from points.operations import PendingLine
from programme.policies import NEVER, TransferLimit
from tests.factories import buy, identity, lot, member, rulebook, source, staff
from tests.points.ledger import (
    account,
    entries,
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


def noon(year, month, day):
    return datetime(year, month, day, 12, tzinfo=SHANGHAI)


def lapses_on(of):
    return Account.objects.get(pk=of.id).lapses_on


def redeem(of, points, at, reference="R"):
    return operations.redeem(member=of, points=points, at=at, reference=reference, source=source())


def adjust(of, points, at, reference="A"):
    return operations.adjust(
        member=of,
        points=points,
        at=at,
        expires_on=NEVER,
        reason=AdjustmentReason.MISSED,
        note="",
        reference=reference,
        source=source(),
        by=staff(),
    )


def transfer(giver, receiver, points, at, reference="T"):
    return operations.transfer(
        giver=giver,
        receiver=receiver,
        points=points,
        at=at,
        reference=reference,
        source=source(),
        limits=[TransferLimit(days=1)],
    )


def sweep(of, on):
    return operations.expire(low=of.id, high=of.id, on=on)


@pytest.mark.parametrize(
    ("validity", "last_day"),
    [
        ({"months": 12, "until": "day"}, date(2027, 6, 15)),
        ({"months": 12, "until": "month_end"}, date(2027, 6, 30)),
        ({"months": 1, "until": "quarter_end"}, date(2026, 9, 30)),
        ({"months": 12, "until": "year_end"}, date(2027, 12, 31)),
        ({"date": "2026-08-08"}, date(2026, 8, 8)),
        ({"day_of_year": "03-31", "years": 1}, date(2027, 3, 31)),
        ("never", NEVER),
    ],
)
def test_each_lot_has_its_last_day_by_the_rulebook(validity, last_day):
    rulebook(validity=validity)
    of = identity()

    buy(of, "100.00")

    assert last_days(of) == [(1, last_day, 10)]
    assert lapses_on(of) == NEVER


class TestCycle:
    """From the first point to the end of the second calendar year, then everything is cleared."""

    END = date(2027, 12, 31)

    @pytest.fixture
    def of(self):
        """10 bought in June 2026, 20 on the very last day."""
        rulebook(validity={"cycle_years": 2})
        of = identity()
        buy(of, "100.00", at=noon(2026, 6, 15))
        buy(of, "200.00", at=noon(2027, 12, 31))
        return of

    def test_begins_with_the_first_point_and_later_ones_join_it(self, of):
        assert lapses_on(of) == self.END
        assert last_days(of) == [(1, NEVER, 10), (2, NEVER, 20)]
        assert queries.expiries(of.id, on=date(2026, 7, 1)) == [queries.Expiry(self.END, 30)]

    def test_to_its_last_day_everything_can_be_spent(self, of):
        assert redeem(of, 30, noon(2027, 12, 31)).balance_after == 0

    def test_on_the_day_after_nothing_can_swept_or_not(self, of):
        new_year = noon(2028, 1, 1)
        assert queries.spendable_points(of.id, on=self.END) == 30
        assert queries.spendable_points(of.id, on=date(2028, 1, 1)) == 0
        assert not queries.lots(of.id, on=date(2028, 1, 1)).exists()
        assert queries.expiries(of.id, on=date(2028, 1, 1)) == []

        with pytest.raises(operations.InsufficientPoints) as refusal:
            redeem(of, 1, new_year)
        assert refusal.value.details == {"requested": 1, "spendable": 0}
        sweep(of, date(2028, 1, 1))
        with refused(operations.InsufficientPoints, requested=1, spendable=0):
            redeem(of, 1, new_year)

    def test_the_night_clears_everything_at_once(self, of):
        assert nightly.expire_due_lots(day=self.END)["points"] == 0

        done = nightly.expire_due_lots(day=date(2028, 1, 1))

        assert done == {"lots": 2, "members": 1, "points": 30}
        cleared = latest(of)
        assert (cleared.kind, cleared.points, took(cleared)) == ("EXPIRE", -30, {1: -10, 2: -20})
        assert cleared.effective_at == datetime(2028, 1, 1, tzinfo=SHANGHAI)
        assert (account(of), lots(of), lapses_on(of)) == ((0, 0, 0, 30), {}, NEVER)
        assert nightly.expire_due_lots(day=date(2028, 1, 1))["members"] == 0

    @pytest.mark.parametrize("swept", [True, False])
    def test_the_next_point_begins_anew(self, of, swept):
        if swept:
            sweep(of, date(2028, 1, 1))

        buy(of, "50.00", at=noon(2028, 3, 1))

        assert [line[1:3] for line in entries(of, since=3)] == [("EXPIRE", -30), ("EARN", 5)]
        assert (lots(of), lapses_on(of)) == ({4: 5}, date(2029, 12, 31))

    @pytest.mark.parametrize("swept_on", [None, date(2028, 1, 1), date(2028, 9, 9)])
    def test_answers_are_the_same_whenever_the_night_came(self, of, swept_on):
        if swept_on:
            sweep(of, swept_on)

        days = [date(2026, 6, 15), date(2027, 12, 30), self.END, date(2028, 1, 1), NEVER]
        assert [queries.balance_as_of(of.id, day) for day in days] == [10, 10, 30, 0, 0]
        assert [queries.totals(as_of=day).expired for day in days] == [0, 0, 0, 30, 30]

    def test_a_purchase_of_the_old_cycle_told_of_late_lapses_with_it(self, of):
        buy(of, "70.00", at=noon(2027, 11, 11))

        assert sweep(of, date(2028, 1, 1)) == (1, 3, 37)

    def test_told_of_after_the_clearing_it_begins_the_cycle_of_its_day(self, of):
        """It cannot be cleared a second time: the member gets what a first point gets."""
        sweep(of, date(2028, 1, 1))

        buy(of, "70.00", at=noon(2027, 11, 11))
        assert lapses_on(of) == date(2028, 12, 31)
        buy(of, "10.00", at=noon(2028, 2, 2))

        assert (lapses_on(of), queries.balance(of.id)) == (date(2028, 12, 31), 8)

    def test_told_of_when_the_next_has_begun_it_joins_that(self, of):
        buy(of, "50.00", at=noon(2028, 3, 1))

        buy(of, "70.00", at=noon(2027, 11, 11))

        assert (lapses_on(of), queries.balance(of.id)) == (date(2029, 12, 31), 12)

    def test_of_one_year_ends_with_the_year_of_its_first_point(self):
        rulebook(validity={"cycle_years": 1})
        of = identity()

        buy(of, "100.00", at=noon(2026, 12, 31))

        assert lapses_on(of) == date(2026, 12, 31)
        assert sweep(of, date(2027, 1, 1)) == (1, 1, 10)

    def test_spending_moves_nothing(self, of):
        redeem(of, 5, noon(2027, 12, 31))

        assert lapses_on(of) == self.END

    @pytest.mark.parametrize("how", ["grant", "correction", "transfer"])
    def test_begins_with_the_first_point_however_it_came(self, of, how):
        another = identity()
        at = noon(2026, 9, 9)

        if how == "grant":
            operations.grant(
                grants=[
                    operations.Grant(
                        member=another, points=5, reference="G", at=at, expires_on=NEVER,
                        lapses_on=date(2027, 12, 31),
                    )
                ],
                source=source(),
            )  # fmt: skip
        elif how == "correction":
            adjust(another, 5, at)
        else:
            transfer(of, another, 5, at)

        assert lapses_on(another) == self.END

    def test_many_at_once_as_one_after_the_other(self, of):
        """Also when one of them comes after the old cycle and another in it."""
        another = identity()
        days = [noon(2026, 8, 1), noon(2027, 12, 31), noon(2028, 1, 1), noon(2028, 5, 5)]
        buy(another, "30.00", reference="first", at=days[0])

        purchases = [
            campaigns.Purchase(
                member=another, reference=f"many-{n}", at=at, amount=Decimal(100), source=source()
            )
            for n, at in enumerate(days[1:])
        ]
        operations.post_purchases(
            purchases=campaigns.judged_many(purchases=purchases, now=days[-1])
        )

        assert [line[1:3] for line in entries(another)] == [
            ("EARN", 3),
            ("EARN", 10),
            ("EXPIRE", -13),
            ("EARN", 10),
            ("EARN", 10),
        ]
        assert lapses_on(another) == date(2029, 12, 31)

    def test_what_vested_in_it_is_cleared_what_vests_later_is_not(self):
        rulebook(validity={"cycle_years": 1}, vesting={"days": 14})
        of = identity()
        buy(of, "100.00", reference="P-1", at=noon(2026, 12, 10))
        buy(of, "200.00", reference="P-2", at=noon(2026, 12, 20))

        assert queries.spendable_points(of.id, on=date(2027, 1, 2)) == 0
        assert queries.spendable_points(of.id, on=date(2027, 1, 3)) == 20
        nightly.vest_due_points(day=date(2027, 1, 5))
        nightly.expire_due_lots(day=date(2027, 1, 5))

        assert [line[1:3] for line in entries(of, since=3)] == [
            ("VEST", 10),
            ("EXPIRE", -10),
            ("VEST", 20),
        ]
        days = [date(2026, 12, 24), date(2026, 12, 31), date(2027, 1, 1), date(2027, 1, 3)]
        assert [queries.balance_as_of(of.id, day) for day in days] == [10, 10, 0, 20]


class TestClockOfTheCycle:
    """What came back or vested after the clearing must not live for ever: the night sees to it."""

    @pytest.fixture
    def of(self):
        rulebook(validity={"cycle_years": 1}, vesting={"event": True})
        of = identity()
        buy(of, "100.00", reference="P", at=noon(2026, 12, 20))
        return of

    def test_what_vests_after_the_end_gets_the_cycle_of_that_day(self, of):
        sweep(of, date(2027, 1, 1))
        operations.vest(
            earned=Entry.objects.get(), at=noon(2027, 2, 2), reference="V", source=source()
        )
        assert lapses_on(of) == NEVER

        nightly.start_waiting_clocks(day=date(2027, 2, 3))

        assert lapses_on(of) == date(2027, 12, 31)
        assert nightly.start_waiting_clocks(day=date(2027, 2, 3)) == {"members": 0}

    def test_so_does_what_a_cancelled_redemption_gives_back(self):
        rulebook(validity={"cycle_years": 1})
        of = identity()
        buy(of, "100.00", at=noon(2026, 12, 20))
        redeem(of, 10, noon(2026, 12, 24))
        sweep(of, date(2027, 1, 1))
        operations.reinstate(
            member=of, of=latest(of), at=noon(2027, 12, 31), reference="C", source=source(),
            floor_days=30,
        )  # fmt: skip

        nightly.start_waiting_clocks(day=date(2028, 1, 1))

        assert lapses_on(of) == date(2028, 12, 31)

    def test_leaves_accounts_alone_whose_points_have_last_days_of_their_own(self):
        rulebook(validity={"months": 12, "until": "day"})
        of = identity()
        lot(of, 10, expires_on=NEVER)

        with unchanged():
            assert nightly.start_waiting_clocks(day=date(2027, 2, 3)) == {"members": 0}


class TestInactivity:
    """Everything lapses twelve months after the latest purchase or redemption."""

    @pytest.fixture
    def of(self):
        rulebook(validity={"inactive_months": 12, "until": "day"})
        of = identity()
        buy(of, "100.00", reference="P", at=noon(2026, 6, 15))
        return of

    def test_an_earn_begins_it_and_each_moves_it(self, of):
        assert lapses_on(of) == date(2027, 6, 15)

        buy(of, "100.00", at=noon(2026, 9, 9))

        assert lapses_on(of) == date(2027, 9, 9)
        assert queries.expiries(of.id, on=date(2027, 1, 1)) == [
            queries.Expiry(date(2027, 9, 9), 20)
        ]

    def test_a_redemption_moves_it(self, of):
        redeem(of, 1, noon(2026, 12, 24))

        assert lapses_on(of) == date(2027, 12, 24)

    def test_a_hold_moves_it_when_it_is_spent(self, of):
        operations.hold(
            member=of, points=5, at=noon(2026, 12, 24), until=noon(2026, 12, 26), reference="H",
            source=source(),
        )  # fmt: skip
        assert lapses_on(of) == date(2027, 6, 15)

        operations.confirm(held=latest(of), at=noon(2026, 12, 25), source=source())

        assert lapses_on(of) == date(2027, 12, 25)

    def test_what_is_told_late_does_not_move_it_back(self, of):
        buy(of, "100.00", at=noon(2026, 3, 3))
        redeem(of, 1, noon(2026, 6, 10))

        assert lapses_on(of) == date(2027, 6, 15)

    def test_kinds_that_do_not_count_move_nothing(self, of):
        adjust(of, 5, noon(2026, 9, 9))
        adjust(of, -2, noon(2026, 9, 9), reference="A-2")
        give_back("P", "20.00", reference="B", at=noon(2026, 9, 9))
        transfer(of, identity(), 1, noon(2026, 9, 9))

        assert lapses_on(of) == date(2027, 6, 15)

    def test_a_refused_redemption_moves_nothing(self, of):
        with refused(operations.InsufficientPoints):
            redeem(of, 11, noon(2026, 9, 9))

    def test_a_repeat_moves_nothing(self, of):
        redeem(of, 1, noon(2026, 9, 9))

        assert redeem(of, 1, noon(2026, 11, 11)).replayed
        assert lapses_on(of) == date(2027, 9, 9)

    def test_to_its_last_day_all_can_be_spent_and_that_is_activity(self, of):
        redeem(of, 4, noon(2027, 6, 15))

        assert lapses_on(of) == date(2028, 6, 15)
        assert sweep(of, date(2027, 6, 16)) == (0, 0, 0)

    @pytest.mark.parametrize("swept", [True, False])
    def test_the_day_after_nothing_can_be_spent(self, of, swept):
        if swept:
            sweep(of, date(2027, 6, 16))

        with pytest.raises(operations.InsufficientPoints) as refusal:
            redeem(of, 1, noon(2027, 6, 16))

        assert refusal.value.details == {"requested": 1, "spendable": 0}
        assert queries.balance_as_of(of.id, date(2027, 6, 15)) == 10
        assert queries.balance_as_of(of.id, date(2027, 6, 16)) == 0

    @pytest.mark.parametrize("swept", [True, False])
    def test_what_lapsed_does_not_come_to_life_with_a_new_point(self, of, swept):
        if swept:
            sweep(of, date(2027, 6, 16))

        buy(of, "50.00", at=noon(2027, 7, 7))

        assert [line[1:3] for line in entries(of, since=2)] == [("EXPIRE", -10), ("EARN", 5)]
        assert (lots(of), lapses_on(of)) == ({3: 5}, date(2028, 7, 7))

    def test_many_at_once_as_one_after_the_other(self, of):
        """Years of history in one batch: what had lapsed by then is not brought to life."""
        another = identity()
        days = [noon(2023, 1, 1), noon(2023, 12, 31), noon(2025, 2, 2), noon(2025, 3, 3)]
        purchases = [
            campaigns.Purchase(
                member=another, reference=f"many-{n}", at=at, amount=Decimal(100), source=source()
            )
            for n, at in enumerate(days)
        ]

        operations.post_purchases(
            purchases=campaigns.judged_many(purchases=purchases, now=days[-1])
        )

        assert [line[1:3] for line in entries(another)] == [
            ("EARN", 10),
            ("EARN", 10),
            ("EXPIRE", -20),
            ("EARN", 10),
            ("EARN", 10),
        ]
        assert lapses_on(another) == date(2026, 3, 3)

    def test_ends_with_the_month_where_the_rulebook_says_so(self):
        rulebook(validity={"inactive_months": 6, "until": "month_end"})
        of = identity()

        buy(of, "100.00", at=noon(2026, 8, 31))

        assert lapses_on(of) == date(2027, 2, 28)

    @pytest.mark.parametrize(
        ("kind", "moved"),
        [("EARN", False), ("REDEEM", False), ("ADJUST", True), ("TRANSFER_OUT", True)],
    )
    def test_which_kinds_count_is_the_rulebooks_to_say(self, kind, moved):
        counts = ["ADJUST", "TRANSFER_OUT", "TRANSFER_IN"]
        rulebook(validity={"inactive_months": 12, "until": "day", "counts": counts})
        of, another = identity(), identity()
        buy(of, "100.00", at=noon(2026, 6, 15))
        # The first points begin it, whatever counts.
        assert lapses_on(of) == date(2027, 6, 15)
        later = noon(2026, 9, 9)

        if kind == "EARN":
            buy(of, "100.00", at=later)
        elif kind == "REDEEM":
            redeem(of, 1, later)
        elif kind == "ADJUST":
            adjust(of, 1, later)
        else:
            transfer(of, another, 1, later)
            assert lapses_on(another) == date(2027, 9, 9)

        assert lapses_on(of) == (date(2027, 9, 9) if moved else date(2027, 6, 15))

    def test_a_correction_down_counts_as_one_up(self):
        counts = ["ADJUST"]
        rulebook(validity={"inactive_months": 12, "until": "day", "counts": counts})
        of = identity()
        buy(of, "100.00", at=noon(2026, 6, 15))

        adjust(of, -1, noon(2026, 9, 9))

        assert lapses_on(of) == date(2027, 9, 9)


class TestActivation:
    """A dealer's history waits for its owner; validity begins on the day of activation."""

    @pytest.fixture(autouse=True)
    def _programme(self):
        rulebook(validity={"months": 12, "until": "month_end"}, clock="activation")

    @pytest.fixture
    def who(self):
        return member(active=False)

    @pytest.fixture
    def of(self, who):
        """Two purchases years ago."""
        of = identity(who)
        buy(of, "100.00", at=noon(2021, 3, 3))
        buy(of, "200.00", at=noon(2022, 4, 4))
        return of

    def activate(self, who, deliver=True):
        members.activate(member_id=who.pk, activated_at=noon(2026, 6, 15))
        if deliver:
            events.deliver_waiting(now=datetime.now(UTC))

    def test_until_then_the_points_wait_without_a_last_day(self, of):
        assert last_days(of) == [(1, NEVER, 10), (2, NEVER, 20)]
        assert sweep(of, date(2026, 1, 1)) == (0, 0, 0)
        assert queries.expiries(of.id, on=date(2026, 1, 1)) == []

    def test_from_that_day_on_they_live_as_long_as_any(self, who, of):
        self.activate(who)

        assert last_days(of) == [(1, date(2027, 6, 30), 10), (2, date(2027, 6, 30), 20)]
        moved = latest(of)
        assert (moved.kind, moved.points, moved.balance_after) == ("EXTEND", 0, 30)
        assert moved.lot_seq == [1, 1, 2, 2]
        assert moved.lot_points == [-10, 10, -20, 20]
        assert moved.effective_at == noon(2026, 6, 15)
        assert queries.expiries(of.id, on=date(2026, 7, 1)) == [
            queries.Expiry(date(2027, 6, 30), 30)
        ]
        redeem(identity(who), 25, noon(2027, 6, 30))
        assert sweep(of, date(2027, 7, 1)) == (1, 1, 5)

    def test_told_twice_it_begins_once(self, who, of):
        self.activate(who)
        OutboxEvent.objects.update(delivered_at=None)
        before = entries(of)

        events.deliver_waiting(now=datetime.now(UTC))

        assert entries(of) == before

    def test_the_night_sees_to_what_was_not_told(self, who, of):
        assert nightly.start_waiting_clocks(day=date(2026, 6, 15)) == {"members": 0}
        self.activate(who, deliver=False)

        assert nightly.start_waiting_clocks(day=date(2026, 6, 16)) == {"members": 1}
        assert [day for _seq, day, _left in last_days(of)] == [date(2027, 6, 30)] * 2
        assert nightly.start_waiting_clocks(day=date(2026, 6, 16)) == {"members": 0}
        events.deliver_waiting(now=datetime.now(UTC))
        assert len(entries(of)) == 3

    def test_what_has_not_vested_waits_with_them(self, who):
        of = identity(who)
        operations.earn(
            member=of,
            points=5,
            pending=[PendingLine("1", 7, None)],
            at=noon(2021, 3, 3),
            expires_on=NEVER,
            reference="E",
            source=source(version_id=rulebook_in_force()),
        )
        self.activate(who)

        operations.vest(
            earned=Entry.objects.get(kind="EARN"), at=noon(2026, 7, 7), reference="V",
            source=source(),
        )  # fmt: skip

        assert last_days(of) == [(1, date(2027, 6, 30), 12)]

    def test_all_of_it_may_wait_for_both(self, who):
        of = identity(who)
        operations.earn(
            member=of, points=0, pending=[PendingLine("1", 7, None)], at=noon(2021, 3, 3),
            expires_on=NEVER, reference="E", source=source(version_id=rulebook_in_force()),
        )  # fmt: skip

        self.activate(who)
        operations.vest(
            earned=Entry.objects.get(kind="EARN"), at=noon(2026, 7, 7), reference="V",
            source=source(),
        )  # fmt: skip

        assert last_days(of) == [(1, date(2027, 6, 30), 7)]

    def test_what_an_active_member_buys_does_not_wait(self, who, of):
        self.activate(who)

        buy(identity(who), "50.00", at=noon(2026, 8, 8))

        assert last_days(of)[-1] == (4, date(2027, 8, 31), 5)

    def test_points_of_other_rules_keep_their_days(self, who):
        """Those of a version without the clock, and those that were given for ever."""
        of = identity(who)
        lot(of, 3, expires_on=date(2026, 12, 31), at=noon(2021, 3, 3))
        lot(of, 4, expires_on=NEVER, at=noon(2021, 3, 3))

        self.activate(who)

        assert last_days(of) == [(1, date(2026, 12, 31), 3), (2, NEVER, 4)]
        assert len(entries(of)) == 2

    def test_who_has_nothing_gets_nothing(self, who):
        self.activate(who)

        assert not Entry.objects.exists()


def rulebook_in_force():
    from programme import queries as programme

    return programme.rulebook_on(date(2026, 6, 15)).id


def test_a_cycle_of_one_pre_registered_begins_with_the_activation():
    rulebook(validity={"cycle_years": 2}, clock="activation")
    who = member(active=False)
    of = identity(who)
    buy(of, "100.00", at=noon(2021, 3, 3))
    assert lapses_on(of) == NEVER
    assert nightly.start_waiting_clocks(day=date(2026, 6, 15)) == {"members": 0}

    members.activate(member_id=who.pk, activated_at=noon(2026, 6, 15))
    events.deliver_waiting(now=datetime.now(UTC))

    assert lapses_on(of) == date(2027, 12, 31)
    assert [line[1] for line in entries(of)] == ["EARN", "EXTEND"]
    assert nightly.start_waiting_clocks(day=date(2026, 6, 16)) == {"members": 0}
    assert sweep(of, date(2028, 1, 1)) == (1, 1, 10)


def test_points_of_an_account_that_lapses_as_a_whole_are_told_with_its_day():
    rulebook(validity={"inactive_months": 12, "until": "day"})
    of = identity()
    buy(of, "100.00", at=noon(2026, 6, 15))

    summary = queries.account_summary(of.id, today=date(2026, 6, 16))

    assert summary.expiries == [queries.Expiry(date(2027, 6, 15), 10)]
