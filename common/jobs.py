"""
Nightly jobs: each runs once a day, survives kill -9, and two workers never do the same piece twice.

A job is a function of a day. Its work is cut into chunks of member ids; a chunk's work and the
mark that it is done commit together, so a second run finds only what is left.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from celery import Task, current_app
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common import audit
from common.errors import DomainError
from common.models import JobChunk, JobRun, User

logger = logging.getLogger(__name__)

# A claim older than this belonged to a worker that died; longer than any task may run.
STALE_AFTER = timedelta(hours=1)

Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NightlyJob:
    """A job as `run_night` and the replay call it: a day in, a report out."""

    name: str
    run: Callable[[date], Report]
    order: int


@dataclass(slots=True)
class _Register:
    jobs: dict[str, NightlyJob] = field(default_factory=dict)


_register = _Register()


def nightly(*, name: str, order: int) -> Callable[[Callable[..., Report]], Callable[..., Report]]:
    """Register a function `f(*, day)` as part of every night, in ascending order."""

    def decorate(function: Callable[..., Report]) -> Callable[..., Report]:
        _register.jobs[name] = NightlyJob(name, lambda day: function(day=day), order)
        return function

    return decorate


def nightly_jobs() -> list[NightlyJob]:
    """Return the night's timetable, first job first."""
    return sorted(_register.jobs.values(), key=lambda job: job.order)


def run_for_day(*, name: str, day: date, now: datetime, job: Callable[[], Report]) -> bool:
    """
    Do one day's job unless it is finished or someone else is doing it.

    The claim is a conditional UPDATE, so two workers cannot both win. A claim left by a crashed
    worker goes stale and the job is run again: jobs must be repeatable.
    """
    run, _created = JobRun.objects.get_or_create(name=name, day=day)
    unclaimed = Q(claimed_at=None) | Q(claimed_at__lt=now - STALE_AFTER)
    if not JobRun.objects.filter(unclaimed, pk=run.pk, finished_at=None).update(claimed_at=now):
        return False
    try:
        report = job()
    except Exception as error:
        # Free the claim, so that the next start does not wait for it to go stale.
        JobRun.objects.filter(pk=run.pk).update(claimed_at=None, error=repr(error)[:2000])
        raise
    JobRun.objects.filter(pk=run.pk).update(
        finished_at=timezone.now(), report=dict(report), error=""
    )
    return True


class JobRunning(DomainError):
    code = "job_running"
    message = _("This job is running at the moment.")


class JobNotStartable(DomainError):
    code = "job_not_startable"
    message = _("No task does this job any more.")


@transaction.atomic
def run_again(*, run_id: int, now: datetime, by: User) -> JobRun:
    """
    Have one day's job done once more by a worker, whether it failed or had finished.

    :raises JobRunning: if a worker holds it
    :raises JobNotStartable: if this release has no such job
    """
    run = JobRun.objects.select_for_update(no_key=True).get(pk=run_id)
    task = _task(run.name)
    if run.is_running(now - STALE_AFTER):
        raise JobRunning
    run.claimed_at = run.finished_at = None
    run.error = ""
    run.save(update_fields=["claimed_at", "finished_at", "error"])
    audit.record(action="job.run_again", target=str(run), by=by)
    transaction.on_commit(lambda: task.delay(day=run.day.isoformat()))
    return run


def _task(name: str) -> Task:
    """The Celery task `points.nightly.f` of the job `points.f`."""
    # Only workers import every room's tasks by themselves.
    current_app.loader.import_default_modules()
    room, _dot, function = name.partition(".")
    task = current_app.tasks.get(f"{room}.nightly.{function}")
    if task is None:
        raise JobNotStartable
    return task


# --- Chunks ------------------------------------------------------------------------------------

PLAN = """
    INSERT INTO common_jobchunk (job, run_key, low, high, rows)
    SELECT %(job)s, %(run_key)s, min(member_id), max(member_id), 0
    FROM (
        SELECT member_id, (row_number() OVER (ORDER BY member_id) - 1) / %(size)s AS chunk
        FROM ({members}) AS member
    ) AS numbered
    GROUP BY chunk
    -- Two workers that plan at once write in the same order and do not deadlock.
    ORDER BY chunk
    -- Work found again under a chunk that was done (a late arrival): it is done once more.
    ON CONFLICT (job, run_key, low)
    DO UPDATE SET high = greatest(common_jobchunk.high, excluded.high), done_at = NULL
"""


def plan_chunks(
    *, job: str, run_key: str, members: str, parameters: Mapping[str, Any], size: int
) -> None:
    """
    Cut the members a query finds into chunks of `size`.

    :param members: SQL that selects `member_id`, once each
    """
    with connection.cursor() as cursor:
        cursor.execute(
            PLAN.format(members=members),
            {**parameters, "job": job, "run_key": run_key, "size": size},
        )


def work_chunks(*, job: str, run_key: str, work: Callable[[int, int], int]) -> int:
    """
    Do the chunks that are left, one transaction each, and return the rows they changed.

    Any number of workers may run this at once: each takes the next chunk nobody holds.
    """
    total = 0
    while True:
        with transaction.atomic(durable=True):
            chunk = (
                JobChunk.objects.filter(job=job, run_key=run_key, done_at=None)
                .order_by("low")
                .select_for_update(skip_locked=True, no_key=True)
                .first()
            )
            if chunk is None:
                return total
            rows = work(chunk.low, chunk.high)
            JobChunk.objects.filter(pk=chunk.pk).update(
                done_at=timezone.now(), rows=F("rows") + rows
            )
        total += rows
