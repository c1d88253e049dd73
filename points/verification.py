"""
The proof of the ledger: derive everything from the entries and compare.

Equations, for each member:
  gapless     seq runs 1 … n without a gap, and n stands on the account
  chain       each balance_after is the one before plus the entry's points
  balance     the account's balance, pending, held and qualifying are what the entries add up to
  lots        the open lots add up to the balance, or there are none and it is a debt
  waits       what waits adds up to the account's pending
  holds       the open holds are those no entry has ended, and add up to the account's held
  shares      what an entry did to lots is what it did to the balance above zero; a redemption of a
              hold names as many points as the hold lost
  remaining   each open lot is what its credit brought above a debt, with all that entries did to it
  reinstated  of no debit more was given back than it took
  transfers   what left for another account arrived there
  pools       what was fetched for who spends with others left them, and what went home arrived
  swept       no lot that was there when the night began is open past its last day
Each range is one statement, so it sees one moment and may run beside the tills.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import connection

DIFFERENCES = """
    WITH entry AS MATERIALIZED (
        SELECT
            e.member_id, e.seq, e.kind, e.points, e.pending, e.held, e.qualifying, e.balance_after,
            e.expires_on, e.lot_seq, e.lot_points, e.lot_expires_on, e.reverses, e.counterpart_id,
            e.recorded_at, e.points + e.pending + e.held AS worth,
            lag(e.balance_after, 1, 0::bigint) OVER member AS before,
            row_number() OVER member AS nth
        FROM points_entry AS e WHERE e.member_id BETWEEN %(low)s AND %(high)s
        WINDOW member AS (PARTITION BY e.member_id ORDER BY e.seq)
    ), sums AS (
        SELECT
            member_id, count(*) AS entries, sum(points) AS points, sum(pending) AS pending,
            sum(held) AS held, sum(qualifying) AS qualifying
        FROM entry GROUP BY member_id
    ), open AS MATERIALIZED (
        SELECT l.member_id, l.seq, l.remaining, l.expires_on
        FROM points_lot AS l WHERE l.member_id BETWEEN %(low)s AND %(high)s
    ), open_sums AS (
        SELECT member_id, sum(remaining) AS remaining FROM open GROUP BY member_id
    ), waiting AS (
        SELECT member_id, sum(points) AS points FROM points_pending
        WHERE member_id BETWEEN %(low)s AND %(high)s GROUP BY member_id
    ), hold AS (
        SELECT h.member_id, h.seq, h.points FROM points_hold AS h
        WHERE h.member_id BETWEEN %(low)s AND %(high)s
    ), hold_sums AS (
        SELECT member_id, sum(points) AS points FROM hold GROUP BY member_id
    ), account AS (
        SELECT a.* FROM points_account AS a WHERE a.member_id BETWEEN %(low)s AND %(high)s
    ), touched AS (
        -- What became of each lot: its credit, above the debt it paid …
        SELECT
            member_id, seq, expires_on, recorded_at,
            greatest(least(points, balance_after), 0) AS points
        FROM entry WHERE lot_seq IS NULL
        UNION ALL
        -- … and all that was taken from it and given back to it.
        SELECT e.member_id, l.seq, l.expires_on, e.recorded_at, l.points
        FROM entry AS e, unnest(e.lot_seq, e.lot_points, e.lot_expires_on)
            AS l (seq, points, expires_on)
        WHERE NOT (e.kind = 'REDEEM' AND e.held <> 0)
    ), derived AS MATERIALIZED (
        SELECT
            member_id, seq, expires_on, sum(points) AS remaining, max(recorded_at) AS recorded_at
        FROM touched GROUP BY member_id, seq, expires_on
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
    WHERE (a.balance, a.pending, a.held, a.qualifying) IS DISTINCT FROM (
        coalesce(s.points, 0), coalesce(s.pending, 0), coalesce(s.held, 0),
        coalesce(s.qualifying, 0)
    )
    UNION ALL
    SELECT 'lots', coalesce(a.member_id, o.member_id), NULL
    FROM account AS a FULL JOIN open_sums AS o USING (member_id)
    WHERE coalesce(o.remaining, 0) <> greatest(coalesce(a.balance, 0), 0)
    UNION ALL
    SELECT 'waits', coalesce(a.member_id, w.member_id), NULL
    FROM account AS a FULL JOIN waiting AS w USING (member_id)
    WHERE coalesce(w.points, 0) <> coalesce(a.pending, 0)
    UNION ALL
    SELECT 'holds', coalesce(a.member_id, h.member_id), NULL
    FROM account AS a FULL JOIN hold_sums AS h USING (member_id)
    WHERE coalesce(h.points, 0) <> coalesce(a.held, 0)
    UNION ALL
    SELECT 'holds', coalesce(e.member_id, h.member_id), coalesce(e.seq, h.seq)
    FROM (
        SELECT e.member_id, e.seq, e.held FROM entry AS e
        WHERE e.kind = 'HOLD' AND NOT EXISTS (
            SELECT FROM entry AS o WHERE o.member_id = e.member_id AND o.reverses = e.seq
        )
    ) AS e FULL JOIN hold AS h USING (member_id, seq)
    WHERE coalesce(e.held, -1) <> coalesce(h.points, -1)
    UNION ALL
    SELECT 'shares', e.member_id, e.seq FROM entry AS e
    WHERE e.lot_seq IS NOT NULL
        AND (SELECT coalesce(sum(p), 0) FROM unnest(e.lot_points) AS p) <> CASE
            WHEN e.kind = 'REDEEM' AND e.held <> 0 THEN e.held
            ELSE greatest(e.balance_after, 0) - greatest(e.before, 0)
        END
    UNION ALL
    SELECT 'remaining', coalesce(d.member_id, o.member_id), coalesce(d.seq, o.seq)
    FROM derived AS d FULL JOIN open AS o USING (member_id, seq, expires_on)
    WHERE coalesce(d.remaining, -1) <> coalesce(o.remaining, 0)
    UNION ALL
    SELECT 'reinstated', o.member_id, o.seq
    FROM entry AS e JOIN entry AS o ON o.member_id = e.member_id AND o.seq = e.reverses
    WHERE e.kind = 'REINSTATE'
    GROUP BY o.member_id, o.seq, o.worth HAVING sum(e.points) > -o.worth
    UNION ALL
    SELECT 'transfers', e.member_id, e.seq FROM entry AS e
    WHERE e.kind = 'TRANSFER_OUT' AND -e.points <> (
        SELECT coalesce(sum(i.points), 0) FROM points_entry AS i
        WHERE i.member_id = e.counterpart_id AND i.kind = 'TRANSFER_IN'
            AND i.counterpart_id = e.member_id AND i.counterpart_seq = e.seq
    )
    UNION ALL
    SELECT 'transfers', e.member_id, e.seq
    FROM points_merge AS m JOIN entry AS e ON e.member_id = m.member_id AND e.seq = m.out_seq
    WHERE (-e.points, -e.pending, -e.qualifying) <> (
        SELECT
            coalesce(sum(i.points), 0)::bigint, coalesce(sum(i.pending), 0)::bigint,
            coalesce(sum(i.qualifying), 0)::bigint
        FROM points_entry AS i
        WHERE i.member_id = m.into_id AND i.seq BETWEEN m.first_seq AND m.last_seq
    )
    UNION ALL
    SELECT 'pools', e.member_id, e.seq FROM entry AS e
    WHERE (e.kind = 'POOL_OUT' OR e.kind = 'POOL_BACK' AND e.points < 0) AND -e.points <> (
        SELECT coalesce(sum(i.points), 0) FROM points_entry AS i
        WHERE i.member_id = e.counterpart_id AND i.points > 0
            AND i.kind = CASE e.kind WHEN 'POOL_OUT' THEN 'POOL_IN' ELSE e.kind END
            AND i.counterpart_id = e.member_id AND i.counterpart_seq = e.seq
    )
    UNION ALL
    SELECT 'swept', o.member_id, o.seq
    FROM open AS o JOIN derived AS d USING (member_id, seq, expires_on)
    JOIN account AS a USING (member_id)
    WHERE least(o.expires_on, a.lapses_on) < %(swept_on)s AND d.recorded_at < %(sweep_began_at)s
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
