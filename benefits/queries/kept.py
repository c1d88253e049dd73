"""What was promised and what members got, for those who answer for it (B2)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from django.db import connection


class By(StrEnum):
    ALL = "all"
    TIER = "tier"
    BENEFIT = "benefit"
    DEALER = "dealer"


@dataclass(frozen=True, slots=True)
class Kept:
    """
    Of the rights granted in a period: how many, and what became of them until now.

    `of`: the code of a tier or benefit, the name of a dealer; empty: no store had to do with it.
    `cost` of what was delivered, `failures_cost` of the rights that made up for failures, both in
    the programme's currency; `failures_points`: points that made up for them. `stars`: on average.
    """

    by: By
    of: str
    promised: int
    delivered: int
    open: int
    lapsed: int
    ended: int
    failed: int
    made_up_for: int
    cost: Decimal
    failures_points: int
    failures_cost: Decimal
    stars: Decimal | None

    @property
    def percent(self) -> int:
        """Of what was promised, what was delivered."""
        return self.delivered * 100 // self.promised if self.promised else 0

    @property
    def failed_percent(self) -> int:
        return -(-self.failed * 100 // self.promised) if self.promised else 0


# One reading of the rights of a period answers all four questions. What made up for another right
# is no promise of its own; what was told by mistake, or came twice by a merge, was none.
KEPT = """
    SELECT
        CASE
            WHEN grouping(r.level) = 0 THEN 'tier'
            WHEN grouping(r.benefit) = 0 THEN 'benefit'
            WHEN grouping(o.name) = 0 THEN 'dealer'
            ELSE 'all'
        END,
        coalesce(r.level, r.benefit, o.name, ''),
        count(*),
        count(*) FILTER (WHERE r.state IN ('DELIVERED', 'RATED')),
        count(*) FILTER (WHERE r.state IN ('GRANTED', 'BOOKED')),
        count(*) FILTER (WHERE r.state = 'LAPSED'),
        count(*) FILTER (WHERE r.state = 'ENDED'),
        count(*) FILTER (WHERE r.state IN ('FAILED', 'COMPENSATED')),
        count(*) FILTER (WHERE r.state = 'COMPENSATED'),
        coalesce(sum(r.cost) FILTER (WHERE r.state IN ('DELIVERED', 'RATED')), 0),
        coalesce(sum(r.compensated_points), 0),
        coalesce(sum(c.cost) FILTER (WHERE c.state IN ('DELIVERED', 'RATED')), 0),
        avg(g.stars)
    FROM benefits_right AS r
    LEFT JOIN partners_store AS s ON s.id = r.store_id
    LEFT JOIN partners_organization AS o ON o.id = s.organization_id
    LEFT JOIN benefits_right AS c ON c.compensates_id = r.id
    LEFT JOIN benefits_rating AS g ON g.right_id = r.id
    WHERE r.granted_on BETWEEN %(first)s AND %(last)s AND r.compensates_id IS NULL
        AND r.ended NOT IN ('UNDONE', 'MERGED')
    GROUP BY GROUPING SETS ((r.level), (r.benefit), (o.name), ())
    ORDER BY 1, count(*) DESC, 2
"""


def kept(first: date, last: date) -> list[Kept]:
    """What became of the rights granted from one day to another, both inclusive."""
    with connection.cursor() as cursor:
        cursor.execute(KEPT, {"first": first, "last": last})
        return [Kept(By(by), *rest) for by, *rest in cursor.fetchall()]
