"""Members made one keep the higher tier and count together; taken apart, all is as before."""

from datetime import UTC, date, datetime

import pytest
from django.utils import translation

from common import events
from points import operations as ledger
from tests.factories import identity, source, staff
from tests.tiers.ladder import (
    YEAR,
    decisions,
    gather,
    level,
    noon,
    points,
    publish,
    simple,
    standing,
)
from tiers import nightly, operations, queries, words
from tiers.models import Decision, DowngradeWarning, Proposal, Standing
from tiers.verification import verify

pytestmark = pytest.mark.django_db

DAY = "2026-06-15"


@pytest.fixture
def of():
    return identity()


@pytest.fixture
def into():
    return identity()


def deliver():
    return events.deliver_waiting(now=datetime.now(UTC))


def merge(of, into, day=DAY, *, delivered=True):
    ledger.merge_accounts(
        member=of, into=into, at=noon(day), source=source(), by=staff(), note="one person"
    )
    return deliver() if delivered else None


def unmerge(of, day="2026-06-20", *, delivered=True):
    ledger.unmerge_accounts(
        member=of, at=noon(day), source=source(), by=staff(), note="two persons",
        after_spending="debt",
    )  # fmt: skip
    return deliver() if delivered else None


def why():
    with translation.override("en"):
        return words.why(Decision.objects.latest("pk"))


def state(of):
    row = standing(of)
    return row.level, row.earned, row.since, row.period_from, row.valid_until, row.manual


def proven(*members):
    """Standings are what the nightly proof derives."""
    for each in members:
        found = [d for d in verify(low=each.id, high=each.id).differences if d.what != "gathered"]
        assert found == []


class TestMerge:
    def test_keeps_the_higher_tier_with_its_own_period_and_end(self, of, into):
        publish(simple(10, 30))
        gather(of, "2025-12-01", points=30)
        gather(into, "2026-03-01", points=10)

        merge(of, into)

        assert decisions(into)[1:] == [("MERGE", "t1", "t2", DAY)]
        assert state(into) == state(of)
        assert standing(into).valid_until == date(2026, 12, 1)
        assert standing(into).guests == [of.id]
        proven(of, into)

    def test_leaves_a_higher_tier_as_it_is_and_says_so(self, of, into):
        publish(simple(10, 30))
        gather(of, "2026-03-01", points=10)
        gather(into, "2025-12-01", points=30)
        before = state(into)

        merge(of, into)

        assert state(into) == before
        assert why()[:2] == [
            f"The membership {of.number} was merged with this one on June 15, 2026; T2 stays.",
            "What was gathered there counts here from that day on.",
        ]
        proven(of, into)

    def test_of_equal_tiers_the_one_that_ends_later_remains(self, of, into):
        publish(simple(10, 30))
        gather(of, "2026-03-01", points=10)
        gather(into, "2025-12-01", points=10)

        merge(of, into)

        assert standing(into).valid_until == date(2027, 3, 1)
        proven(of, into)

    def test_counts_both_together_at_once(self, of, into):
        publish(simple(10, 30, window=YEAR))
        gather(of, "2026-03-01", points=16)
        gather(into, "2026-04-01", points=15)

        merge(of, into)

        assert decisions(into)[1:] == [("MERGE", "t1", "t1", DAY), ("UPGRADE", "t1", "t2", DAY)]
        assert Decision.objects.latest("pk").evidence["total"] == "31"
        proven(of, into)

    def test_counts_both_together_from_then_on(self, of, into):
        publish(simple(10, 30, window=YEAR))
        gather(of, "2026-03-01", points=12)
        gather(into, "2026-04-01", points=15)
        merge(of, into)

        gather(into, "2026-06-16", points=3)

        assert decisions(into)[-1] == ("UPGRADE", "t1", "t2", "2026-06-16")
        assert queries.progress(into.id, date(2026, 6, 16)).stand.level.code == "t2"
        proven(of, into)

    def test_does_not_change_what_was_before_it(self, of, into):
        publish(simple(10, 30, window=YEAR))
        gather(of, "2026-03-01", points=6)
        gather(into, "2026-04-01", points=6)

        merge(of, into)
        gather(into, "2026-05-01", points=1, now="2026-06-16")

        assert decisions(into) == [
            ("MERGE", "regular", "regular", DAY), ("UPGRADE", "regular", "t1", DAY),
        ]  # fmt: skip
        assert queries.level_code_on(into.id, date(2026, 5, 1)) == "regular"
        proven(of, into)

    def test_told_twice_is_done_once(self, of, into):
        publish(simple(10, 30))
        gather(of, "2025-12-01", points=30)
        merge(of, into)
        before = state(into), decisions(into)

        operations.follow_merge(member_id=of.id, into_id=into.id, at=noon(DAY))

        assert (state(into), decisions(into)) == before

    def test_told_after_it_was_taken_apart_does_nothing(self, of, into):
        publish(simple(10, 30))
        gather(of, "2025-12-01", points=30)
        merge(of, into, delivered=False)
        unmerge(of, delivered=False)

        assert deliver() >= 2

        assert decisions(into) == []

    def test_does_nothing_in_a_programme_without_tiers(self, of, into):
        publish({"levels": []})

        merge(of, into)

        assert not Decision.objects.exists()

    def test_keeps_a_tier_by_hand_if_it_is_higher(self, of, into):
        publish(simple(10, 30))
        gather(into, "2026-06-01", points=10)
        operations.set_manual(
            member=of, level="t2", until=date(2026, 12, 31), reason="VIP", at=noon("2026-06-01"),
            by=staff(),
        )  # fmt: skip

        merge(of, into)

        assert (standing(into).level, standing(into).earned) == ("t2", "t1")
        assert standing(into).manual_until == date(2026, 12, 31)
        unmerge(of)
        assert (standing(into).level, standing(into).manual) == ("t1", "")

    def test_a_purchase_of_the_same_day_keeps_what_it_won_alone(self, of, into):
        publish(simple(10, 30))
        gather(of, "2026-03-01", points=10)
        gather(into, DAY, points=10)

        merge(of, into)
        gather(into, DAY, points=1)

        assert standing(into).valid_until == date(2027, 6, 15)
        proven(of, into)

    def test_what_the_other_waits_for_is_no_longer_proposed(self, of, into):
        publish({"levels": [level("base"), level("t1", upgrade=points(10), approval=True)]})
        gather(of, "2026-06-01", points=10)

        merge(of, into)

        assert set(Proposal.objects.values_list("member", "state")) == {
            (of.id, "OBSOLETE"), (into.id, "WAITING"),
        }  # fmt: skip


class TestProof:
    def test_finds_days_that_count_without_a_merge(self, of, into):
        publish(simple(10, 30))
        gather(into, "2026-06-01", points=1)
        merge(of, into)
        Standing.objects.filter(pk=into.id).update(guests=[])

        found = verify(low=into.id, high=into.id).differences

        assert ("merge", into.id) in [(each.what, each.member_id) for each in found]


class TestNight:
    def test_keeps_a_tier_by_what_both_have_gathered(self, of, into):
        publish(simple(10, window=YEAR))
        gather(into, "2025-08-01", points=10)
        gather(of, "2026-05-01", points=6)
        gather(into, "2026-05-01", points=5)
        merge(of, into)

        nightly.review_standings(day=date(2026, 8, 2))

        assert decisions(into)[-1] == ("KEEP", "t1", "t1", "2026-08-02")
        assert nightly.review_standings(day=date(2026, 8, 2)) == {
            "members": 0, "kept": 0, "downgraded": 0,
        }  # fmt: skip
        proven(of, into)

    def test_warns_nobody_whose_membership_went_into_another(self, of, into):
        publish(simple(10, warn_days=[30]))
        gather(of, "2025-07-01", points=10)
        gather(into, "2025-07-01", points=10)
        merge(of, into)

        nightly.warn_of_downgrades(day=date(2026, 6, 16))

        assert list(DowngradeWarning.objects.values_list("member", flat=True)) == [into.id]


class TestTakenApart:
    def test_a_merge_leaves_no_trace_in_the_tier(self, of, into):
        publish(simple(10, 30, window=YEAR))
        gather(of, "2026-03-01", points=16)
        gather(into, "2026-04-01", points=15)
        before = state(into), state(of)
        merge(of, into)

        unmerge(of)

        assert (state(into), state(of)) == before
        assert standing(into).guests == []
        assert decisions(into)[-1] == ("UNMERGE", "t2", "t1", "2026-06-20")
        assert why()[0] == (
            f"The merge with the membership {of.number} was taken apart on June 20, 2026:"
            " T1 counts."
        )
        proven(of, into)

    def test_may_be_merged_and_taken_apart_again(self, of, into):
        publish(simple(10, 30, window=YEAR))
        gather(of, "2026-03-01", points=30)
        merge(of, into)
        unmerge(of)

        merge(of, into, "2026-06-25")

        assert standing(into).level == "t2"
        proven(of, into)
        unmerge(of, "2026-06-28")
        assert standing(into).level == "regular"
        proven(of, into)


class TestReturn:
    def test_takes_back_the_tier_that_came_along(self, of, into):
        publish(simple(10, 30))
        gather(of, "2026-03-01", points=30)
        merge(of, into)
        assert standing(into).level == "t2"

        gather(of, "2026-03-01", points=-25, now="2026-06-18")

        assert standing(into).level == standing(of).level == "regular"
        assert decisions(into)[-1] == ("REVOKE", "t2", "regular", "2026-06-18")
        proven(of, into)


class TestChains:
    def test_who_was_merged_before_comes_along(self, of, into):
        last = identity()
        publish(simple(10, 30, window=YEAR))
        for each in (of, into, last):
            gather(each, "2026-03-01", points=10)
        merge(of, into, "2026-06-10")

        merge(into, last)

        assert standing(last).guests == sorted([of.id, into.id])
        assert standing(last).level == "t2"
        proven(of, into, last)
        gather(of, "2026-03-01", points=-5, now="2026-06-18")
        assert standing(last).level == "t1"
        proven(of, into, last)

    def test_events_may_come_in_another_order(self, of, into):
        last = identity()
        publish(simple(10, 30, window=YEAR))
        for each in (of, into, last):
            gather(each, "2026-03-01", points=10)
        merge(of, into, "2026-06-10", delivered=False)
        merge(into, last, delivered=False)

        operations.follow_merge(member_id=into.id, into_id=last.id, at=noon(DAY))
        operations.follow_merge(member_id=of.id, into_id=into.id, at=noon("2026-06-10"))

        assert standing(last).guests == sorted([of.id, into.id])
        assert standing(last).level == "t2"
        proven(of, into, last)
