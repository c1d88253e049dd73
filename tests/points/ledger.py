"""What tests of the ledger look at, and how they see that nothing changed."""

from contextlib import contextmanager

import pytest
from django.db import connection

from points import verification
from points.models import Account, Entry, Hold, Lot, Pending

TABLES = (
    "points_account",
    "points_lot",
    "points_pending",
    "points_hold",
    "points_entry",
    "points_activity",
    "points_merge",
    "common_auditrecord",
    "common_outboxevent",
)


def lots(of):
    """The open lots as {number: remaining}; a credit with two lots has two remainders in a list."""
    found: dict[int, list[int]] = {}
    open_lots = Lot.objects.filter(member_id=of.id).order_by("expires_on", "seq")
    for seq, remaining in open_lots.values_list("seq", "remaining"):
        found.setdefault(seq, []).append(remaining)
    return {seq: rest[0] if len(rest) == 1 else rest for seq, rest in found.items()}


def last_days(of):
    """The open lots in the order of spending: (number, last day, remaining)."""
    found = Lot.objects.filter(member_id=of.id).order_by("expires_on", "seq")
    return list(found.values_list("seq", "expires_on", "remaining"))


def waits(of):
    """What waits, as {(number, line): points}."""
    found = Pending.objects.filter(member_id=of.id).values_list("seq", "line", "points")
    return {(seq, line): points for seq, line, points in found}


def holds(of):
    return dict(Hold.objects.filter(member_id=of.id).values_list("seq", "points"))


def account(of):
    """Balance, waiting, held, qualifying."""
    return (
        Account.objects.filter(pk=of.id)
        .values_list("balance", "pending", "held", "qualifying")
        .first()
    )


def entries(of, *, since=1):
    """(number, kind, points, waiting, held, balance after), from a number on."""
    found = Entry.objects.filter(member_id=of.id, seq__gte=since).order_by("seq")
    return list(found.values_list("seq", "kind", "points", "pending", "held", "balance_after"))


def entry(of, seq):
    return Entry.objects.get(member_id=of.id, seq=seq)


def latest(of):
    return Entry.objects.filter(member_id=of.id).order_by("-seq").first()


def took(entry):
    """What an entry did to lots: {number: points}."""
    return dict(zip(entry.lot_seq, entry.lot_points, strict=True))


def differences():
    report = verification.Report()
    for low, high in verification.ranges(size=1000):
        verification.verify(report=report, low=low, high=high)
    return report.differences


def picture():
    """Every row of the ledger and of what it tells others."""
    rows = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT t::text FROM {table} AS t ORDER BY 1")
            rows[table] = cursor.fetchall()
    return rows


@contextmanager
def unchanged():
    before = picture()
    yield
    assert picture() == before


@contextmanager
def refused(refusal, **details):
    """It is refused, for these reasons, and nothing has changed."""
    with unchanged(), pytest.raises(refusal) as raised:
        yield
    if details:
        assert raised.value.details == details
