"""Points a till sets aside, then spends, in part or not at all (P7)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from members import operations as members
from members.queries import MemberClosed, MemberFrozen, MemberNotActivated
from points import nightly, operations, queries
from points.models import Entry, Hold
from points.operations import EndedHold
from points.queries import HoldState
from tests.factories import buy, dealer, identity, lot, member, rulebook, source, staff, store
from tests.factories.points import NOON
from tests.points.ledger import (
    account,
    entries,
    entry,
    holds,
    last_days,
    latest,
    lots,
    refused,
    took,
    unchanged,
)
from tests.points.returning import give_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sound")]

UNTIL = NOON + timedelta(minutes=15)
SOON = date(2026, 6, 30)
LATER = date(2026, 12, 31)
LATEST = date(2027, 6, 30)


def hold(of, points, *, reference="H", at=NOON, until=UNTIL, source_=None, **fields):
    return operations.hold(
        member=of,
        points=points,
        at=at,
        until=until,
        reference=reference,
        source=source_ or source(),
        **fields,
    )


def held(of, seq=None):
    return entry(of, seq) if seq else Entry.objects.get(member_id=of.id, kind="HOLD")


def confirm(of, points=None, *, at=NOON, seq=None, **fields):
    return operations.confirm(held=held(of, seq), points=points, at=at, source=source(), **fields)


def release(of, *, at=NOON, seq=None, **fields):
    return operations.release(held=held(of, seq), at=at, source=source(), **fields)


def redeem(of, points, *, reference="R", at=NOON):
    return operations.redeem(member=of, points=points, at=at, reference=reference, source=source())


def overdue(of, at):
    return operations.release_overdue(low=of.id, high=of.id, at=at)


@pytest.fixture
def of():
    """Three lots: 30 until the end of June, 40 of December, 50 of June next year."""
    rulebook()
    of = identity()
    lot(of, 50, expires_on=LATEST)
    lot(of, 30, expires_on=SOON)
    lot(of, 40, expires_on=LATER)
    return of


class TestHold:
    def test_sets_points_aside_earliest_expiry_first(self, of):
        posting = hold(of, 60, note="tyres")

        assert posting == operations.Posting(4, 60)
        assert account(of) == (60, 0, 60, 120)
        assert lots(of) == {3: 10, 1: 50}
        made = held(of)
        assert (made.points, made.held, made.note, made.until) == (-60, 60, "tyres", UNTIL)
        assert took(made) == {2: -30, 3: -30}
        assert list(Hold.objects.values_list("seq", "points", "until")) == [(4, 60, UNTIL)]
        assert queries.hold_status(made, at=NOON) == queries.HoldStatus(HoldState.OPEN)

    def test_what_is_held_cannot_be_spent_or_held_again(self, of):
        hold(of, 100)

        with refused(operations.InsufficientPoints, requested=21, spendable=20):
            redeem(of, 21)
        with refused(operations.InsufficientPoints, requested=21, spendable=20):
            hold(of, 21, reference="H-2")
        hold(of, 20, reference="H-2")
        assert holds(of) == {4: 100, 5: 20}
        assert queries.account_summary(of.id, today=NOON.date()).held == 120

    def test_does_not_lapse_while_it_is_held(self, of):
        hold(of, 30, until=NOON + timedelta(days=40))

        assert operations.expire(low=of.id, high=of.id, on=date(2026, 7, 15)) == (0, 0, 0)
        assert confirm(of, at=NOON + timedelta(days=30)).balance_after == 90

    def test_outstanding_points_are_those_and_the_held_ones(self, of):
        hold(of, 100)

        totals = queries.totals(as_of=NOON.date())
        assert (totals.redeemed, totals.outstanding) == (0, 120)

    @pytest.mark.parametrize("points", [0, -1, 1.5, 10**12 + 1])
    def test_points_are_whole_and_within_reason(self, of, points):
        with refused(operations.PointsOutOfRange):
            hold(of, points)

    def test_ends_after_it_begins(self, of):
        with refused(operations.InvalidUntil):
            hold(of, 10, until=NOON)

    def test_lasts_no_longer_than_the_programme_says(self, of):
        with refused(operations.HoldTooLong, minutes=10):
            hold(of, 10, longest=timedelta(minutes=10))

        hold(of, 10, longest=timedelta(minutes=15))

    def test_is_not_dated_ahead_and_has_a_name(self, of):
        with refused(operations.DatedInFuture):
            hold(of, 10, at=NOON + timedelta(minutes=6), now=NOON)
        with refused(operations.InvalidReference):
            hold(of, 10, reference="")
        with refused(operations.InvalidNote):
            hold(of, 10, note="\x00")

    def test_only_an_active_member_holds(self):
        waiting, frozen, closed = member(active=False), member(), member()
        for who in (waiting, frozen, closed):
            lot(identity(who), 10)
        members.freeze(member_id=frozen.pk, by=staff(), reason="x")
        members.close(member_id=closed.pk, closed_at=NOON, by=None, reason="x")

        for who, refusal in (
            (waiting, MemberNotActivated),
            (frozen, MemberFrozen),
            (closed, MemberClosed),
        ):
            with refused(refusal):
                hold(identity(who), 1)

    def test_a_repeat_gets_the_first_answer_whatever_became_of_it(self, of):
        first = hold(of, 60)
        with unchanged():
            assert hold(of, 60) == replace(first, replayed=True)
        confirm(of, 20)

        with unchanged():
            assert hold(of, 60) == replace(first, replayed=True)

    def test_a_repeat_of_before_the_freeze_is_still_a_repeat(self):
        who = member()
        lot(identity(who), 10)
        first = hold(identity(who), 10)
        members.freeze(member_id=who.pk, by=staff(), reason="x")

        assert hold(identity(who), 10) == replace(first, replayed=True)

    @pytest.mark.parametrize(
        "other", [{"points": 61}, {"until": UNTIL + timedelta(minutes=1)}, {"note": "wash"}]
    )
    def test_a_reference_stands_for_one_hold(self, of, other):
        hold(of, 60)

        with refused(operations.ReferenceReused, reference="H"):
            hold(of, **{"points": 60} | other)

    def test_without_a_length_of_its_own_a_repeat_may_end_later(self, of):
        first = hold(of, 60)

        again = hold(of, 60, until=UNTIL + timedelta(minutes=3), until_was_given=False)

        assert again == replace(first, replayed=True)


class TestConfirm:
    def test_spends_all_of_it(self, of):
        hold(of, 60, note="tyres")

        done = confirm(of, at=NOON + timedelta(minutes=5))

        assert done == EndedHold(redemption=5, release=None, balance_after=60)
        assert (account(of), holds(of), lots(of)) == ((60, 0, 0, 120), {}, {3: 10, 1: 50})
        spent = latest(of)
        assert (spent.kind, spent.points, spent.held, spent.worth) == ("REDEEM", 0, -60, -60)
        assert (spent.reverses, spent.reference, spent.note) == (4, "H", "tyres")
        assert took(spent) == {2: -30, 3: -30}
        assert spent.effective_at == NOON + timedelta(minutes=5)
        assert queries.redemption(issuer_id=source().issuer_id, reference="H") == spent
        assert queries.totals(as_of=NOON.date()).redeemed == 60

    def test_of_a_part_spends_what_lapses_first_and_gives_back_the_rest(self, of):
        hold(of, 100)

        done = confirm(of, 45)

        assert done == EndedHold(redemption=5, release=6, balance_after=75)
        assert entries(of, since=5) == [
            (5, "REDEEM", 0, 0, -45, 20),
            (6, "RELEASE", 55, 0, -55, 75),
        ]
        assert took(entry(of, 5)) == {2: -30, 3: -15}
        assert took(entry(of, 6)) == {3: 25, 1: 30}
        assert last_days(of) == [(3, LATER, 25), (1, LATEST, 50)]
        assert account(of) == (75, 0, 0, 120)
        assert queries.hold_status(held(of), at=NOON) == queries.HoldStatus(
            HoldState.CONFIRMED, spent=45, released=55, ended_at=NOON
        )

    def test_a_repeat_gets_the_first_answer(self, of):
        hold(of, 100)
        first = confirm(of, 45)
        lot(of, 1)

        with unchanged():
            assert confirm(of, 45) == replace(first, replayed=True)

    @pytest.mark.parametrize("other", [{"points": 44}, {"points": None}, {"note": "wash"}])
    def test_confirming_something_else_is_refused(self, of, other):
        hold(of, 100)
        confirm(of, 45)

        with refused(operations.ReferenceReused, reference="H"):
            confirm(of, **{"points": 45} | other)

    def test_more_than_was_held_is_refused(self, of):
        hold(of, 60)

        with refused(operations.HoldExceeded, requested=61, held=60):
            confirm(of, 61)

    def test_what_was_released_cannot_be_spent(self, of):
        hold(of, 60)
        release(of)

        with refused(operations.HoldEnded):
            confirm(of)

    def test_when_its_time_is_over_it_is_given_back_instead(self, of):
        hold(of, 60)

        with pytest.raises(operations.HoldEnded):
            confirm(of, at=UNTIL)

        assert (account(of), holds(of)) == ((120, 0, 0, 120), {})
        assert entries(of, since=5) == [(5, "RELEASE", 60, 0, -60, 120)]
        assert latest(of).effective_at == UNTIL
        status = queries.hold_status(held(of), at=UNTIL)
        assert status == queries.HoldStatus(HoldState.OVERDUE, released=60, ended_at=UNTIL)

    def test_to_its_last_moment(self, of):
        hold(of, 60)

        assert confirm(of, at=UNTIL - timedelta(microseconds=1)).redemption == 5

    def test_a_redemption_of_the_same_name_stands_in_its_way(self, of):
        redeem(of, 5, reference="H")
        hold(of, 60)

        with refused(operations.ReferenceReused, reference="H"):
            confirm(of)

    def test_is_dated_after_the_hold_and_not_ahead(self, of):
        hold(of, 60)

        with refused(operations.DatedBeforeOriginal):
            confirm(of, at=NOON - timedelta(minutes=6))
        with refused(operations.DatedInFuture):
            confirm(of, at=NOON + timedelta(minutes=6), now=NOON)
        with refused(operations.PointsOutOfRange):
            confirm(of, 0)

    def test_who_was_frozen_since_pays_all_the_same(self, of):
        hold(of, 60)
        members.freeze(member_id=of.id, by=staff(), reason="x")

        assert confirm(of).balance_after == 60


class TestRelease:
    def test_gives_everything_back_to_its_lots(self, of):
        before = last_days(of)
        hold(of, 100)

        done = release(of)

        assert done == EndedHold(redemption=None, release=5, balance_after=120)
        assert (last_days(of), account(of), holds(of)) == (before, (120, 0, 0, 120), {})
        back = latest(of)
        assert (back.kind, back.reverses, back.reference) == ("RELEASE", 4, "H")
        assert took(back) == {2: 30, 3: 40, 1: 30}
        assert queries.hold_status(held(of), at=NOON).state == HoldState.RELEASED

    def test_what_lapsed_meanwhile_can_be_used_on_that_day(self, of):
        hold(of, 70, until=NOON + timedelta(days=60))
        back_on = NOON + timedelta(days=30)

        release(of, at=back_on)

        assert last_days(of) == [(2, date(2026, 7, 15), 30), (3, LATER, 40), (1, LATEST, 50)]
        assert operations.expire(low=of.id, high=of.id, on=date(2026, 7, 16)) == (1, 1, 30)

    def test_pays_a_debt_that_arose_meanwhile(self):
        rulebook()
        of = identity()
        buy(of, "800.00", reference="P")
        hold(of, 50)
        give_back("P", "600.00", reference="B")
        # 30 of the 60 were there, the other 30 are held.
        assert (account(of), lots(of)) == ((-30, 0, 50, 20), {})

        assert release(of).balance_after == 20
        assert (lots(of), took(latest(of))) == ({1: 20}, {1: 20})

    @pytest.mark.parametrize(("points", "balance", "left"), [(10, 10, {1: 10}), (40, -20, {})])
    def test_so_does_the_rest_of_one_that_was_spent_in_part(self, points, balance, left):
        rulebook()
        of = identity()
        buy(of, "800.00", reference="P")
        hold(of, 50)
        give_back("P", "600.00", reference="B")

        assert confirm(of, points).balance_after == balance
        assert lots(of) == left

    def test_a_repeat_gets_the_first_answer(self, of):
        hold(of, 60)
        first = release(of)

        with unchanged():
            assert release(of) == replace(first, replayed=True)

    def test_what_was_spent_is_not_given_back(self, of):
        hold(of, 60)
        confirm(of, 20)

        with refused(operations.HoldEnded):
            release(of)

    def test_after_its_time_it_has_been_given_back(self, of):
        hold(of, 60)
        overdue(of, UNTIL)

        with unchanged():
            assert release(of, at=UNTIL + timedelta(hours=1)).replayed

    def test_is_dated_after_the_hold_and_not_ahead(self, of):
        hold(of, 60)

        with refused(operations.DatedBeforeOriginal):
            release(of, at=NOON - timedelta(minutes=6))
        with refused(operations.DatedInFuture):
            release(of, at=NOON + timedelta(minutes=6), now=NOON)


class TestOverdue:
    def test_holds_whose_time_is_over_are_given_back_as_of_their_end(self, of):
        hold(of, 20)
        hold(of, 30, reference="H-2", until=UNTIL + timedelta(minutes=1))
        hold(of, 40, reference="H-3", until=UNTIL + timedelta(days=1))

        assert overdue(of, UNTIL - timedelta(seconds=1)) == (0, 0, 0)
        assert overdue(of, UNTIL + timedelta(minutes=1)) == (1, 2, 50)
        assert overdue(of, UNTIL + timedelta(minutes=1)) == (0, 0, 0)

        assert (account(of), holds(of)) == ((80, 0, 40, 120), {6: 40})
        assert [(e.kind, e.reverses, e.effective_at) for e in queries.statement(of.id)[:2]] == [
            ("RELEASE", 5, UNTIL + timedelta(minutes=1)),
            ("RELEASE", 4, UNTIL),
        ]

    def test_the_night_gives_back_what_ended_the_day_before(self, of):
        hold(of, 20)
        hold(of, 30, reference="H-2", until=datetime(2026, 6, 15, 16, 0, tzinfo=UTC))
        hold(of, 40, reference="H-3", until=datetime(2026, 6, 15, 16, 0, 1, tzinfo=UTC))

        done = nightly.release_overdue_holds(day=date(2026, 6, 16))

        assert done == {"holds": 2, "members": 1, "points": 50}
        assert nightly.release_overdue_holds(day=date(2026, 6, 16))["holds"] == 0
        assert holds(of) == {6: 40}

    def test_before_a_till_is_told_there_is_too_little_they_are_given_back(self, of):
        hold(of, 100)

        assert redeem(of, 120, at=UNTIL).balance_after == 0
        assert [line[1] for line in entries(of, since=4)] == ["HOLD", "RELEASE", "REDEEM"]

    def test_answers_are_the_same_whenever_they_were_swept(self, of):
        hold(of, 60)
        days = [NOON.date(), date(2026, 6, 16), SOON, date(2026, 7, 1)]

        operations.release_overdue(low=of.id, high=of.id, at=NOON + timedelta(days=3))

        assert [queries.balance_as_of(of.id, day) for day in days] == [120, 120, 120, 90]


class TestElsewhere:
    def test_who_leaves_forfeits_what_is_held_too(self, of):
        hold(of, 60)

        operations.forfeit(member_id=of.id, at=NOON)

        assert entries(of, since=5) == [
            (5, "RELEASE", 60, 0, -60, 120),
            (6, "FORFEIT", -120, 0, 0, 0),
        ]
        assert (account(of), holds(of)) == ((0, 0, 0, 120), {})

    def test_a_return_does_not_touch_what_a_till_holds(self):
        rulebook(return_after_spending="refuse")
        of = identity()
        buy(of, "500.00", reference="P")
        hold(of, 30)

        with refused(operations.AlreadySpent):
            give_back("P", "300.00", reference="B")
        give_back("P", "200.00", reference="B")
        assert account(of) == (0, 0, 30, 30)
        assert confirm(of).balance_after == 0

    def test_stores_of_another_issuer_have_names_of_their_own(self, of):
        hold(of, 10)

        hold(of, 10, source_=source(store(dealer())))

        assert holds(of) == {4: 10, 5: 10}
