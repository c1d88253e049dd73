"""Spending what a family shares (M11): whose points go, and where they come back to."""

import contextlib
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from members import operations as members
from points import operations, queries
from points.models import EntryKind
from programme.policies import TransferLimit
from tests.factories import buy, dealer, identity, lot, member, rulebook, source, staff
from tests.factories.groups import family, share
from tests.factories.points import NOON
from tests.points.ledger import (
    account,
    differences,
    entries,
    last_days,
    latest,
    lots,
    refused,
)
from tests.points.returning import give_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sound")]

SOON, LATE = date(2026, 7, 31), date(2027, 12, 31)
LATER = NOON + timedelta(hours=1)
TOMORROW = NOON + timedelta(days=1)


class Family:
    def __init__(self, size=3):
        self.members = [member(name=f"王{n}") for n in range(size)]
        self.group = family(*self.members)
        self.ids = [identity(each) for each in self.members]


@pytest.fixture
def home():
    return Family()


def spend(of, points, reference="R", at=NOON, **fields):
    return operations.redeem(
        member=of, points=points, at=at, reference=reference, source=source(), pooled=True, **fields
    )


def hold(of, points, reference="H", at=NOON, until=LATER):
    return operations.hold(
        member=of, points=points, at=at, until=until, reference=reference, source=source(),
        pooled=True,
    )  # fmt: skip


def cancel(of, entry, points=None, at=LATER):
    return operations.reinstate(
        member=of, of=entry, points=points, at=at, reference=f"C-{points}", source=source(),
        floor_days=30,
    )  # fmt: skip


class TestSpending:
    def test_takes_the_own_points_first_and_only_what_is_missing_of_others(self, home):
        a, b, _c = home.ids
        lot(a, 100)
        lot(b, 500)

        spend(a, 130)

        assert (account(a)[0], account(b)[0]) == (0, 470)
        assert entries(b)[-1][:3] == (2, "POOL_OUT", -30)
        assert [line[1:3] for line in entries(a)[1:]] == [("POOL_IN", 30), ("REDEEM", -130)]

    def test_leaves_others_alone_while_the_own_points_are_enough(self, home):
        a, b, _c = home.ids
        lot(a, 100)
        lot(b, 500)

        spend(a, 100)

        assert account(b)[0] == 500
        assert latest(a).group_id is None

    def test_takes_what_lapses_soonest_whosever_it_is(self, home):
        a, b, c = home.ids
        lot(b, 100, expires_on=LATE)
        lot(b, 100, expires_on=SOON)
        lot(c, 100, expires_on=SOON + timedelta(days=1))

        spend(a, 250)

        assert (account(b)[0], account(c)[0]) == (50, 0)
        assert last_days(b) == [(1, LATE, 50)]

    def test_who_paid_for_the_points_pays_for_the_redemption(self, home):
        a, b, _c = home.ids
        payer = dealer()
        operations.earn(
            member=b, points=50, at=NOON, expires_on=LATE, reference="E",
            source=source(funding_id=operations.funding([(payer.pk, 10_000, "own")])),
        )  # fmt: skip

        spend(a, 50)

        [cost] = queries.cost_of(latest(a))
        assert (cost.organization_id, cost.budget, cost.points) == (payer.pk, "own", 50)

    def test_keeps_last_days(self, home):
        a, b, _c = home.ids
        lot(b, 70, expires_on=SOON)
        lot(b, 70, expires_on=LATE)

        spend(a, 100)

        assert latest(a).lot_expires_on == [SOON, LATE]
        assert latest(a).lot_points == [-70, -30]

    def test_a_month_takes_no_more_than_its_owner_says(self, home):
        a, b, c = home.ids
        share(home.group, home.members[1], monthly_points=60)
        lot(b, 500, expires_on=SOON)
        lot(c, 100, expires_on=LATE)

        spend(a, 100, "R1")
        assert (account(b)[0], account(c)[0]) == (440, 60)

        with refused(operations.InsufficientPoints, requested=61, spendable=60):
            spend(a, 61, "R2")
        spend(a, 61, "R3", at=NOON + timedelta(days=31))
        assert account(b)[0] + account(c)[0] == 439

    def test_what_came_back_does_not_count_against_the_month(self, home):
        a, b, _c = home.ids
        share(home.group, home.members[1], monthly_points=60)
        lot(b, 500)
        spend(a, 60, "R1")
        cancel(a, latest(a))

        spend(a, 60, "R2", at=LATER)

        assert account(b)[0] == 440

    def test_limits_of_transfers_do_not_apply(self, home):
        a, b, _c = home.ids
        lot(b, 500)
        spend(a, 100, "R1")

        operations.transfer(
            giver=b, receiver=a, points=10, at=NOON, reference="T", source=source(),
            limits=[TransferLimit(days=30, count=1, points=10)],
        )  # fmt: skip

    def test_of_too_few_nothing_is_taken(self, home):
        a, b, c = home.ids
        lot(a, 10)
        lot(b, 20)
        lot(c, 30)

        with refused(operations.InsufficientPoints, requested=61, spendable=60):
            spend(a, 61)

    def test_repeating_it_answers_the_same_though_the_pool_is_empty(self, home):
        a, b, _c = home.ids
        lot(b, 100)
        first = spend(a, 100)

        again = spend(a, 100)

        assert (again.seq, again.replayed) == (first.seq, True)
        assert len(entries(b)) == 2

    def test_without_being_asked_nothing_of_others_is_spent(self, home):
        a, b, _c = home.ids
        lot(b, 100)

        with refused(operations.InsufficientPoints, requested=1, spendable=0):
            operations.redeem(member=a, points=1, at=NOON, reference="R", source=source())

    def test_who_is_in_no_group_spends_the_own(self):
        of = identity()
        rulebook()
        lot(of, 10)

        spend(of, 10)

        with refused(operations.InsufficientPoints, requested=1, spendable=0):
            spend(of, 1, "R2")


class TestWhoTakesNoPart:
    def test_who_does_not_share_neither_gives_nor_draws(self, home):
        a, b, _c = home.ids
        lot(a, 100)
        lot(b, 100)
        members.share_points(
            group_id=home.group.pk, member_id=a.id, shares=False, monthly_points=None, at=NOON
        )

        with refused(operations.InsufficientPoints, requested=101, spendable=100):
            spend(a, 101)
        with refused(operations.InsufficientPoints, requested=101, spendable=100):
            spend(b, 101)

    def test_whose_role_may_not_spend(self, home):
        a, b, _c = home.ids
        lot(a, 100)
        lot(b, 100)
        rulebook(groups={"family": {"members": 6, "spenders": ["owner"]}}, valid_from="2026-01-01")

        spend(a, 150)
        with refused(operations.InsufficientPoints, requested=51, spendable=50):
            spend(b, 51, "R2")

    def test_who_is_frozen_gives_nothing(self, home):
        a, b, c = home.ids
        lot(b, 100)
        lot(c, 100)
        members.freeze(member_id=b.id, by=staff(), reason="")

        with refused(operations.InsufficientPoints, requested=101, spendable=100):
            spend(a, 101)

    def test_who_left(self, home):
        a, b, _c = home.ids
        lot(b, 100)
        members.leave_group(group_id=home.group.pk, member_id=b.id, at=NOON)

        with refused(operations.InsufficientPoints, requested=1, spendable=0):
            spend(a, 1)

    def test_nobody_pays_a_members_debt(self, home):
        a, b, _c = home.ids
        lot(a, 10)
        lot(b, 100)
        spend(a, 10, "R1")
        _debt(a, 5)

        with refused(operations.InsufficientPoints, requested=1, spendable=100):
            spend(a, 1, "R2")

    def test_what_has_lapsed_unswept(self, home):
        a, b, _c = home.ids
        lot(b, 100, expires_on=SOON)

        with pytest.raises(operations.InsufficientPoints):
            spend(a, 1, at=NOON + timedelta(days=60))


class TestComingBack:
    def test_a_cancellation_returns_them_to_the_lots_they_came_from(self, home):
        a, b, c = home.ids
        lot(a, 10)
        lot(b, 100, expires_on=LATE)
        lot(c, 100, expires_on=LATE + timedelta(days=1))
        before = [lots(each) for each in home.ids]
        spend(a, 200)

        posting = cancel(a, latest(a))

        assert [lots(each) for each in home.ids] == before
        assert last_days(b) == [(1, LATE, 100)]
        assert entries(b)[-1][1:3] == ("POOL_BACK", 100)
        assert posting.balance_after == 10

    def test_a_part_of_it_returns_what_lapses_last(self, home):
        a, b, c = home.ids
        lot(b, 100, expires_on=LATE)
        lot(c, 100, expires_on=LATE + timedelta(days=1))
        spend(a, 200)

        cancel(a, _entry(a, 3), 120)

        assert (account(b)[0], account(c)[0], account(a)[0]) == (20, 100, 0)

    def test_what_is_left_of_a_hold_goes_home_what_is_spent_stays_spent(self, home):
        a, b, _c = home.ids
        lot(a, 10, expires_on=SOON)
        lot(b, 100)
        hold(a, 60)

        ended = operations.confirm(held=latest(a), at=NOON, source=source(), points=25)

        assert (account(a)[0], account(b)[0]) == (0, 85)
        assert ended.balance_after == 0
        redeemed = _last_of(a, EntryKind.REDEEM)
        assert redeemed.group_id == home.group.pk
        cancel(a, redeemed)
        assert (account(a)[0], account(b)[0]) == (10, 100)

    def test_a_release_returns_all(self, home):
        a, b, _c = home.ids
        lot(b, 100)
        hold(a, 60)

        operations.release(held=latest(a), at=NOON, source=source())

        assert (account(a)[:3], account(b)[:3]) == ((0, 0, 0), (100, 0, 0))

    def test_the_night_returns_what_an_overdue_hold_had_fetched(self, home):
        a, b, _c = home.ids
        lot(b, 100)
        hold(a, 60)
        operations.release_overdue(low=a.id, high=a.id, at=TOMORROW)
        assert account(a)[0] == 60

        assert operations.send_home(low=0, high=2**62, at=TOMORROW) == (1, 60)

        assert (account(a)[0], lots(b)) == (0, {1: 100})
        assert operations.send_home(low=0, high=2**62, at=TOMORROW) == (0, 0)

    def test_what_the_owner_spent_and_got_back_is_the_owners(self, home):
        a, b, _c = home.ids
        lot(b, 100)
        hold(a, 60)
        operations.release(held=latest(a), at=NOON, source=source())
        spend(b, 100, "R2")
        cancel(b, latest(b))

        assert operations.send_home(low=0, high=2**62, at=TOMORROW) == (0, 0)
        assert account(b)[0] == 100

    def test_what_left_the_pool_meanwhile_is_no_reason_not_to_return(self, home):
        a, b, _c = home.ids
        lot(b, 100)
        spend(a, 60)
        members.leave_group(group_id=home.group.pk, member_id=b.id, at=NOON)

        cancel(a, latest(a))

        assert account(b)[0] == 100

    def test_it_ends_with_a_membership_that_has_ended(self, home):
        a, b, _c = home.ids
        lot(b, 100)
        spend(a, 60)
        members.close(member_id=b.id, closed_at=NOON, by=None, reason="")
        operations.forfeit(member_id=b.id, at=NOON)

        cancel(a, latest(a))

        assert (account(a)[0], account(b)[0]) == (0, 0)
        assert entries(b)[-1][1:3] == ("FORFEIT", -60)

    def test_it_follows_the_owners_account_into_another(self, home):
        a, b, _c = home.ids
        lot(b, 100)
        spend(a, 60)
        heir = identity()
        operations.merge_accounts(
            member=b, into=heir, at=NOON, source=source(), by=staff(), note=""
        )

        cancel(a, latest(a))

        assert (account(a)[0], account(b)[0], account(heir)[0]) == (0, 0, 100)

    def test_to_a_debt_it_is_paid_first(self, home):
        a, b, _c = home.ids
        lot(b, 60)
        spend(a, 60)
        _debt(b, 20)

        cancel(a, latest(a))

        assert (account(b)[0], lots(b)) == (40, {1: 40})


class TestWhatIsTold:
    def test_the_account_says_what_others_share(self, home):
        a, b, c = home.ids
        share(home.group, home.members[2], monthly_points=30)
        lot(a, 10)
        lot(b, 20)
        lot(c, 100)

        assert queries.shared_points(a.id, at=NOON) == 50
        assert queries.shared_points(identity().id, at=NOON) is None

    def test_totals_know_that_nothing_came_or_went(self, home):
        a, b, _c = home.ids
        lot(b, 100)
        spend(a, 60)

        totals = queries.totals(as_of=NOON.date())

        assert (totals.earned, totals.redeemed, totals.moved, totals.outstanding) == (
            100, 60, 0, 40,
        )  # fmt: skip


class TestAnyHistory(TestCase):
    """Whatever a family does, its points are all somewhere, and the proof holds."""

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    ["earn", "spend", "hold", "confirm", "release", "cancel", "leave", "night"]
                ),
                st.integers(0, 2),
                st.integers(1, 90),
            ),
            max_size=14,
        )
    )
    def test_the_equations_hold(self, steps):
        house = Family()
        for number, (verb, who, points) in enumerate(steps):
            of, at = house.ids[who], NOON + timedelta(hours=number)
            try:
                _do(house, verb, of, points, at, f"{number}")
            except (operations.InsufficientPoints, members.OwnerStays, members.NotInGroup):
                continue
        totals = queries.totals(as_of=date(2026, 8, 30))
        gone = totals.redeemed + totals.expired
        held = sum(account(each)[2] for each in house.ids if account(each))
        left = sum(account(each)[0] for each in house.ids if account(each))

        assert totals.moved == 0
        assert totals.earned - gone == left + held
        assert differences() == []


def _do(house, verb, of, points, at, reference):
    match verb:
        case "earn":
            lot(of, points, at=at, expires_on=LATE - timedelta(days=points))
        case "spend":
            spend(of, points, reference, at=at)
        case "hold":
            hold(of, points, reference, at=at, until=at + timedelta(hours=3))
        case "confirm" | "release":
            held = _last_of(of, EntryKind.HOLD)
            if held is not None:
                try:
                    if verb == "release":
                        operations.release(held=held, at=at, source=source())
                    else:
                        part = max(1, -held.points // 2)
                        operations.confirm(held=held, at=at, source=source(), points=part)
                except (operations.HoldEnded, operations.ReferenceReused):
                    pass
        case "cancel":
            redeemed = _last_of(of, EntryKind.REDEEM)
            if redeemed is not None:
                with contextlib.suppress(operations.NothingToReinstate, operations.ReferenceReused):
                    cancel(of, redeemed, points, at=at)
        case "leave":
            members.leave_group(group_id=house.group.pk, member_id=of.id, at=at)
        case "night":
            operations.release_overdue(low=0, high=2**62, at=at)
            operations.send_home(low=0, high=2**62, at=at)


def _entry(of, seq):
    return queries.Entry.objects.get(member_id=of.id, seq=seq)


def _last_of(of, kind):
    found = queries.Entry.objects.filter(member_id=of.id, kind=kind)
    return found.order_by("-seq").first()


def _debt(of, points):
    """A purchase whose points are spent goes back."""
    buy(of, f"{points}0.00", reference="P")
    operations.redeem(member=of, points=points, at=NOON, reference="PR", source=source())
    give_back("P", f"{points}0.00", reference="PB")
