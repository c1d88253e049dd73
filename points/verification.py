"""
The proof of the ledger: derive everything from the entries and compare.

Equations, for each member:
  gapless    seq runs 1 … n without a gap, and n stands on the account
  chain      each balance_after is the one before plus the entry's points
  balance    the account's balance is the last balance_after
  lots       the open lots add up to the balance, or there are none and it is a debt
  shares     what a debit took from lots adds up to it (a reversal may leave a debt instead)
  remaining  each open lot is what its credit brought, less a debt it paid, less what was taken
  swept      no lot that was there when the night began is open past its last day
Each range is one statement, so it sees one moment and may run beside the tills.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import connection

DIFFERENCES = """
    WITH entry AS MATERIALIZED (
        SELECT
            e.member_id, e.seq, e.kind, e.points, e.balance_after, e.expires_on, e.lot_seq,
            e.lot_points, e.reverses, e.recorded_at,
            lag(e.balance_after, 1, 0::bigint) OVER member AS before,
            row_number() OVER member AS nth
        FROM points_entry AS e WHERE e.member_id BETWEEN %(low)s AND %(high)s
        WINDOW member AS (PARTITION BY e.member_id ORDER BY e.seq)
    ), sums AS (
        SELECT member_id, count(*) AS entries, sum(points) AS points FROM entry GROUP BY member_id
    ), open AS MATERIALIZED (
        SELECT l.member_id, l.seq, l.points, l.remaining, l.expires_on
        FROM points_lot AS l WHERE l.member_id BETWEEN %(low)s AND %(high)s
    ), open_sums AS (
        SELECT member_id, sum(remaining) AS remaining FROM open GROUP BY member_id
    ), account AS (
        SELECT a.member_id, a.balance, a.seq FROM points_account AS a
        WHERE a.member_id BETWEEN %(low)s AND %(high)s
    ), taken AS (
        SELECT e.member_id, used.seq, sum(used.points) AS points
        FROM entry AS e, unnest(e.lot_seq, e.lot_points) AS used (seq, points)
        GROUP BY e.member_id, used.seq
    ), derived AS (
        -- What must be left of each credit: above the debt it paid, less what debits took.
        SELECT
            e.member_id, e.seq, e.expires_on, e.points,
            greatest(least(e.points, e.balance_after), 0) - coalesce(t.points, 0) AS remaining
        FROM entry AS e LEFT JOIN taken AS t USING (member_id, seq)
        WHERE e.points > 0
    )
    SELECT 'gapless', member_id, seq FROM entry WHERE seq <> nth
    UNION ALL
    SELECT 'gapless', coalesce(a.member_id, s.member_id), a.seq
    FROM account AS a FULL JOIN sums AS s USING (member_id)
    WHERE coalesce(a.seq, -1) <> coalesce(s.entries, 0)
    UNION ALL
    SELECT 'chain', member_id, seq FROM entry WHERE balance_after <> before + points
    UNION ALL
    SELECT 'balance', a.member_id, a.seq
    FROM account AS a LEFT JOIN sums AS s USING (member_id)
    WHERE a.balance <> coalesce(s.points, 0)
    UNION ALL
    SELECT 'lots', coalesce(a.member_id, o.member_id), NULL
    FROM account AS a FULL JOIN open_sums AS o USING (member_id)
    WHERE coalesce(o.remaining, 0) <> greatest(coalesce(a.balance, 0), 0)
    UNION ALL
    SELECT 'shares', e.member_id, e.seq FROM entry AS e
    WHERE e.points < 0 AND (
        cardinality(e.lot_seq) <> cardinality(e.lot_points)
        OR (SELECT coalesce(sum(p), 0) FROM unnest(e.lot_points) AS p)
            <> -e.points - CASE WHEN e.kind = 'REVERSE'
                THEN greatest(0, -e.points - greatest(e.before, 0)) ELSE 0 END
    )
    UNION ALL
    SELECT 'remaining', coalesce(d.member_id, o.member_id), coalesce(d.seq, o.seq)
    FROM derived AS d FULL JOIN open AS o USING (member_id, seq)
    WHERE coalesce(d.remaining, -1) <> coalesce(o.remaining, 0)
        OR (o.seq IS NOT NULL AND (o.expires_on <> d.expires_on OR o.points <> d.points))
    UNION ALL
    SELECT 'swept', o.member_id, o.seq FROM open AS o JOIN entry AS e USING (member_id, seq)
    WHERE o.expires_on < %(swept_on)s AND e.recorded_at < %(sweep_began_at)s
"""


@dataclass(frozen=True, slots=True)
class Difference:
    equation: str
    member_id: int
    seq: int | None


@dataclass(slots=True)
class Report:
    members: int = 0
    differences: list[Difference] = field(default_factory=list)


def ranges(*, size: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of member ids that hold accounts, entries or lots."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT least((SELECT min(member_id) FROM points_account),"
            " (SELECT min(member_id) FROM points_entry), (SELECT min(member_id) FROM points_lot)),"
            " greatest((SELECT max(member_id) FROM points_account),"
            " (SELECT max(member_id) FROM points_entry), (SELECT max(member_id) FROM points_lot))"
        )
        low, high = cursor.fetchone()
    if low is not None:
        for start in range(low, high + 1, size):
            yield start, min(start + size - 1, high)


@dataclass(frozen=True, slots=True)
class Sweep:
    """A night's expiry that is done: what it had to find, and since when it looked."""

    on: date
    began_at: datetime


def verify(*, report: Report, low: int, high: int, sweep: Sweep | None = None) -> int:
    """
    Check the members low … high into `report` and return how many accounts there are.

    :param sweep: what was there when it began and had lapsed before its day must be gone
    """
    parameters = {
        "low": low,
        "high": high,
        "swept_on": sweep.on if sweep else None,
        "sweep_began_at": sweep.began_at if sweep else None,
    }
    with connection.cursor() as cursor:
        cursor.execute(DIFFERENCES, parameters)
        report.differences += [Difference(*row) for row in cursor.fetchall()]
        cursor.execute(
            "SELECT count(*) FROM points_account WHERE member_id BETWEEN %s AND %s", (low, high)
        )
        members = cursor.fetchone()[0]
    report.members += members
    return members
