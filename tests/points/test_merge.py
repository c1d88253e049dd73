"""Two accounts of one person made one, and taken apart again."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from common.models import AuditRecord
from members import operations as members
from members.queries import MemberClosed
from points import operations, queries
from points.models import AdjustmentReason, Entry, Merge
from points.operations import PendingLine
from tests.factories import buy, dealer, identity, lot, member, plain, rulebook, source, staff
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
    waits,
)
from tests.points.returning import give_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sound")]

TODAY = date(2026, 6, 15)
SOON = date(2026, 6, 30)
LATER = date(2026, 12, 31)
LATEST = date(2027, 6, 30)


def merge(of, into, *, at=NOON, note="one person", by=None):
    return operations.merge_accounts(
        member=of, into=into, at=at, source=source(), by=by or staff(), note=note
    )


def unmerge(of, after_spending="debt", *, at=NOON, note="two persons", by=None):
    return operations.unmerge_accounts(
        member=of,
        at=at,
        source=source(),
        by=by or staff(),
        note=note,
        after_spending=after_spending,
    )


def redeem(of, points, *, reference="R", at=NOON):
    return operations.redeem(member=of, points=points, at=at, reference=reference, source=source())


def in_debt(of, debt):
    buy(of, f"{debt * 10}.00", reference="debt")
    redeem(of, debt, reference="debt")
    give_back("debt", f"{debt * 10}.00", reference="debt")
    assert queries.balance(of.id) == -debt


def state(of):
    """All there is on an account but its history."""
    return account(of), last_days(of), waits(of)


@pytest.fixture
def of():
    """50 until next June and 40 until the end of June, 25 that wait. They count 115."""
    plain()
    of = identity()
    buy(of, "500.00", reference="P")
    lot(of, 40, expires_on=SOON)
    operations.earn(
        member=of,
        points=0,
        pending=[PendingLine("1", 20, date(2026, 6, 29)), PendingLine("2", 5, None)],
        at=NOON,
        expires_on=LATEST,
        reference="W",
        source=source(),
    )
    return of


@pytest.fixture
def into(of):
    """7 until the end of the year."""
    into = identity()
    lot(into, 7, expires_on=LATER)
    return into


class TestMerge:
    def test_moves_lots_and_what_waits_with_their_last_days(self, of, into):
        posting = merge(of, into)

        assert posting == operations.Posting(4, 0)
        assert state(of) == ((0, 0, 0, 0), [], {})
        assert account(into) == (97, 25, 0, 122)
        assert last_days(into) == [(2, SOON, 40), (1, LATER, 7), (3, LATEST, 50)]
        assert waits(into) == {(4, "1"): 20, (4, "2"): 5}

    def test_leaves_both_ledgers_standing_and_joined(self, of, into):
        merge(of, into)

        left = latest(of)
        assert (left.kind, left.points, left.pending, left.qualifying) == (
            "MERGE_OUT",
            -90,
            -25,
            -115,
        )
        assert (left.counterpart_id, left.balance_after) == (into.id, 0)
        assert took(left) == {2: -40, 1: -50}
        came = Entry.objects.filter(member_id=into.id, kind="MERGE_IN").order_by("seq")
        assert [(e.counterpart_seq, e.points, e.pending, e.qualifying) for e in came] == [
            (2, 40, 0, 0),
            (1, 50, 0, 0),
            (3, 0, 25, 0),
            (None, 0, 0, 115),
        ]
        assert [e.type for e in came] == ["CONSUMPTION"] * 3 + [None]
        whole = queries.totals(as_of=TODAY)
        assert (whole.earned, whole.moved, whole.outstanding) == (122, 0, 122)
        assert queries.merged_into(of.id) == into.number
        assert (queries.holder_of(of.id), queries.holder_of(into.id)) == (into.id, into.id)

    def test_is_recorded_with_a_name_on_it(self, of, into):
        by = staff()

        merge(of, into, by=by, note="same phone")

        record = AuditRecord.objects.get(action="points.merged")
        assert (record.target, record.actor_id, record.reason) == (of.number, by.pk, "same phone")
        assert record.details == {"into": into.number, "entry": 4}
        made = Merge.objects.get()
        assert (made.member_id, made.into_id, made.actor_id, made.note) == (
            of.id,
            into.id,
            by.pk,
            "same phone",
        )

    def test_points_keep_their_payers(self, of, into):
        payer = dealer()
        funding = operations.funding([(payer.pk, 10_000, "spring")])
        operations.earn(
            member=of, points=10, at=NOON, expires_on=TODAY, reference="F",
            source=source(funding_id=funding),
        )  # fmt: skip
        merge(of, into)

        redeem(into, 10)

        assert [(cost.organization_id, cost.points) for cost in queries.cost_of(latest(into))] == [
            (payer.pk, Decimal(10))
        ]

    def test_takes_a_debt_along(self, of, into):
        owes = identity()
        in_debt(owes, 5)

        merge(owes, into)

        assert (account(owes), account(into)) == ((0, 0, 0, 0), (2, 0, 0, 7))
        assert entries(into, since=2) == [(2, "MERGE_IN", -5, 0, 0, 2)]
        assert (lots(into), took(latest(into))) == ({1: 2}, {1: -5})

    @pytest.mark.parametrize(("debt", "balance"), [(7, 0), (30, -23)])
    def test_a_debt_may_be_more_than_there_is(self, into, debt, balance):
        owes = identity()
        in_debt(owes, debt)

        merge(owes, into)

        assert (queries.balance(into.id), lots(into)) == (balance, {})

    def test_pays_the_debt_of_the_other(self, of):
        owes = identity()
        in_debt(owes, 60)

        merge(of, owes)

        assert account(owes) == (30, 25, 0, 115)
        assert lots(owes) == {5: 30}

    def test_what_had_vested_or_lapsed_by_then_does_so_where_it_was(self, of, into):
        merge(of, into, at=NOON + timedelta(days=16))

        assert [line[1:4] for line in entries(of, since=4)] == [
            ("VEST", 20, -20),
            ("EXPIRE", -40, 0),
            ("MERGE_OUT", -70, -5),
        ]
        assert account(into) == (77, 5, 0, 122)

    def test_of_those_who_have_nothing(self):
        of, into = identity(), identity()

        merge(of, into)

        assert (account(of), account(into)) == ((0, 0, 0, 0), (0, 0, 0, 0))
        assert entries(of) == [(1, "MERGE_OUT", 0, 0, 0, 0)]
        assert entries(into) == []
        unmerge(of)
        lot(of, 5)

    def test_what_a_till_has_held_too_long_is_given_back_first(self, of, into):
        hold(of, 30)

        merge(of, into, at=NOON + timedelta(minutes=15))

        assert queries.balance(into.id) == 97


def hold(of, points, reference="H"):
    operations.hold(
        member=of,
        points=points,
        at=NOON,
        until=NOON + timedelta(minutes=15),
        reference=reference,
        source=source(),
    )


class TestRefusals:
    def test_into_itself(self, of):
        with refused(operations.SameMember):
            merge(of, of, by=staff())

    def test_while_a_till_holds_points_of_it(self, of, into):
        by = staff()
        hold(of, 30)

        with refused(operations.HoldsOpen):
            merge(of, into, by=by)

    def test_the_other_may_have_points_held(self, of, into):
        hold(into, 5)

        merge(of, into)

        assert account(into) == (92, 25, 5, 122)

    def test_a_second_time(self, of, into):
        by, third = staff(), identity()
        merge(of, into)

        with refused(operations.AccountMerged, number=of.number, into=into.number):
            merge(of, third, by=by)

    def test_into_an_account_that_was_given_up(self, of, into):
        by, third = staff(), identity()
        merge(into, third)

        with refused(operations.AccountMerged, number=into.number, into=third.number):
            merge(of, into, by=by)

    def test_in_a_circle(self, of, into):
        by = staff()
        merge(of, into)

        with refused(operations.AccountMerged, number=of.number, into=into.number):
            merge(into, of, by=by)

    def test_of_one_who_left(self, into):
        by, closed = staff(), member()
        members.close(member_id=closed.pk, closed_at=NOON, by=None, reason="x")
        gone = identity(closed)

        with refused(MemberClosed):
            merge(gone, into, by=by)
        with refused(MemberClosed):
            merge(into, gone, by=by)

    def test_with_a_note_nobody_can_read(self, of, into):
        by = staff()

        with refused(operations.InvalidNote):
            merge(of, into, by=by, note="x" * 201)


class TestPosting:
    """Nothing is posted to an account that was given up."""

    @pytest.fixture
    def gone(self, of, into):
        redeem(of, 10, reference="before")
        merge(of, into)
        return of

    @pytest.fixture
    def by(self):
        return staff()

    def expected(self, gone, into):
        return {"number": gone.number, "into": into.number}

    def test_no_earn(self, gone, into):
        with refused(operations.AccountMerged, **self.expected(gone, into)):
            lot(gone, 5)

    def test_no_purchase(self, gone, into):
        with refused(operations.AccountMerged, **self.expected(gone, into)):
            buy(gone, "100.00")

    def test_no_purchase_among_many(self, gone, into):
        version = plain()
        judged = [
            operations.JudgedPurchase(
                member=each, reference=f"many-{each.number}", at=NOON, amount=Decimal(10),
                lines=[], fingerprint=b"0" * 16, points=1, expires_on=LATEST, explanation={},
                source=source(version_id=version.pk),
            )
            for each in (gone, into)
        ]  # fmt: skip

        merged, posted = operations.post_purchases(purchases=judged)

        assert isinstance(merged, operations.AccountMerged)
        assert merged.details == self.expected(gone, into)
        assert posted.posting.balance_after == queries.balance(into.id)
        assert len(entries(gone)) == 5

    def test_no_redemption(self, gone, into):
        with refused(operations.AccountMerged, **self.expected(gone, into)):
            redeem(gone, 5)

    def test_a_repeat_of_before_is_still_a_repeat(self, gone):
        assert redeem(gone, 10, reference="before").replayed
        assert buy(gone, "500.00", reference="P").replayed

    def test_no_hold(self, gone, into):
        with refused(operations.AccountMerged, **self.expected(gone, into)):
            hold(gone, 5)

    @pytest.mark.parametrize("points", [5, -5])
    def test_no_correction(self, gone, into, by, points):
        with refused(operations.AccountMerged, **self.expected(gone, into)):
            operations.adjust(
                member=gone, points=points, at=NOON, expires_on=LATEST, note="",
                reason=AdjustmentReason.MISSED, reference="A", source=source(), by=by,
            )  # fmt: skip

    def test_nothing_is_left_to_lapse_or_to_forfeit(self, gone, into):
        assert operations.expire(low=gone.id, high=gone.id, on=date(2030, 1, 1)) == (0, 0, 0)
        assert operations.forfeit(member_id=gone.id, at=NOON) is None

    def test_points_of_a_cancelled_redemption_go_to_who_has_the_account(self, gone, into):
        posting = operations.reinstate(
            member=gone, of=entry(gone, 4), at=NOON, reference="C", source=source(), floor_days=30
        )

        assert posting.balance_after == 97
        assert last_days(into)[1:] == [(6, date(2026, 7, 15), 10), (1, LATER, 7), (3, LATEST, 50)]
        assert (latest(into).counterpart_id, latest(into).counterpart_seq) == (gone.id, 4)
        assert len(entries(gone)) == 5


class TestReturns:
    def test_take_what_came_over_of_the_purchase_first(self, of, into):
        merge(of, into)

        give_back("P", "300.00", reference="B")

        assert lots(into) == {2: 40, 1: 7, 3: 20}
        assert account(into) == (67, 25, 0, 92)
        assert (latest(into).reverses, latest(into).counterpart_seq) == (3, 1)
        assert queries.account_summary(of.id, today=TODAY).balance == 0

    def test_then_the_others_then_make_a_debt(self, of, into):
        merge(of, into)
        redeem(into, 80)
        assert lots(into) == {3: 17}

        assert give_back("P", "500.00", reference="B").posting.balance_after == -33
        assert account(into) == (-33, 25, 0, 72)

    def test_in_parts_before_and_after_take_back_the_same(self, of, into):
        give_back("P", "200.00", reference="B-1")
        merge(of, into)
        give_back("P", "200.00", reference="B-2")
        unmerge(of)
        give_back("P", "100.00", reference="B-3")

        assert account(of) == (40, 25, 0, 65)
        assert state(into) == ((7, 0, 0, 7), [(1, LATER, 7)], {})

    def test_take_what_still_waits(self, into):
        of = identity()
        rulebook(valid_from="2026-06-01", vesting={"event": True})
        buy(of, "300.00", reference="Q", lines=(("1", "", "200.00"), ("2", "", "100.00")))
        merge(of, into)

        give_back("Q", "100.00", reference="B", lines=[("2", "100.00")])

        assert (account(into), waits(into)) == ((7, 20, 0, 27), {(2, "1"): 20})


class TestUnmerge:
    def test_with_nothing_spent_all_is_as_it_was(self, of, into):
        before = state(of), state(into)
        merge(of, into)

        done = unmerge(of)

        assert done == operations.Unmerged(operations.Posting(5, 90), 0)
        assert (state(of), state(into)) == before
        assert queries.merged_into(of.id) is None
        lot(of, 1)
        redeem(of, 91)

    @pytest.mark.parametrize("after_spending", ["debt", "write_off", "refuse"])
    def test_what_was_bought_and_spent_of_ones_own_since_is_no_matter(
        self, of, into, after_spending
    ):
        before = state(of)
        merge(of, into)
        buy(into, "100.00", at=NOON - timedelta(days=60))
        # The oldest points of the survivor's own lapse first.
        lot(into, 3, expires_on=TODAY)
        redeem(into, 3)

        done = unmerge(of, after_spending)

        assert (state(of), done.spent) == (before, 0)
        assert account(into) == (17, 0, 0, 20)

    def test_is_recorded_with_a_name_on_it(self, of, into):
        by = staff()
        merge(of, into)

        unmerge(of, by=by, note="twins")

        record = AuditRecord.objects.get(action="points.unmerged")
        assert (record.target, record.actor_id, record.reason) == (of.number, by.pk, "twins")
        assert record.details == {"from": into.number, "entry": 5, "spent": 0}
        made = Merge.objects.get()
        assert (made.unmerged_at, made.unmerged_by_id) == (NOON, by.pk)

    def test_who_spent_it_owes_it(self, of, into):
        """By `debt`: the one gets all back, the other pays with their own and then owes."""
        before = state(of)
        merge(of, into)
        redeem(into, 60)
        assert lots(into) == {3: 37}

        done = unmerge(of)

        # Of the 60 spent, 40 and 13 had come over, 7 were the survivor's own.
        assert done.spent == 53
        assert state(of) == before
        assert account(into) == (-53, 0, 0, 7)

    def test_who_spent_it_pays_with_their_own_first(self, of, into):
        merge(of, into)
        lot(into, 100, expires_on=date(2027, 12, 31))
        redeem(into, 60)

        unmerge(of)

        assert account(into) == (47, 0, 0, 107)
        assert lots(into) == {6: 47}

    def test_or_it_is_written_off(self, of, into):
        merge(of, into)
        redeem(into, 60)

        done = unmerge(of, "write_off")

        assert (done.spent, done.posting.balance_after) == (53, 37)
        assert state(of) == ((37, 25, 0, 115), [(1, LATEST, 37)], {(3, "1"): 20, (3, "2"): 5})
        assert account(into) == (0, 0, 0, 7)

    def test_or_a_reason_to_refuse(self, of, into):
        by = staff()
        merge(of, into)
        redeem(into, 60)

        with refused(operations.MergedPointsSpent):
            unmerge(of, "refuse", by=by)

    def test_what_was_spent_and_given_back_is_not_spent(self, of, into):
        before = state(of)
        merge(of, into)
        redeem(into, 60)
        operations.reinstate(
            member=into, of=latest(into), at=NOON, reference="C", source=source(), floor_days=0
        )

        assert unmerge(of, "refuse").spent == 0
        assert state(of) == before

    def test_what_lapsed_meanwhile_was_not_spent(self, of, into):
        merge(of, into)
        operations.expire(low=into.id, high=into.id, on=date(2026, 7, 1))

        done = unmerge(of, "refuse", at=NOON + timedelta(days=20))

        assert (done.spent, last_days(of)) == (0, [(1, LATEST, 50), (3, LATEST, 20)])
        assert lots(into) == {1: 7}

    def test_what_vested_meanwhile_goes_back(self, of, into):
        merge(of, into)
        operations.vest_due(low=into.id, high=into.id, on=date(2026, 6, 29))

        done = unmerge(of, "refuse")

        assert done.spent == 0
        assert state(of) == (
            (110, 5, 0, 115),
            [(2, SOON, 40), (1, LATEST, 50), (3, LATEST, 20)],
            {(3, "2"): 5},
        )
        assert state(into) == ((7, 0, 0, 7), [(1, LATER, 7)], {})

    def test_a_debt_goes_back_and_what_paid_it_returns_to_its_lots(self, into):
        plain()
        owes = identity()
        in_debt(owes, 5)
        before = state(into)
        merge(owes, into)

        unmerge(owes)

        assert (queries.balance(owes.id), state(into)) == (-5, before)

    def test_a_debt_that_later_points_paid_goes_back_too(self, into):
        plain()
        owes = identity()
        in_debt(owes, 30)
        merge(owes, into)
        assert queries.balance(into.id) == -23
        lot(into, 50)

        unmerge(owes)

        assert (queries.balance(owes.id), queries.balance(into.id)) == (-30, 57)
        assert sum(left for _seq, _day, left in last_days(into)) == 57

    def test_what_paid_the_others_debt_was_spent(self, of):
        owes = identity()
        in_debt(owes, 60)
        before = state(of)
        merge(of, owes)

        assert unmerge(of).spent == 60
        assert (state(of), queries.balance(owes.id)) == (before, -60)

    def test_twice_finds_nothing_to_take_apart(self, of, into):
        by = staff()
        merge(of, into)
        unmerge(of)

        with refused(operations.NotMerged, number=of.number):
            unmerge(of, by=by)

    def test_who_was_never_merged(self, of):
        by = staff()

        with refused(operations.NotMerged, number=of.number):
            unmerge(of, by=by)

    def test_not_while_a_till_holds_points(self, of, into):
        by = staff()
        merge(of, into)
        hold(into, 10)

        with refused(operations.HoldsOpen):
            unmerge(of, by=by)
        unmerge(of, at=NOON + timedelta(minutes=15))

    def test_may_be_merged_again(self, of, into):
        merge(of, into)
        unmerge(of)

        merge(of, into)

        assert account(into) == (97, 25, 0, 122)
        unmerge(of, "refuse")
        assert account(of) == (90, 25, 0, 115)

    def test_returns_made_meanwhile_stay_made(self, of, into):
        merge(of, into)
        give_back("P", "500.00", reference="B")

        done = unmerge(of, "refuse")

        assert (done.spent, account(of), account(into)) == (0, (40, 25, 0, 65), (7, 0, 0, 7))

    def test_a_return_of_ones_own_that_others_points_paid_is_owed(self, of, into):
        before = state(of)
        buy(into, "100.00", reference="Q")
        redeem(into, 17, reference="R-1")
        merge(of, into)
        give_back("Q", "100.00", reference="B")
        assert queries.balance(into.id) == 80

        assert unmerge(of).spent == 10
        assert (state(of), queries.balance(into.id)) == (before, -10)

    def test_who_spent_points_whose_goods_came_back_owes_only_the_rest(self, of, into):
        """50 were of a purchase that was returned since; 40 + 50 - 50 are due, 30 are there."""
        merge(of, into)
        redeem(into, 60)
        give_back("P", "500.00", reference="B")
        assert account(into) == (-13, 25, 0, 72)

        assert unmerge(of).spent == 40
        assert (account(of), account(into)) == ((40, 25, 0, 65), (-53, 0, 0, 7))


class TestChain:
    @pytest.fixture
    def third(self):
        third = identity()
        lot(third, 9, expires_on=LATER)
        return third

    def test_points_go_all_the_way(self, of, into, third):
        merge(of, into)
        merge(into, third)

        assert account(third) == (106, 25, 0, 131)
        assert [queries.holder_of(each.id) for each in (of, into, third)] == [third.id] * 3
        assert queries.totals(as_of=TODAY).outstanding == 131

    def test_is_taken_apart_from_its_end(self, of, into, third):
        by = staff()
        before = state(of), state(into), state(third)
        merge(of, into)
        merge(into, third)

        with refused(operations.AccountMerged, number=into.number, into=third.number):
            unmerge(of, by=by)
        unmerge(into)
        unmerge(of)

        assert (state(of), state(into), state(third)) == before

    def test_two_into_one_come_apart_in_any_order(self, of, into, third):
        before = state(of), state(into), state(third)
        merge(of, third)
        merge(into, third)

        unmerge(of)
        unmerge(into)

        assert (state(of), state(into), state(third)) == before

    def test_a_return_reaches_the_end(self, of, into, third):
        merge(of, into)
        merge(into, third)

        give_back("P", "500.00", reference="B")

        assert account(third) == (56, 25, 0, 81)
        assert sum(lots(third).values()) == 56
