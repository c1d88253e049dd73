"""
kill -9 of a worker at every stage of every job of the night, and then the night again.

Each worker is a process of its own. What the database holds afterwards is compared, row by row and
table by table, with one undisturbed run over the same data.
"""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction

from common import jobs, nights
from common.models import JobRun
from points import nightly as points
from tests.common.test_nights import NIGHT
from tests.concurrency.nightly_work import DAY, ON, WORK, everything
from tests.concurrency.processes import Process, until_alone
from tiers import nightly as tiers

pytestmark = pytest.mark.concurrency

ONLY_READING = {
    "points.verify_ledger",
    "tiers.verify_counters",
    "campaigns.verify_budgets",
    "members.check_erasures",
    "benefits.verify_orders",
    "benefits.verify_stock",
}
JOBS = [job.name for job in jobs.nightly_jobs()]

# Where a worker stands when it is killed, in the order of a night: whose function, which, before or
# after its nth call.
STAGES = {
    "the runs are opened": (nights, "_open_due", "after", 1),
    "the run is started": (nights, "_write_chunks", "before", 1),
    "the plan is written, not committed": (nights, "_write_chunks", "after", 1),
    "the plan is committed": (nights, "_plan", "after", 1),
    "a chunk is taken": (nights, "_take_chunk", "after", 1),
    "a chunk is done, not committed": (jobs.NightlyJob, "do", "after", 2),
    "between two chunks": (nights, "_work_on_chunk", "after", 1),
    "all chunks are done": (nights, "_close", "before", 1),
    "the report is added up, not committed": (nights, "told", "after", 1),
    "the run is closed": (nights, "_close", "after", 1),
}


@pytest.fixture(autouse=True)
def _small_chunks(settings, monkeypatch):
    settings.NIGHT_CHUNK_MEMBERS = 2
    monkeypatch.setattr(points, "VERIFIED_AT_ONCE", 2)
    monkeypatch.setattr(tiers, "VERIFIED_AT_ONCE", 2)


def work_all(_stop=None, now=NIGHT):
    nights.work(now=now)


def stopping(module, name, when, nth, now=NIGHT):
    """Return work on the night that stands still before or after the nth call of a function."""

    def work(stop):
        function, calls = getattr(module, name), []

        def stops(*args, **kwargs):
            calls.append(name)
            if when == "before" and len(calls) == nth:
                stop()
            result = function(*args, **kwargs)
            if when == "after" and len(calls) == nth:
                stop()
            return result

        setattr(module, name, stops)
        nights.work(now=now)

    return work


def undisturbed(names, day=DAY):
    """Do the jobs here, one after the other; return reports and rows, and undo it all."""
    with transaction.atomic():
        reports = {name: jobs.find(name)(day=day) for name in names}
        rows = everything()
        transaction.set_rollback(True)
    return reports, rows


def test_there_is_work_for_every_job():
    """Whoever declares a job gives it work in nightly_work.py, and it is killed like the others."""
    assert set(WORK) == set(JOBS)


@pytest.mark.parametrize("name", JOBS)
def test_killed_at_every_stage_it_does_nothing_twice_and_misses_nothing(name, monkeypatch):
    """Each worker goes on where the one before was killed, and is killed at the next stage."""
    monkeypatch.setattr(jobs, "_register", jobs._Register({name: jobs.find(name)}))
    WORK[name]()
    day = ON.get(name, DAY)
    now = NIGHT + (day - DAY)
    before = everything()
    reports, rows = undisturbed([name], day)
    assert everything() == before, "the comparison left something behind"
    assert rows != before or name in ONLY_READING, "there was nothing to do"

    for stage, where in STAGES.items():
        worker = Process(stopping(*where, now=now))
        assert worker.stopped(), f"it never came to where {stage}"
        worker.kill()
        over = JobRun.objects.get(name=name, day=day).is_over
        assert over is (stage == "the run is closed"), stage

    run = JobRun.objects.get(name=name, day=day)
    assert run.finished_at is not None
    assert run.chunk_count >= 3
    assert run.report == reports[name]
    assert everything() == rows

    Process(partial(work_all, now=now)).end()
    assert everything() == rows


def dying_after(statements):
    """Return work on the night that stands still after so many statements."""

    def work(stop):
        left = iter(range(statements))

        def counting(execute, *args):
            result = execute(*args)
            if next(left, None) is None:
                stop()
            return result

        with connection.execute_wrapper(counting):
            nights.work(now=NIGHT)

    return work


def test_a_whole_night_killed_again_and_again_ends_like_any_other():
    """Each worker lives one statement longer than the one before, until one lives to the end."""
    for give_work in WORK.values():
        give_work()
    reports, rows = undisturbed(JOBS)

    kills = 0
    while (worker := Process(dying_after(kills))).stopped():
        worker.kill()
        kills += 1
    worker.end()

    assert kills > 20
    runs = {run.name: run.report for run in JobRun.objects.filter(day=DAY, name__in=JOBS)}
    assert runs == reports
    assert everything() == rows
    assert not JobRun.objects.filter(name__in=JOBS, finished_at=None).exists()


def test_three_nights_missed_end_like_one(monkeypatch):
    """The days in between are made up, and their rows are those of one night that took it all."""
    name = "points.expire_due_lots"
    monkeypatch.setattr(jobs, "_register", jobs._Register({name: jobs.find(name)}))
    nights.work(now=NIGHT - timedelta(days=3))
    WORK[name]()
    _reports, rows = undisturbed([name])

    worker = Process(stopping(jobs.NightlyJob, "do", "after", 2))
    assert worker.stopped()
    worker.kill()
    Process(work_all).end()

    days = JobRun.objects.filter(failed_at=None).exclude(finished_at=None).values_list("day")
    assert sorted(days) == [(DAY - timedelta(days=n),) for n in (3, 2, 1, 0)]
    assert everything() == rows


class TestAWorkerThatHoldsAChunk:
    @pytest.fixture(autouse=True)
    def _one_job(self, monkeypatch, settings):
        settings.NIGHT_WORKERS = 2
        name = "points.expire_due_lots"
        monkeypatch.setattr(jobs, "_register", jobs._Register({name: jobs.find(name)}))
        monkeypatch.setattr(nights, "_call_others", lambda run: None)
        WORK[name]()

    def test_is_not_waited_for_and_closes_the_run_itself(self):
        holder = Process(stopping(jobs.NightlyJob, "do", "after", 1))
        assert holder.stopped()

        Process(work_all).end()

        run = JobRun.objects.get()
        assert (run.is_over, run.chunks.filter(done_at=None).count()) == (False, 1)
        holder.go_on()
        holder.end()
        run.refresh_from_db()
        assert run.finished_at is not None
        until_alone()

    def test_and_dies_leaves_it_to_the_next(self):
        _reports, rows = undisturbed(["points.expire_due_lots"])
        holder = Process(stopping(jobs.NightlyJob, "do", "after", 1))
        assert holder.stopped()
        Process(work_all).end()
        holder.kill()

        Process(work_all).end()

        assert JobRun.objects.get().finished_at is not None
        assert everything() == rows
