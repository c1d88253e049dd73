"""
Work on some members reads the rows of those members, however many others there are.

A join that looks harmless may go through all accounts: with a million of them it did, for each 500.
"""

from datetime import date

import pytest
from django.db import connection, transaction

from members.queries import Identity
from points import operations
from tests.factories import source
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db

ALL = 50_000
FEW = 500
FIRST = 1_000_000

# Accounts of nobody: all is undone before anybody looks for their members.
CROWD = """
    INSERT INTO points_account (member_id, balance, seq)
    SELECT %(first)s + i, 20, 2 FROM generate_series(0, %(all)s - 1) AS i;
    INSERT INTO points_lot (member_id, expires_on, seq, remaining)
    SELECT %(first)s + i, last_day, nth, 10 FROM generate_series(0, %(all)s - 1) AS i,
        unnest('{2026-06-30,2027-06-30}'::date[]) WITH ORDINALITY AS lot (last_day, nth);
    ANALYZE points_account, points_lot;
"""
READ = """
    SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables
    WHERE relname IN ('points_account', 'points_lot')
"""


def rows_read():
    with connection.cursor() as cursor:
        cursor.execute(READ)
        return cursor.fetchone()[0]


def grant():
    lines = [
        operations.Grant(
            member=Identity(FIRST + nth, "", "ACTIVE"),
            points=5,
            at=NOON,
            expires_on=date(2027, 6, 30),
            reference=f"G{nth}",
        )
        for nth in range(FEW)
    ]
    granted = operations.grant(grants=lines, source=source())
    assert granted[0] == operations.Posting(3, 25)


def expire():
    done = operations.expire(low=FIRST, high=FIRST + FEW - 1, on=date(2026, 7, 1))
    assert done == (FEW, FEW, 10 * FEW)


@pytest.mark.parametrize("work", [grant, expire])
def test_a_chunk_reads_its_own_members(work):
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(CROWD, {"first": FIRST, "all": ALL})
        before = rows_read()

        work()

        assert rows_read() - before < 20 * FEW
        transaction.set_rollback(True)
