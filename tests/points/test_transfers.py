"""Points given from member to member, within limits (P9)."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from members import operations as members
from members.queries import MemberClosed, MemberFrozen, MemberNotActivated
from points import operations, queries
from points.models import Entry, PointType
from programme.policies import TransferLimit
from tests.factories import (
    buy,
    dealer,
    identity,
    lot,
    member,
    plain,
    rulebook,
    source,
    staff,
    store,
)
from tests.factories.points import NOON
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

SOON = date(2026, 6, 30)
LATER = date(2026, 12, 31)
LATEST = date(2027, 6, 30)
ANY = [TransferLimit(days=1)]


def transfer(giver, receiver, points, *, reference="T", at=NOON, limits=ANY, **fields):
    return operations.transfer(
        **{
            "giver": giver,
            "receiver": receiver,
            "points": points,
            "at": at,
            "reference": reference,
            "source": source(),
            "limits": limits,
        }
        | fields
    )


def merge(of, into):
    operations.merge_accounts(member=of, into=into, at=NOON, source=source(), by=staff(), note="")


@pytest.fixture
def giver():
    """40 of a campaign until June, 50 of a purchase until June next year."""
    plain()
    of = identity()
    buy(of, "500.00", reference="P")
    payer = dealer()
    operations.earn(
        member=of, points=40, at=NOON, expires_on=SOON, reference="gift", type=PointType.ACTIVITY,
        source=source(funding_id=operations.funding([(payer.pk, 10_000, "spring")])),
    )  # fmt: skip
    return of


@pytest.fixture
def receiver():
    return identity()


class TestTransfer:
    def test_the_points_keep_last_days_payers_and_types(self, giver, receiver):
        lot(receiver, 7, expires_on=LATER)

        posting = transfer(giver, receiver, 60, note="for the wash")

        assert posting == operations.Posting(3, 30)
        assert lots(giver) == {1: 30}
        assert last_days(receiver) == [(2, SOON, 40), (1, LATER, 7), (3, LATEST, 20)]
        left = latest(giver)
        assert (left.kind, left.points, left.counterpart_id) == ("TRANSFER_OUT", -60, receiver.id)
        assert (left.reference, left.note, took(left)) == ("T", "for the wash", {2: -40, 1: -20})
        came = list(Entry.objects.filter(kind="TRANSFER_IN").order_by("seq"))
        assert [(e.points, e.expires_on, e.type, e.counterpart_seq) for e in came] == [
            (40, SOON, "ACTIVITY", 3),
            (20, LATEST, "CONSUMPTION", 3),
        ]
        origin = Entry.objects.filter(member_id=giver.id).in_bulk([(giver.id, 1), (giver.id, 2)])
        assert [(e.funding_id, e.version_id) for e in came] == [
            (e.funding_id, e.version_id) for e in (origin[giver.id, 2], origin[giver.id, 1])
        ]

    def test_standing_is_not_given_away(self, giver, receiver):
        transfer(giver, receiver, 60)

        assert (account(giver), account(receiver)) == ((30, 0, 0, 50), (60, 0, 0, 0))

    def test_moves_points_and_makes_none(self, giver, receiver):
        transfer(giver, receiver, 60)

        whole = queries.totals(as_of=NOON.date())
        mine = queries.totals(as_of=NOON.date(), member_id=giver.id)
        theirs = queries.totals(as_of=NOON.date(), member_id=receiver.id)
        assert (whole.earned, whole.moved, whole.outstanding) == (90, 0, 90)
        assert (mine.moved, mine.outstanding) == (-60, 30)
        assert (theirs.earned, theirs.moved, theirs.outstanding) == (0, 60, 60)

    def test_pays_the_receivers_debt_first(self, giver, receiver):
        buy(receiver, "450.00", reference="debt")
        operations.redeem(member=receiver, points=45, at=NOON, reference="debt", source=source())
        give_back("debt", "450.00", reference="debt")

        transfer(giver, receiver, 60)

        assert entries(receiver, since=4) == [
            (4, "TRANSFER_IN", 40, 0, 0, -5),
            (5, "TRANSFER_IN", 20, 0, 0, 15),
        ]
        assert lots(receiver) == {5: 15}

    def test_there_and_back_again(self, giver, receiver):
        transfer(giver, receiver, 60)

        transfer(receiver, giver, 60, reference="T-2")

        assert last_days(giver) == [(4, SOON, 40), (1, LATEST, 30), (5, LATEST, 20)]
        assert lots(receiver) == {}

    def test_a_return_of_what_was_given_away_is_a_debt(self, giver, receiver):
        transfer(giver, receiver, 90)

        assert give_back("P", "500.00", reference="B").posting.balance_after == -50
        assert queries.balance(receiver.id) == 90

    def test_a_repeat_gets_the_first_answer(self, giver, receiver):
        first = transfer(giver, receiver, 90)

        with unchanged():
            assert transfer(giver, receiver, 90) == replace(first, replayed=True)
        # Also when the programme has changed its mind.
        assert transfer(giver, receiver, 90, limits=None) == replace(first, replayed=True)

    @pytest.mark.parametrize("other", ["points", "receiver", "note"])
    def test_a_reference_stands_for_one_transfer(self, giver, receiver, other):
        another = identity()
        transfer(giver, receiver, 10)

        with refused(operations.ReferenceReused, reference="T"):
            transfer(
                giver,
                another if other == "receiver" else receiver,
                11 if other == "points" else 10,
                note="x" if other == "note" else "",
            )


class TestRefusals:
    def test_more_than_there_is(self, giver, receiver):
        with refused(operations.InsufficientPoints, requested=91, spendable=90):
            transfer(giver, receiver, 91)

    def test_to_oneself(self, giver):
        with refused(operations.SameMember):
            transfer(giver, giver, 10)

    def test_where_the_programme_has_no_transfers(self, giver, receiver):
        with refused(operations.TransfersNotAllowed):
            transfer(giver, receiver, 10, limits=None)

    @pytest.mark.parametrize("points", [0, -1, 1.5, 10**12 + 1])
    def test_points_are_whole_and_within_reason(self, giver, receiver, points):
        with refused(operations.PointsOutOfRange):
            transfer(giver, receiver, points)

    def test_dated_ahead_or_without_a_name(self, giver, receiver):
        with refused(operations.DatedInFuture):
            transfer(giver, receiver, 10, at=NOON + timedelta(minutes=6), now=NOON)
        with refused(operations.InvalidReference):
            transfer(giver, receiver, 10, reference="")
        with refused(operations.InvalidNote):
            transfer(giver, receiver, 10, note="\x00")

    @pytest.mark.parametrize("side", ["giver", "receiver"])
    def test_both_must_be_active(self, giver, side):
        waiting, frozen, closed = member(active=False), member(), member()
        members.freeze(member_id=frozen.pk, by=staff(), reason="x")
        members.close(member_id=closed.pk, closed_at=NOON, by=None, reason="x")

        for who, refusal in (
            (waiting, MemberNotActivated),
            (frozen, MemberFrozen),
            (closed, MemberClosed),
        ):
            pair = (identity(who), giver) if side == "giver" else (giver, identity(who))
            with refused(refusal):
                transfer(*pair, 10)

    @pytest.mark.parametrize("side", ["giver", "receiver"])
    def test_neither_account_may_have_been_given_up(self, giver, receiver, side):
        gone, into = identity(), identity()
        lot(gone, 50)
        merge(gone, into)
        pair = (gone, receiver) if side == "giver" else (giver, gone)

        with refused(operations.AccountMerged, number=gone.number, into=into.number):
            transfer(*pair, 10)

    def test_what_had_lapsed_cannot_be_given_away(self, giver, receiver):
        with refused(operations.InsufficientPoints, requested=51, spendable=50):
            transfer(giver, receiver, 51, at=NOON + timedelta(days=16))


class TestLimits:
    def test_by_count_within_rolling_days(self, giver, receiver):
        weekly = [TransferLimit(days=7, count=2)]
        for number, at in enumerate((NOON, NOON + timedelta(days=1))):
            transfer(giver, receiver, 10, reference=f"T-{number}", at=at, limits=weekly)

        with refused(operations.TransferLimitReached, days=7):
            transfer(
                giver, receiver, 10, limits=weekly, at=NOON + timedelta(days=7, microseconds=-1)
            )
        # Seven days after the first there is one of them left in the window.
        transfer(giver, receiver, 10, limits=weekly, at=NOON + timedelta(days=7))
        with refused(operations.TransferLimitReached, days=7):
            transfer(
                giver, receiver, 1, limits=weekly, at=NOON + timedelta(days=7), reference="T-9"
            )

    def test_by_points_this_one_included(self, giver, receiver):
        monthly = [TransferLimit(days=30, points=50)]
        transfer(giver, receiver, 30, reference="T-1", limits=monthly)

        with refused(operations.TransferLimitReached, days=30):
            transfer(giver, receiver, 21, limits=monthly)
        transfer(giver, receiver, 20, limits=monthly)

        assert queries.balance(receiver.id) == 50

    def test_one_alone_may_be_too_much(self, giver, receiver):
        with refused(operations.TransferLimitReached, days=1):
            transfer(giver, receiver, 51, limits=[TransferLimit(days=1, points=50)])

    def test_the_first_that_is_passed_is_told(self, giver, receiver):
        limits = [
            TransferLimit(days=1, points=100),
            TransferLimit(days=7, count=1),
            TransferLimit(days=30, points=40),
        ]
        transfer(giver, receiver, 30, reference="T-1", limits=limits)

        with refused(operations.TransferLimitReached, days=7):
            transfer(giver, receiver, 20, limits=limits)

    def test_counts_what_one_gave_not_what_one_got(self, giver, receiver):
        daily = [TransferLimit(days=1, count=1)]
        transfer(giver, receiver, 30, reference="T-1", limits=daily)

        transfer(receiver, giver, 30, limits=daily)

        assert queries.balance(giver.id) == 90

    def test_a_repeat_passes_no_limit(self, giver, receiver):
        daily = [TransferLimit(days=1, count=1, points=30)]
        first = transfer(giver, receiver, 30, limits=daily)

        assert transfer(giver, receiver, 30, limits=daily) == replace(first, replayed=True)

    def test_stand_in_the_rulebook(self, giver, receiver):
        version = rulebook(
            valid_from="2026-01-01",
            transfers={"limits": [{"days": 7, "count": 2}, {"days": 30, "points": 100}]},
        )
        from programme import queries as programme

        limits = programme.rulebook(version.pk).policies.transfer_limits

        assert limits == (TransferLimit(days=7, count=2), TransferLimit(days=30, points=100))
        transfer(giver, receiver, 90, limits=limits)

    def test_stores_of_another_issuer_have_names_of_their_own(self, giver, receiver):
        transfer(giver, receiver, 10)

        transfer(giver, receiver, 10, source=source(store(dealer())))

        assert queries.balance(receiver.id) == 20
