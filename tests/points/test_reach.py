"""
Work on some members reads the rows of those members, however many others there are.

A join that looks harmless may go through all accounts: with a million of them it did, for each 500.
"""

from datetime import date

import pytest
from django.db import connection, transaction

from points import operations
from tests.factories import identity, lot, source
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db

OTHERS = 20_000
FEW = 40

# Accounts of nobody: the test is undone before anybody looks for their members.
CROWD = """
    INSERT INTO points_account (member_id) SELECT 1000000 + i FROM generate_series(1, %s) AS i;
    INSERT INTO points_lot (member_id, expires_on, seq, remaining)
    SELECT 1000000 + i, '2027-06-30', 1, 10 FROM generate_series(1, %s) AS i;
    ANALYZE points_account;
    ANALYZE points_lot;
"""
READ = """
    SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables
    WHERE relname IN ('points_account', 'points_lot')
"""


@pytest.fixture
def members():
    members = [identity() for _ in range(FEW)]
    for one in members:
        lot(one, 10, expires_on=date(2026, 6, 30))
    return members


def rows_read():
    with connection.cursor() as cursor:
        cursor.execute(READ)
        return cursor.fetchone()[0]


def grant(members):
    lines = [
        operations.Grant(
            member=one, points=5, at=NOON, expires_on=date(2027, 6, 30), reference=f"G{one.id}"
        )
        for one in members
    ]
    return operations.grant(grants=lines, source=source())


def expire(members):
    return operations.expire(low=members[0].id, high=members[-1].id, on=date(2026, 7, 1))


@pytest.mark.parametrize("work", [grant, expire])
def test_a_chunk_reads_its_own_members(members, work):
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(CROWD, [OTHERS, OTHERS])
        before = rows_read()

        work(members)

        assert rows_read() - before < 20 * FEW
        transaction.set_rollback(True)
