"""The night: how fast lapsed lots go, and what the tills notice of it."""

import math
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from statistics import median

from django import db

from benchmarks import callers, server
from benchmarks.callers import Callers
from benchmarks.measuring import Aim, Bench, Row, Run
from benchmarks.pgbench import OpenLoop, Pgbench
from benchmarks.scripts import scripts
from common import nights
from common.jobs import NightlyJob
from common.models import JobRun
from partners.models import Store
from points import nightly

OVER_RAW = Aim(6)
OVER_ORM_LOOP = Aim(300)
P99_MEANWHILE = Aim(1.5, at_most=True)

# Modest, so that what a till waits for is the night and not the other tills.
TILLS_PER_SECOND = 200
EARNS, REDEMPTIONS = 7, 3
# A turn of the tills, in turns of the other loads: the slowest in a hundred must be many.
TILLS_TURNS = 5


class ExpiryOfADay:
    """One worker writes off what lapses on one more day: each time one lot of each member."""

    name = "expiry, lots by one worker"

    def __init__(self, days: list[date]) -> None:
        self._days = iter(days)

    def run(self, seconds: float) -> Run:
        """Run to the day's end, however long it takes."""
        day = next(self._days)
        start, worked = time.monotonic(), time.process_time()
        lots = do(nightly.expire_due_lots, day=day).report["lots"]
        return Run(lots, time.monotonic() - start, time.process_time() - worked)


def measure(bench: Bench, store: Store) -> list[Row]:
    options = bench.options
    days = due_days()
    if len(days) < options.rounds + 1:
        raise SystemExit("The night needs more lots than there are rounds: say more, as in lots=10")
    raw = Pgbench("raw", scripts(store)["raw"], members=options.members, clients=options.clients)
    with Callers(callers.PLAIN, options, clients=1) as plain:
        results = bench.take_turns(
            yardstick=raw,
            loads=[
                (ExpiryOfADay(days), OVER_RAW),
                (plain.load("expiry, lots by a plain ORM loop", "expire"), None),
            ],
            warm=False,
        )
    expiry, loop = results
    return [
        *(result.row() for result in results),
        expiry.over(loop, OVER_ORM_LOOP),
        _tills_meanwhile(bench, store, days),
    ]


def do(job: NightlyJob, *, day: date) -> JobRun:
    """Plan a job's day if nobody has, and do what is left of it, as a worker does."""
    run, _created = JobRun.objects.get_or_create(name=job.name, day=day)
    while not run.is_over:
        nights._work_on(run, deadline=math.inf)
        run.refresh_from_db()
    return run


def due_days() -> list[date]:
    """The days after those on which lots of the ledger lapse, soonest first."""
    with server.cursor() as cursor:
        cursor.execute("SELECT DISTINCT expires_on FROM points_lot ORDER BY 1")
        return [last_day + timedelta(days=1) for (last_day,) in cursor.fetchall()]


@contextmanager
def worker(days: list[date]) -> Iterator[multiprocessing.Process]:
    """A worker beside us that does one day's night after the other, until it is killed."""
    db.connections.close_all()  # a child must not share them
    process = multiprocessing.get_context("fork").Process(target=_work, args=(days,), daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def _work(days: list[date]) -> None:
    # The server may be made to fall down while we work (benchmarks.proof).
    with suppress(db.Error):
        for day in days:
            do(nightly.expire_due_lots, day=day)


def _tills_meanwhile(bench: Bench, store: Store, days: list[date]) -> Row:
    script = scripts(store)
    options = bench.options
    tills = OpenLoop(
        [(script["earn"], EARNS), (script["redeem"], REDEMPTIONS)],
        members=options.members,
        clients=options.clients,
        rate=TILLS_PER_SECOND,
    )
    seconds = options.seconds * TILLS_TURNS
    tills.latencies_ms(1)
    alone, meanwhile = [], []
    for _ in range(options.rounds):
        alone.append(_p99(tills.latencies_ms(seconds)))
        with worker(days) as night:
            meanwhile.append(_p99(tills.latencies_ms(seconds)))
            if not night.is_alive():
                bench.say("  the night ended before the tills did: too few lots for its length")
    ratios = [during / without for during, without in zip(meanwhile, alone, strict=True)]
    bench.say(f"  tills' p99 in ms without and with the night: {alone}, {meanwhile}")
    return Row(
        name="tills' p99 while the night runs, to without it",
        to="tills alone",
        ratio=median(meanwhile) / median(alone),
        aim=P99_MEANWHILE,
        lowest=min(ratios),
        highest=max(ratios),
    )


def _p99(latencies: list[float]) -> float:
    return latencies[len(latencies) * 99 // 100]
