"""
What the journal and the ledger say budgets paid, against what lies in their slices: the proof.

Slices are a cache, made to be spent by many at once. Caps need no proof: what was used of one is
read from the journal each time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from points.models import WITH_PURSE

# Budgets are shared out by their codes among those who look through the journal at once.
BUCKETS = 4

# One statement, so that all of it is of one moment: slices are spent in the transaction that writes
# the journal. A return tells how much of what was paid it gives back.
SPENT = f"""
    WITH paid AS (
        SELECT each.key AS code,
            each.value::bigint * CASE a.kind WHEN 'RETURN' THEN -1 ELSE 1 END AS points
        FROM points_activity AS a
        CROSS JOIN LATERAL jsonb_each_text(
            a.explanation -> CASE a.kind WHEN 'RETURN' THEN 'freed' ELSE 'budgets' END
        ) AS each
        WHERE a.{WITH_PURSE}
        UNION ALL
        SELECT c.code, e.points
        FROM campaigns_campaign AS c
        JOIN campaigns_gift AS g ON g.version_id = c.version_id AND g.code = ANY (c.of)
        JOIN points_entry AS e ON e.reference >= 'gift:' || g.code || ':'
            AND e.reference < 'gift:' || g.code || ';' AND e.kind = 'EARN'
            AND e.version_id = c.version_id
        WHERE c.points IS NOT NULL
            -- What is converted at a year's end belongs to its last day.
            AND (e.effective_at AT TIME ZONE %(zone)s)::date - (g."when" = 'year_end')::int
                BETWEEN c.first_day AND c.last_day
    ), derived AS (
        SELECT paid.code, sum(paid.points)::bigint AS points FROM paid GROUP BY paid.code
    ), held AS (
        SELECT p.code, p.points - coalesce(sum(s.remaining), 0)::bigint AS points
        FROM campaigns_budgetpurse AS p
        LEFT JOIN campaigns_budgetslice AS s ON s.purse_id = p.code
        GROUP BY p.code
    )
    SELECT coalesce(h.code, d.code), coalesce(h.points, 0), coalesce(d.points, 0)
    FROM held AS h FULL JOIN derived AS d ON d.code = h.code
    WHERE abs(hashtext(coalesce(h.code, d.code))::bigint) %% {BUCKETS} BETWEEN %(low)s AND %(high)s
    ORDER BY 1
"""  # noqa: S608 - our own condition


@dataclass(frozen=True, slots=True)
class Spent:
    """Points that a budget has paid: by its slices, and by what was written down."""

    code: str
    held: int
    derived: int

    @property
    def differs(self) -> bool:
        return self.held != self.derived


def spent(*, low: int = 0, high: int = BUCKETS - 1) -> Iterator[Spent]:
    """Every budget that ever paid, or has a purse; of some of the buckets their codes fall into."""
    with connection.cursor() as cursor:
        cursor.execute(SPENT, {"zone": settings.TIME_ZONE, "low": low, "high": high})
        for row in cursor.fetchall():
            yield Spent(*row)
