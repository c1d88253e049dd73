"""
The proof of standings: derive everything from the journal and the ledger and compare.

  gathered   a day's points, spend and purchases are what the purchases of that day are still worth,
             its interactions, events and referrals what the journal says was counted as one
  standing   the earned tier is what the days and what was granted make of it; the shown one is the
             last decision's
  merge      whose days count with a member's are those whose accounts were merged into theirs

Points that moved with a merged account are left out: what they were gathered by stands in the
journal of the member who did it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from django.conf import settings
from django.db import connection

from tiers import queries
from tiers.models import LadderTerms, Standing
from tiers.operations import judged_anew_by_range

BIGGEST = 2**63 - 1

DIFFERENCES = """
    WITH event AS MATERIALIZED (
        SELECT
            a.id, a.member_id, a.kind, coalesce(a.original_id, a.id) AS source, a.amount,
            a.explanation ->> 'counts' AS counts,
            (coalesce(o.occurred_at, a.occurred_at) AT TIME ZONE %(zone)s)::date AS day
        FROM points_activity AS a
        LEFT JOIN points_activity AS o ON o.id = a.original_id
        LEFT JOIN tiers_ladderterms AS t ON t.version_id = a.version_id
        WHERE (t.version_id IS NOT NULL OR EXISTS (
            SELECT FROM tiers_beginning AS b
            WHERE (coalesce(o.occurred_at, a.occurred_at) AT TIME ZONE %(zone)s)::date
                BETWEEN b.counts_from AND b.day - 1
        )) AND a.member_id BETWEEN %(low)s AND %(high)s AND NOT EXISTS (
            SELECT FROM points_merge AS m
            WHERE a.member_id IN (m.member_id, m.into_id) AND m.unmerged_at IS NULL
        )
    ), worth AS (
        SELECT e.activity_id, sum(e.qualifying) AS points
        FROM points_entry AS e
        WHERE e.member_id BETWEEN %(low)s AND %(high)s AND e.activity_id IS NOT NULL
        GROUP BY e.activity_id
    ), source AS (
        SELECT
            event.member_id, event.day, event.source, coalesce(sum(worth.points), 0) AS points,
            sum(CASE event.kind WHEN 'PURCHASE' THEN event.amount WHEN 'RETURN' THEN -event.amount
                ELSE 0 END) AS spend,
            bool_or(event.kind = 'PURCHASE') AS bought, bool_or(event.kind = 'RETURN') AS returned,
            max(event.counts) AS counts
        FROM event LEFT JOIN worth ON worth.activity_id = event.id
        GROUP BY event.member_id, event.day, event.source
    ), derived AS (
        SELECT
            member_id, day, sum(points) AS points, sum(spend) AS spend,
            count(*) FILTER (WHERE bought AND NOT (returned AND spend = 0)) AS purchases,
            count(*) FILTER (WHERE counts = 'interactions') AS interactions,
            count(*) FILTER (WHERE counts = 'events') AS events,
            count(*) FILTER (WHERE counts = 'referrals') AS referrals
        FROM source GROUP BY member_id, day
    )
    SELECT coalesce(g.member_id, d.member_id), coalesce(g.day, d.day)
    FROM (
        SELECT g.* FROM tiers_gathered AS g
        WHERE g.member_id BETWEEN %(low)s AND %(high)s AND NOT EXISTS (
            SELECT FROM points_merge AS m
            WHERE g.member_id IN (m.member_id, m.into_id) AND m.unmerged_at IS NULL
        )
    ) AS g
    FULL JOIN derived AS d USING (member_id, day)
    WHERE (
        coalesce(g.points, 0), coalesce(g.spend, 0), coalesce(g.purchases, 0),
        coalesce(g.interactions, 0), coalesce(g.events, 0), coalesce(g.referrals, 0)
    ) IS DISTINCT FROM (
        coalesce(d.points, 0), coalesce(d.spend, 0), coalesce(d.purchases, 0),
        coalesce(d.interactions, 0), coalesce(d.events, 0), coalesce(d.referrals, 0)
    )
    ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Difference:
    what: str
    member_id: int
    day: date | None = None


@dataclass(slots=True)
class Report:
    members: int = 0
    differences: list[Difference] = field(default_factory=list)


def ranges(*, size: int) -> Iterator[tuple[int, int]]:
    """
    Ranges of member ids with so many standings each. They leave no gap: whose standing is missing
    is to be found, too.
    """
    if not LadderTerms.objects.exists():
        return
    ids = Standing.objects.order_by("pk").values_list("pk", flat=True)
    low = 1
    while high := ids.filter(pk__gte=low)[size - 1 : size].first():
        yield low, high
        low = high + 1
    yield low, BIGGEST


def verify(*, low: int, high: int) -> Report:
    """Compare one range of members. It reads one moment for the days, another for standings."""
    report = Report()
    with connection.cursor() as cursor:
        cursor.execute(DIFFERENCES, {"low": low, "high": high, "zone": settings.TIME_ZONE})
        for member_id, day in cursor.fetchall():
            report.differences.append(Difference("gathered", member_id, day))
    for held, course in judged_anew_by_range(low=low, high=high):
        report.members += 1
        if course.state != held.state:
            report.differences.append(Difference("standing", held.member_id))
    for member_id in queries.shown_otherwise(low=low, high=high):
        report.differences.append(Difference("decision", member_id))
    for member_id in queries.linked_otherwise(low=low, high=high):
        report.differences.append(Difference("merge", member_id))
    return report
