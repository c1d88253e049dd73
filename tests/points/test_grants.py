"""Points for many at once (P9)."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from members import operations as members
from members.queries import MemberClosed, MemberFrozen
from points import operations, queries
from points.models import PointType
from points.operations import Grant
from tests.factories import buy, dealer, identity, lot, member, plain, source, staff
from tests.factories.points import NOON
from tests.points.ledger import account, entries, latest, lots, refused, unchanged
from tests.points.returning import give_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sound")]

LONG = date(2027, 6, 30)


def one(of, points=10, reference=None, **fields):
    return Grant(
        **{
            "member": of,
            "points": points,
            "reference": reference or f"G-{of.number}",
            "at": NOON,
            "expires_on": LONG,
        }
        | fields
    )


def grant(*grants, **fields):
    return operations.grant(grants=grants, **{"source": source()} | fields)


def merge(of, into):
    operations.merge_accounts(member=of, into=into, at=NOON, source=source(), by=staff(), note="")


def frozen():
    who = member()
    members.freeze(member_id=who.pk, by=staff(), reason="x")
    return identity(who)


class TestGrant:
    def test_each_gets_a_lot_of_their_own_in_the_order_given(self):
        of, another = identity(), identity()
        lot(of, 5)

        answers = grant(
            one(of, 10, "G-1"), one(another, 20, "G-2"), one(of, 3, "G-3", expires_on=NOON.date())
        )

        assert answers == [
            operations.Posting(2, 15),
            operations.Posting(1, 20),
            operations.Posting(3, 18),
        ]
        assert (lots(of), lots(another)) == ({3: 3, 1: 5, 2: 10}, {1: 20})

    def test_writes_down_all_it_was_told(self):
        of, by, payer = identity(), staff(), dealer()
        version = plain()
        funding = operations.funding([(payer.pk, 10_000, "spring")])

        grant(
            one(of, 10, qualifying=4),
            source=source(version_id=version.pk, funding_id=funding),
            type=PointType.ACTIVITY,
            by=by,
            note="spring draw",
        )

        made = latest(of)
        assert (made.kind, made.type, made.points, made.qualifying) == ("EARN", "ACTIVITY", 10, 4)
        assert (made.funding_id, made.version_id, made.actor_id) == (funding, version.pk, by.pk)
        assert (made.note, made.reference) == ("spring draw", f"G-{of.number}")
        assert account(of) == (10, 0, 0, 4)

    def test_is_other_points_that_count_for_no_tier_unless_it_says_so(self):
        of = identity()

        grant(one(of))

        assert (latest(of).type, latest(of).qualifying) == ("OTHER", 0)

    def test_pays_debts_first(self):
        plain()
        of = identity()
        buy(of, "150.00", reference="debt")
        operations.redeem(member=of, points=15, at=NOON, reference="debt", source=source())
        give_back("debt", "150.00", reference="debt")

        first, second = grant(one(of, 10, "G-1"), one(of, 10, "G-2"))

        assert (first.balance_after, second.balance_after) == (-5, 5)
        assert lots(of) == {5: 5}

    def test_to_nobody_is_nothing(self):
        assert grant() == []

    def test_costs_one_statement_however_many(self, django_assert_num_queries):
        of, origin = [identity() for _ in range(50)], source()

        with django_assert_num_queries(1):
            operations.grant(grants=[one(each) for each in of], source=origin)


class TestRepeats:
    def test_the_whole_again_gets_the_first_answers(self):
        of, another = identity(), identity()
        grants = (one(of), one(another, 20))
        first = grant(*grants)

        with unchanged():
            again = grant(*grants)

        assert again == [replace(answer, replayed=True) for answer in first]

    def test_those_given_before_are_told_so_and_the_others_get_theirs(self):
        of, another, third = identity(), identity(), identity()
        grant(one(another, 20))

        answers = grant(one(of), one(another, 20), one(third, 30))

        assert answers == [
            operations.Posting(1, 10),
            operations.Posting(1, 20, replayed=True),
            operations.Posting(1, 30),
        ]

    def test_twice_in_one_batch_counts_once(self):
        of = identity()

        answers = grant(one(of), one(of))

        assert answers == [operations.Posting(1, 10), operations.Posting(1, 10, replayed=True)]

    @pytest.mark.parametrize("before", [True, False])
    def test_a_reference_stands_for_one_grant(self, before):
        of, another = identity(), identity()
        if before:
            grant(one(of, 10, "G"))

        first, *others = grant(one(of, 10, "G"), one(of, 11, "G"), one(another, 10, "G"))

        assert (first.seq, first.replayed) == (1, before)
        assert [type(other) for other in others] == [operations.ReferenceReused] * 2
        assert (queries.balance(of.id), queries.balance(another.id)) == (10, 0)

    def test_an_earn_of_the_same_name_is_the_same_thing(self):
        of = identity()
        lot(of, 10, reference="G")

        assert grant(one(of, 10, "G")) == [operations.Posting(1, 10, replayed=True)]


class TestRefusals:
    def test_stand_in_their_places_and_harm_no_other(self):
        of, another, closed, gone, into = identity(), identity(), member(), identity(), identity()
        members.close(member_id=closed.pk, closed_at=NOON, by=None, reason="x")
        merge(gone, into)

        answers = grant(
            one(of),
            one(frozen()),
            one(another, 20),
            one(identity(closed)),
            one(gone),
            one(into, 30),
            one(of, 0, "G-0"),
            one(of, 10**12 + 1, "G-max"),
            one(of, 5, " G"),
            one(of, 5, "G-late", expires_on=NOON.date() - timedelta(days=1)),
            one(of, 7, "G-last"),
        )

        assert [type(answer) for answer in answers] == [
            operations.Posting,
            MemberFrozen,
            operations.Posting,
            MemberClosed,
            operations.AccountMerged,
            operations.Posting,
            operations.PointsOutOfRange,
            operations.PointsOutOfRange,
            operations.InvalidReference,
            operations.LapsedAlready,
            operations.Posting,
        ]
        assert [queries.balance(each.id) for each in (of, another, into)] == [17, 20, 30]
        assert answers[4].details == {"number": gone.number, "into": into.number}
        assert len(entries(gone)) == 1

    def test_who_was_frozen_since_gets_the_first_answer(self):
        who = member()
        first = grant(one(identity(who)))[0]
        members.freeze(member_id=who.pk, by=staff(), reason="x")

        assert grant(one(identity(who))) == [replace(first, replayed=True)]

    def test_of_accounts_merged_since_too(self):
        of, into = identity(), identity()
        first = grant(one(of))[0]
        merge(of, into)

        assert grant(one(of)) == [replace(first, replayed=True)]

    def test_only_refusals_change_nothing(self):
        who = frozen()

        with unchanged():
            [answer] = grant(one(who))
        assert isinstance(answer, MemberFrozen)

    def test_a_note_is_a_short_text(self):
        of = identity()

        with refused(operations.InvalidNote):
            grant(one(of), note="x" * 201)
