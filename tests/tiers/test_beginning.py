"""Tiers that begin in a programme which had none: what was bought before counts, once."""

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from points import operations as ledger
from programme import queries as programme
from tests.factories import buy, identity, source, staff
from tests.factories.activities import do, kind, rewarding
from tests.points.returning import give_back
from tests.tiers.ladder import YEAR, decisions, gather, noon, publish, simple, standing
from tiers import nightly
from tiers.models import Beginning, Decision, Gathered, Standing
from tiers.verification import verify

pytestmark = pytest.mark.django_db
NONE = {"levels": []}
FIRST = date(2026, 6, 15)


@pytest.fixture(autouse=True)
def _no_tiers_yet():
    publish(NONE, valid_from="2020-01-01")


@pytest.fixture
def of():
    return identity()


def begin(section, night=FIRST):
    publish(section, valid_from=FIRST.isoformat())
    return nightly.take_up(day=night)


def days_of(of):
    rows = Gathered.objects.filter(member=of.id).order_by("day")
    return [(row.day.isoformat(), row.points, row.spend, row.purchases) for row in rows]


def proven(*members):
    for each in members:
        assert verify(low=each.id, high=each.id).differences == []


def test_who_has_bought_enough_stands_there_on_the_first_day(of):
    few = identity()
    buy(of, "300.00", at=noon("2026-05-01"))
    buy(few, "20.00", at=noon("2026-05-01"))
    assert not Standing.objects.exists()

    assert begin(simple(10, 100)) == {"members": 2, "decisions": 1}

    assert decisions(of) == [("UPGRADE", "regular", "t1", "2026-06-15")]
    assert Decision.objects.get().evidence["total"] == "30"
    assert standing(of).valid_until == date(2027, 6, 15)
    assert standing(few).level == "regular"
    proven(of, few)


def test_done_twice_changes_nothing(of):
    buy(of, "300.00", at=noon("2026-05-01"))
    begin(simple(10))
    before = days_of(of), decisions(of), list(Standing.objects.values())

    assert nightly.take_up(day=FIRST)["decisions"] == 0

    assert (days_of(of), decisions(of), list(Standing.objects.values())) == before


def test_only_what_windows_reach_counts(of):
    buy(of, "300.00", at=noon("2025-06-14"))
    buy(of, "50.00", at=noon("2025-06-15"))

    begin(simple(10, window=YEAR))

    assert days_of(of) == [("2025-06-15", 5, 50, 1)]
    assert Beginning.objects.get().counts_from == date(2025, 6, 15)
    assert decisions(of) == []
    proven(of)


def test_what_was_returned_before_does_not_count(of):
    buy(of, "300.00", at=noon("2026-05-01"), reference="A")
    buy(of, "50.00", at=noon("2026-05-01"))
    give_back("A", "300.00", reference="B", at=noon("2026-05-20"), now=noon("2026-05-20"))

    begin(simple(10))

    assert days_of(of) == [("2026-05-01", 5, 50, 1)]
    assert decisions(of) == []
    proven(of)


def test_a_later_return_of_it_takes_the_tier_back(of):
    buy(of, "300.00", at=noon("2026-05-01"), reference="A")
    begin(simple(10))

    give_back("A", "300.00", reference="B", at=noon("2026-06-20"), now=noon("2026-06-20"))

    assert decisions(of)[-1] == ("REVOKE", "t1", "regular", "2026-06-20")
    assert days_of(of) == [("2026-05-01", 0, 0, 0)]
    proven(of)


def test_a_late_purchase_of_before_counts_too(of):
    buy(of, "60.00", at=noon("2026-05-01"))
    begin(simple(10))
    gather(of, "2026-06-16", points=0)

    gather(of, "2026-05-02", points=4, now="2026-06-17")

    assert standing(of).level == "t1"


def test_what_was_bought_on_the_first_day_before_the_night_ran_counts_with_it(of):
    buy(of, "60.00", at=noon("2026-05-01"))
    publish(simple(10), valid_from=FIRST.isoformat())
    buy(of, "50.00", at=noon(FIRST))

    nightly.take_up(day=FIRST)

    assert decisions(of) == [("UPGRADE", "regular", "t1", "2026-06-15")]
    proven(of)


def test_members_merged_before_count_together(of):
    into = identity()
    buy(of, "60.00", at=noon("2026-05-01"), reference="A")
    buy(into, "60.00", at=noon("2026-05-01"))
    ledger.merge_accounts(
        member=of, into=into, at=noon("2026-05-10"), source=source(), by=staff(), note="one"
    )

    begin(simple(10, window=YEAR))

    assert standing(into).level == "t1"
    assert standing(into).guests == [of.id]
    assert nightly.take_up(day=FIRST)["decisions"] == 0
    proven(of, into)


@pytest.mark.parametrize("night", [date(2026, 6, 14), date(2026, 6, 16)])
def test_other_nights_do_nothing(of, night):
    buy(of, "300.00", at=noon("2026-05-01"))

    assert begin(simple(10), night) == {"members": 0, "decisions": 0}


def test_a_programme_that_began_with_tiers_has_nothing_to_take_up(of):
    buy(of, "300.00", at=noon("2026-05-01"))
    publish(simple(10), valid_from="2019-01-01")

    assert nightly.take_up(day=date(2019, 1, 1)) == {"members": 0, "decisions": 0}


def test_costs_the_same_statements_however_many(of):
    def statements(count):
        for _ in range(count):
            buy(identity(), "300.00", at=noon("2026-05-01"))
        with CaptureQueriesContext(connection) as asked:
            nightly.take_up(day=FIRST)
        return len(asked)

    publish(simple(10), valid_from=FIRST.isoformat())
    programme.rulebook_on(FIRST)
    buy(of, "300.00", at=noon("2026-05-01"))
    statements(0)

    assert statements(5) == statements(20)


def test_what_else_was_done_counts_as_the_journal_says(of):
    rewarding(kinds=[kind("review", 5)], valid_from="2026-01-03")
    do(of, "review", at=noon("2026-05-01"))

    begin(simple(10))

    assert Gathered.objects.get(member=of.id).interactions == 1
    proven(of)
