"""What the hot paths cost, in things that can be counted: statements, index entries, plans."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks import seeding
from campaigns import operations as campaigns
from members import queries as members
from points import nightly, operations, queries
from points.models import EntryKind
from tests.factories import buy, identity, lot, main_store, plain, source
from tests.factories.points import NOON

# Real commits: inside a test's transaction each operation would add a savepoint.
pytestmark = [pytest.mark.perf, pytest.mark.django_db(transaction=True)]


def statements(of):
    """The statements a call sends, with transaction control."""
    with CaptureQueriesContext(connection) as captured:
        of()
    return [query["sql"].strip() for query in captured.captured_queries]


def explained(sql):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(row[0] for row in cursor.fetchall())


class TestStatements:
    @pytest.fixture
    def member(self):
        plain()
        member = identity()
        # Also reads the rulebook, which a process does once in a while.
        buy(member, "1000")
        return member

    def test_an_earn_is_one(self, member):
        posted_by = source()

        sent = statements(
            lambda: operations.earn(
                member=member,
                points=10,
                at=NOON,
                expires_on=date(2027, 6, 30),
                reference="E",
                source=posted_by,
            )
        )

        assert len(sent) == 1
        assert sent[0].startswith("SELECT points_credit(")

    def test_a_redemption_over_two_lots_is_one(self, member):
        lot(member, 10)
        posted_by = source()

        sent = statements(
            lambda: operations.redeem(
                member=member, points=105, at=NOON, reference="R", source=posted_by
            )
        )

        assert queries.statement(member.id)[0].lot_points == [-100, -5]
        assert len(sent) == 1
        assert sent[0].startswith("SELECT points_debit(")

    def test_a_purchase_with_its_judgement_is_one(self, member):
        purchase = campaigns.Purchase(
            member=member, reference="P", at=NOON, amount=Decimal(100), source=source()
        )

        sent = statements(lambda: campaigns.post_purchase(purchase=purchase, now=NOON))

        assert len(sent) == 1
        assert sent[0].startswith("SELECT points_post_purchase(")

    def test_finding_the_member_of_a_request_is_one(self, member):
        assert len(statements(lambda: members.identify(member.number))) == 1


class TestStorage:
    def test_an_entry_is_written_into_few_indexes(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT indexname FROM pg_indexes WHERE tablename = 'points_entry' ORDER BY 1"
            )
            names = [name for (name,) in cursor.fetchall()]

        # The last holds reversals only, and the second is a BRIN index, written once in 64 pages.
        assert names == [
            "points_entry_pkey",
            "points_entry_recorded",
            "points_entry_reference_once",
            "points_entry_reversals",
        ]

    def test_updates_of_accounts_touch_no_index(self):
        """
        2,000 operations: at least 95 of 100 updates must be HOT.

        Spread thin enough for the room that fillfactor leaves on each page: room made by cleaning
        a page up would depend on what other sessions of the server still see.
        """
        plain()
        posted_by = source()
        with connection.cursor() as cursor:
            seeding.fill_members(cursor, 1, 6_000)
            seeding.fill_ledger(cursor, members=6_000, lots=1)
        updated, hot = _updates_of_accounts()
        for n in range(1, 6_001, 6):
            account = members.identity_of(n)
            lot(account, 7)
            operations.redeem(
                member=account, points=5, at=timezone.now(), reference=f"R{n}", source=posted_by
            )

        updated_then, hot_then = _updates_of_accounts()

        assert updated_then - updated == 2_000
        assert hot_then - hot >= 1_900


class TestPlans:
    """Among 1,000 members of 100 entries each question goes to the index made for it."""

    @pytest.fixture(autouse=True)
    def _many(self):
        plain()
        main_store()
        with connection.cursor() as cursor:
            seeding.fill_members(cursor, 1, 1_000)
            seeding.fill_ledger(cursor, members=1_000, lots=100)

    def test_the_seeded_ledger_adds_up_and_each_question_has_its_index(self):
        today = timezone.localdate()

        assert nightly.verify_ledger(day=today) == {"members": 1_000, "differences": 0}

        page = queries.statement(321)[:25]
        assert "Index Scan Backward using points_entry_pkey" in page.explain()
        earns = queries.statement(321, kinds=[EntryKind.EARN])[:25]
        assert "points_entry_pkey" in earns.explain()

        due = explained(nightly.DUE_MEMBERS % {"day": f"'{today}'"})
        assert "points_lot_due" in due
        assert "points_lot_pkey" in queries.lots(321, on=today).explain()


def _updates_of_accounts():
    """Updates of points_account and how many of them were HOT, as the server counts."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
            " WHERE relname = 'points_account'"
        )
        return cursor.fetchone()
