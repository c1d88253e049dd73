"""The review of tiers: a night in which everybody's period ends and nobody moves."""

import time
from copy import deepcopy
from datetime import date, timedelta

from django.utils import timezone

from benchmarks import server
from benchmarks.measuring import Aim, Bench, Row, Run
from benchmarks.night import do
from partners.models import Store
from programme import documents, operations, queries
from programme.management.commands.load_programme import SHIPPED
from tiers import nightly

OVER_UPDATE = Aim(0.5)
KEEPS = 100
TIERS = {
    "window": {"months": 24},
    "levels": [
        {"code": "regular", "names": {"zh-hans": "普通"}, "color": "#9aa0a6"},
        {
            "code": "silver",
            "names": {"zh-hans": "银卡"},
            "color": "#9aa0a6",
            "upgrade": {"measure": "points", "at_least": "1000"},
            "keep": {"measure": "points", "at_least": str(KEEPS)},
            "validity": {"months": 1, "until": "month_end"},
        },
    ],
}

STANDINGS = """
    INSERT INTO tiers_standing (
        member_id, level, earned, manual, since, period_from, valid_until, review_on, judged_on,
        guests
    )
    SELECT g, 'silver', 'silver', '', %(day)s, %(day)s + 1, %(last)s, %(last)s + 1, %(day)s, '{}'
    FROM generate_series(1, %(members)s) AS g
"""
GATHERED = """
    INSERT INTO tiers_gathered (
        member_id, day, points, spend, purchases, interactions, events, referrals
    )
    SELECT g, %(day)s + n * 7, 60, 600, 1, 0, 0, 0
    FROM generate_series(1, %(members)s) AS g, generate_series(0, 2) AS n
"""

# What a review would be if nobody needed to know of it: no decision, no evidence, no other tier.
UPDATE = """
    UPDATE tiers_standing AS s SET
        period_from = s.valid_until + 1,
        valid_until = (date_trunc('month', s.valid_until + 1) + interval '1 month - 1 day')::date,
        review_on = (date_trunc('month', s.valid_until + 1) + interval '1 month')::date,
        judged_on = s.review_on
    FROM (
        SELECT g.member_id, sum(g.points) AS points FROM tiers_gathered AS g
        WHERE g.day >= %(since)s GROUP BY g.member_id
    ) AS gathered
    WHERE gathered.member_id = s.member_id AND gathered.points >= %(keeps)s
        AND s.review_on <= %(day)s
"""


class HandWritten:
    name = "one UPDATE"

    def run(self, seconds: float) -> Run:
        """Once, however long it takes."""
        with server.cursor() as cursor:
            day = _next_review(cursor)
            start = time.monotonic()
            asked = {"day": day, "since": day - timedelta(days=731), "keeps": KEEPS}
            cursor.execute(UPDATE, asked)
            return Run(cursor.rowcount, time.monotonic() - start)


class Review:
    name = "review of tiers, members kept by one worker"

    def run(self, seconds: float) -> Run:
        """The night's job, to its end."""
        with server.cursor() as cursor:
            day = _next_review(cursor)
        start, worked = time.monotonic(), time.process_time()
        report = do(nightly.review_standings, day=day).report
        if report["kept"] != report["members"]:
            raise SystemExit("Somebody moved, though all have earned their tier.")
        return Run(report["kept"], time.monotonic() - start, time.process_time() - worked)


def measure(bench: Bench, _store: Store) -> list[Row]:
    _seed(bench.options.members)
    results = bench.take_turns(yardstick=HandWritten(), loads=[(Review(), OVER_UPDATE)], warm=False)
    return [result.row() for result in results]


def _seed(members: int) -> None:
    """Tiers from tomorrow on: what else is measured today has none."""
    with server.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM tiers_standing)")
        if cursor.fetchone()[0]:
            return
        day = timezone.localdate() + timedelta(days=1)
        document = deepcopy(documents.parse((SHIPPED / "plain.yaml").read_text()))
        document |= {"tiers": TIERS, "valid_from": day.isoformat()}
        operations.load(document=document, published_at=timezone.now())
        queries.forget_cached()
        last = (day.replace(day=1) + timedelta(days=62)).replace(day=1) - timedelta(days=1)
        asked = {"members": members, "day": day, "last": last}
        cursor.execute(STANDINGS, asked)
        cursor.execute(GATHERED, asked)
        cursor.execute("VACUUM ANALYZE tiers_standing")
        cursor.execute("VACUUM ANALYZE tiers_gathered")


def _next_review(cursor) -> date:
    cursor.execute("SELECT min(review_on) FROM tiers_standing")
    return cursor.fetchone()[0]
