"""
Doing the nights: each day's jobs in their order, by any number of workers, nothing twice.

State lives in tables, and nobody coordinates. A run is planned once and cut into chunks; a chunk's
work commits together with the mark that it is done. Every worker takes the first run that is open
and works on chunks nobody holds; whoever finds nothing left closes the run and goes on to the next.
A worker killed at any point leaves its chunk as it was, and the next start, which is minutes away,
goes on from there.
"""

import logging
import time
from datetime import date, datetime, timedelta
from itertools import islice

from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Max, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError as BrokerError

from common import audit, jobs
from common.errors import DomainError
from common.models import JobChunk, JobRun, User
from common.night_queries import has_a_later_run, is_at_work, progress, told

logger = logging.getLogger(__name__)

TASK = "common.nightly.work"
# Clocks of tills and servers differ a little; what they call yesterday should have come in.
BEGINS_AFTER_MIDNIGHT = timedelta(minutes=10)
# Longer ago than this, a job's next night does the rest with its own day.
MADE_UP_AT_MOST = timedelta(days=31)
# Then the worker makes room; the next start goes on. Well below the tasks' time limits.
WORKS_AT_MOST = timedelta(minutes=30)
# A start nobody took for so long: the next has been sent already.
CALL_EXPIRES = timedelta(minutes=5)
# Waiting for a till or a deadlock may end otherwise the next time; a fault does not.
ATTEMPTS_MAX = 3
ERROR_MAX = 2000
# Planning reads millions of rows but holds none: it may take longer than a request.
PLANNING_TIMEOUT = "SET LOCAL statement_timeout = '30min'"
# How many chunks are at work at once, over all processes and hosts, is the number of places there
# are to take. 72401 tells our advisory locks from others.
TAKE_A_PLACE = """
    SELECT place FROM generate_series(1, %s) AS place
    WHERE pg_try_advisory_xact_lock(72401, place) LIMIT 1
"""


# --- Working --------------------------------------------------------------------------------------


def work(*, now: datetime, called: bool = False) -> None:
    """
    Work on the nights until nothing is left that nobody else works on, or for half an hour.

    :param called: by a worker that is at it; else others are called if there is a run to go on with
    """
    _open_due(night_of(now))
    run = _first_open()
    if run is not None and run.planned_at is not None and not called:
        _call_others(run)
    deadline = time.monotonic() + WORKS_AT_MOST.total_seconds()
    while (run := _first_open()) is not None:
        if not _work_on(run, deadline):
            return


def night_of(now: datetime) -> date:
    """Return the day whose night has begun."""
    return timezone.localdate(now - BEGINS_AFTER_MIDNIGHT)


def _open_due(tonight: date) -> None:
    """Open tonight's runs, and those of the nights that were missed since the latest."""
    timetable = jobs.nightly_jobs()
    runs = JobRun.objects.filter(name__in=[job.name for job in timetable], day__lte=tonight)
    latest = runs.aggregate(day=Max("day"))["day"] or tonight
    first = max(latest, tonight - MADE_UP_AT_MOST)
    JobRun.objects.bulk_create(
        (
            JobRun(name=job.name, day=day)
            for day in (first + timedelta(days=n) for n in range((tonight - first).days + 1))
            for job in timetable
            if day == tonight or not job.upkeep
        ),
        ignore_conflicts=True,
    )


def _first_open() -> JobRun | None:
    orders = {job.name: job.order for job in jobs.nightly_jobs()}
    runs = JobRun.objects.filter(name__in=list(orders), finished_at=None, failed_at=None)
    return min(runs, key=lambda run: (run.day, orders[run.name], run.pk), default=None)


def _work_on(run: JobRun, deadline: float) -> bool:
    """Do what nobody else does of a run. Returns whether it is time to look for the next."""
    job = jobs.find(run.name)
    assert job is not None, "only runs of the timetable are opened"
    if run.planned_at is None:
        try:
            if not _plan(run, job):
                return False
        except Exception as error:
            logger.exception("%s could not be planned", run)
            _note_failed_plan(run, error)
            return True
    while time.monotonic() < deadline and _work_on_chunk(run, job):
        pass
    return _close(run, job)


def _plan(run: JobRun, job: jobs.NightlyJob) -> bool:
    """Cut a run into chunks and call the others. Returns False while somebody else does it."""
    JobRun.objects.filter(pk=run.pk, started_at=None).update(started_at=timezone.now())
    with transaction.atomic(durable=True):
        runs = JobRun.objects.select_for_update(skip_locked=True, no_key=True)
        held = runs.filter(pk=run.pk).first()
        if held is None or held.planned_at is not None:
            return held is not None
        with connection.cursor() as cursor:
            cursor.execute(PLANNING_TIMEOUT)
        held.chunk_count = _write_chunks(held, job)
        held.planned_at = timezone.now()
        held.save(update_fields=["planned_at", "chunk_count"])
    _call_others(held)
    return True


def _write_chunks(run: JobRun, job: jobs.NightlyJob) -> int:
    count = 0
    ranges = iter(job.plan(run.day))
    while batch := [JobChunk(run=run, low=low, high=high) for low, high in islice(ranges, 1000)]:
        JobChunk.objects.bulk_create(batch)
        count += len(batch)
    return count


def _note_failed_plan(run: JobRun, error: Exception) -> None:
    given_up = timezone.now() if run.attempts + 1 >= ATTEMPTS_MAX else None
    JobRun.objects.filter(pk=run.pk, planned_at=None).update(
        attempts=F("attempts") + 1, failed_at=given_up, error=_said(error)
    )


def _said(error: Exception) -> str:
    """Without what the database tells of the row it refused: that may be a person's."""
    return repr(error).split("DETAIL:")[0][:ERROR_MAX]


def _work_on_chunk(run: JobRun, job: jobs.NightlyJob) -> bool:
    """Do the next chunk nobody holds. Returns False if there is none, or enough workers are on."""
    chunk = None
    try:
        with transaction.atomic(durable=True):
            chunk = _take_chunk(run)
            if chunk is None:
                return False
            began = time.monotonic()
            done = job.do(day=run.day, low=chunk.low, high=chunk.high)
            JobChunk.objects.filter(pk=chunk.pk).update(
                done_at=timezone.now(),
                seconds=time.monotonic() - began,
                report=done.figures,
                findings=done.findings,
                error="",
            )
    except Exception as error:
        if chunk is None:
            raise
        logger.exception("%s failed from %s to %s", run, chunk.low, chunk.high)
        JobChunk.objects.filter(pk=chunk.pk, done_at=None).update(
            attempts=F("attempts") + 1, error=_said(error)
        )
    return True


def _take_chunk(run: JobRun) -> JobChunk | None:
    """Hold a place and a chunk until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_A_PLACE, [settings.NIGHT_WORKERS])
        if cursor.fetchone() is None:
            return None
    chunks = JobChunk.objects.select_for_update(skip_locked=True, no_key=True)
    free = chunks.filter(run=run, done_at=None, attempts__lt=ATTEMPTS_MAX)
    return free.order_by("attempts", "low").first()


@transaction.atomic
def _close(run: JobRun, job: jobs.NightlyJob) -> bool:
    """Write down what a run came to if every chunk is done or given up. Returns whether so."""
    held = JobRun.objects.select_for_update(no_key=True).get(pk=run.pk)
    if held.is_over:
        return True
    left = held.chunks.filter(done_at=None)
    if left.filter(attempts__lt=ATTEMPTS_MAX).exists():
        return False
    failed = left.count()
    held.report = told(held, job).report()
    held.seconds = held.chunks.aggregate(total=Sum("seconds", default=0))["total"]
    held.finished_at = None if failed else timezone.now()
    held.failed_at = timezone.now() if failed else None
    held.error = left.order_by("low").values_list("error", flat=True)[0] if failed else ""
    held.save(update_fields=["report", "seconds", "finished_at", "failed_at", "error"])
    return True


def _call_others(run: JobRun) -> None:
    call_workers(min(run.chunk_count, settings.NIGHT_WORKERS) - 1, called=True)


def call_workers(count: int, *, called: bool = False) -> None:
    """Have so many workers start now. Without Redis they start when the clock says so."""
    start = current_app.tasks[TASK].signature(kwargs={"called": called})
    try:
        for _worker in range(count):
            start.apply_async(expires=CALL_EXPIRES.total_seconds())
    except BrokerError:
        logger.warning("No worker could be called for the night", exc_info=True)


# --- Again ----------------------------------------------------------------------------------------


class JobRunning(DomainError):
    code = "job_running"
    message = _("This job is running at the moment.")


class JobNotStartable(DomainError):
    code = "job_not_startable"
    message = _("No task does this job any more.")


class NotTheLatestRun(DomainError):
    code = "not_the_latest_run"
    message = _("This day was run again since. Look at the later run.")


@transaction.atomic
def run_again(*, run_id: int, now: datetime, by: User) -> JobRun:
    """
    Have a day's job done again: what failed of it, or if nothing did, all of it by another run.

    :raises JobRunning: if a worker is at it
    :raises JobNotStartable: if this release has no such job
    :raises NotTheLatestRun: if there is another run of that day since
    """
    run = JobRun.objects.select_for_update(no_key=True).get(pk=run_id)
    if jobs.find(run.name) is None:
        raise JobNotStartable
    if has_a_later_run(run):
        raise NotTheLatestRun
    if is_at_work(run, progress([run])[run.pk], now=now):
        raise JobRunning
    if run.finished_at is not None:
        run = JobRun.objects.create(name=run.name, day=run.day, number=run.number + 1)
    else:
        _try_what_failed(run)
    audit.record(action="job.run_again", target=str(run), by=by)
    transaction.on_commit(lambda: call_workers(1))
    return run


def _try_what_failed(run: JobRun) -> None:
    run.chunks.filter(done_at=None).update(attempts=0)
    run.failed_at, run.attempts, run.error = None, 0, ""
    run.save(update_fields=["failed_at", "attempts", "error"])
