"""The nights in which a month begins: everybody's rights lapse and are granted anew."""

import time
from collections.abc import Iterator
from copy import deepcopy
from datetime import date, timedelta

from django.db.models import Max
from django.utils import timezone

from benchmarks import server
from benchmarks.measuring import Aim, Bench, Row, Run
from benchmarks.night import do
from benchmarks.tiers import TIERS
from benefits.models import Right
from benefits.nightly import rights as nightly
from partners.models import Store
from programme import documents, operations, queries
from programme.management.commands.load_programme import SHIPPED

OVER_INSERT = Aim(0.5)
OVER_UPDATE = Aim(0.5)
BENEFITS = {
    "of_tiers": [
        {
            "code": "wash",
            "names": {"zh-hans": "洗车"},
            "source": "own",
            "kind": "service",
            "cost": "10",
            "tiers": {level["code"]: {"month": 1} for level in TIERS["levels"]},
        }
    ]
}

# What granting would be if nobody's tier, birthday or joining with another mattered.
INSERT = """
    WITH granted AS (
        INSERT INTO benefits_right (
            member_id, benefit, period, ordinal, level, version_id, state, ended, steps, granted_on,
            last_on, on_demand, cost
        )
        SELECT g, 'by-hand', %(period)s, 1, 'regular', %(version)s, 'GRANTED', '', 1, %(day)s,
            %(last)s, false, 10
        FROM generate_series(1, %(members)s) AS g
        RETURNING id
    )
    INSERT INTO benefits_step (right_id, nth, kind, at, proof, reason, note)
    SELECT id, 1, 'GRANTED', now(), '', '', '' FROM granted
"""
UPDATE = """
    WITH lapsed AS (
        UPDATE benefits_right SET state = 'LAPSED', steps = 2
        WHERE benefit = 'by-hand' AND state = 'GRANTED' AND last_on < %(day)s
        RETURNING id
    )
    INSERT INTO benefits_step (right_id, nth, kind, at, proof, reason, note)
    SELECT id, 2, 'LAPSED', now(), '', '', '' FROM lapsed
"""


class Bare:
    """A statement of one's own, once, however long it takes."""

    def __init__(self, name: str, statement: str, months: Iterator[date], members: int) -> None:
        self.name = name
        self._statement, self._months, self._members = statement, months, members

    def run(self, seconds: float) -> Run:
        day = next(self._months)
        asked = {
            "day": day,
            "last": _next(day) - timedelta(days=1),
            "period": f"{day:%Y-%m}",
            "members": self._members,
            "version": queries.rulebook_on(day).id,
        }
        with server.cursor() as cursor:
            start = time.monotonic()
            cursor.execute(self._statement, asked)
            return Run(cursor.rowcount, time.monotonic() - start)


class Night:
    """One of the night's jobs, to its end."""

    def __init__(self, name: str, job, months: Iterator[date], members: int) -> None:
        self.name = name
        self._job, self._months, self._members = job, months, members

    def run(self, seconds: float) -> Run:
        start, worked = time.monotonic(), time.process_time()
        done = do(self._job, day=next(self._months)).report["rights"]
        if done != self._members:
            raise SystemExit(f"{self.name}: {done:,} rights of {self._members:,} members")
        return Run(done, time.monotonic() - start, time.process_time() - worked)


def measure(bench: Bench, _store: Store) -> list[Row]:
    begins = _seed()
    members = bench.options.members
    with server.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM members_member WHERE status = 'ACTIVE'")
        members = cursor.fetchone()[0]

    def months() -> Iterator[date]:
        """Each turn one, from the first that begins under the rules with benefits."""
        day = begins
        while True:
            yield day
            day = _next(day)

    results = []
    for name, job, yardstick, statement, aim in (
        ("rights granted by one worker", nightly.grant_rights, "one INSERT", INSERT, OVER_INSERT),
        # Each turn those of the month before: all are granted by now.
        ("rights lapsed by one worker", nightly.lapse_rights, "one UPDATE", UPDATE, OVER_UPDATE),
    ):
        theirs, ours = months(), months()
        if job is nightly.lapse_rights:
            next(theirs), next(ours)
        results += bench.take_turns(
            yardstick=Bare(yardstick, statement, theirs, members),
            loads=[(Night(name, job, ours, members), aim)],
            warm=False,
        )
    return [result.row() for result in results]


def _next(day: date) -> date:
    """The first day of the month after."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _seed() -> date:
    """Rules with benefits, after all that was measured before; the first month under them."""
    known = [rulebook.valid_from for rulebook in queries.rulebooks()]
    granted = Right.objects.aggregate(latest=Max("granted_on"))["latest"]
    day = max(*known, timezone.localdate(), granted or date.min) + timedelta(days=1)
    document = deepcopy(documents.parse((SHIPPED / "plain.yaml").read_text()))
    document |= {"tiers": TIERS, "benefits": BENEFITS, "valid_from": day.isoformat()}
    operations.load(document=document, published_at=timezone.now())
    queries.forget_cached()
    return _next(day)
