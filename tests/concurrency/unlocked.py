"""
The ledger's functions with their locks taken away: what the races look like that never happen.

A copy does not lock the account's row before it looks, and what it writes to it is reckoned from
the row as it was when the statement began, not as it is when its turn comes.
"""

import contextlib
import re
from collections.abc import Iterator

from django.core.management import call_command
from django.db import connection

LOCK = re.compile(
    r"\s*(ORDER BY a\.member_id )?FOR (NO KEY )?UPDATE"
    # This one waits for who changes the row that is there.
    r"|INSERT INTO points_account [^;]* ON CONFLICT DO NOTHING;"
)
# `balance = a.balance` in an UPDATE is the other lock: it adds to what is there by then.
FRESH = re.compile(r"\b(balance|pending|held) = a\.\1\b")
STALE = r"\1 = (SELECT was.\1 FROM points_account AS was WHERE was.member_id = a.member_id)"


@contextlib.contextmanager
def without_locks(*functions: str) -> Iterator[None]:
    """Install copies of these functions without their locks, and the functions again at the end."""
    originals = [_definition(name) for name in functions]
    try:
        for original in originals:
            copy = FRESH.sub(STALE, LOCK.sub("", original))
            assert copy != original, "there was no lock to take away"
            _install(copy)
        yield
    finally:
        for original in originals:
            _install(original)


@contextlib.contextmanager
def without_the_unique_reference() -> Iterator[None]:
    """Take away what makes the second posting of a reference fail. The rows go, too."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_indexdef(%s::regclass)", ["points_entry_reference_once"])
        [index] = cursor.fetchone()
        cursor.execute("DROP INDEX points_entry_reference_once")
    try:
        yield
    finally:
        call_command("flush", interactive=False, inhibit_post_migrate=True)
        with connection.cursor() as cursor:
            cursor.execute(index)


def _definition(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef(%s::regproc)", [name])
        [definition] = cursor.fetchone()
    return str(definition)


def _install(definition: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(definition.replace("%", "%%"), [])
