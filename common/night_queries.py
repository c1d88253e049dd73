"""How the nights went: what the console asks. Never writes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Max, Q, Sum, TextChoices
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common import jobs
from common.models import JobChunk, JobRun

# No sign of life for so long: whoever worked on it was stopped.
STOPPED_AFTER = timedelta(minutes=10)

FIGURES = """
    SELECT figure.key, sum(figure.value::bigint)
    FROM common_jobchunk AS chunk, jsonb_each_text(chunk.report) AS figure
    WHERE chunk.run_id = %s
    GROUP BY figure.key
"""


def told(run: JobRun, job: jobs.NightlyJob) -> jobs.Done:
    """Add up what the chunks of a run came to, whoever did them."""
    total = job.nothing()
    with connection.cursor() as cursor:
        cursor.execute(FIGURES, [run.pk])
        total.figures.update({name: int(figure) for name, figure in cursor.fetchall()})
    speaking = run.chunks.exclude(findings=[]).order_by("low")[: jobs.FINDINGS_MAX]
    for findings in speaking.values_list("findings", flat=True):
        total.add(jobs.Done({}, findings))
    return total


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: chunks done, chunks that failed and are not done, the last sign of life."""

    done: int = 0
    failing: int = 0
    seconds: float = 0
    slowest: float = 0
    latest_at: datetime | None = None


def progress(runs: Iterable[JobRun]) -> dict[int, Progress]:
    """Count the chunks of runs, by their ids, in one query."""
    ids = [run.pk for run in runs]
    if not ids:
        return {}
    counted = (
        JobChunk.objects.filter(run__in=ids)
        .order_by()
        .values("run")
        .annotate(
            done=Count("pk", filter=~Q(done_at=None)),
            failing=Count("pk", filter=Q(done_at=None, attempts__gt=0)),
            worked=Sum("seconds"),
            slowest=Max("seconds"),
            latest_at=Max("done_at"),
        )
    )
    found = {
        row["run"]: Progress(
            row["done"], row["failing"], row["worked"], row["slowest"], row["latest_at"]
        )
        for row in counted
    }
    return {run_id: found.get(run_id, Progress()) for run_id in ids}


def is_at_work(run: JobRun, far: Progress, *, now: datetime) -> bool:
    """Whether somebody works on it, judged by the last sign of life."""
    signs = [at for at in (run.started_at, run.planned_at, far.latest_at) if at is not None]
    return not run.is_over and bool(signs) and max(signs) >= now - STOPPED_AFTER


class State(TextChoices):
    """What to say of a run; the console's colors are in `LABELS`."""

    FINISHED = "finished", _("Finished")
    ALARMING = "alarming", _("Alarm")
    FAILED = "failed", _("Failed")
    WORKING = "working", _("Running")
    STOPPED = "stopped", _("Interrupted")
    WAITING = "waiting", _("Waiting")


LABELS = {
    State.FINISHED: "success",
    State.ALARMING: "danger",
    State.FAILED: "danger",
    State.WORKING: "info",
    State.STOPPED: "warning",
    State.WAITING: "",
}


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run as people look at it. A run whose job this release does not have has no `job`."""

    run: JobRun
    job: jobs.NightlyJob | None
    far: Progress
    state: State

    @property
    def title(self) -> str:
        return str(self.job.title) if self.job else gettext(self.run.name)

    @property
    def label(self) -> str:
        """The color of its state."""
        return LABELS[self.state]

    @property
    def done(self) -> int:
        """Chunks that are done. Those of a finished run may be forgotten by now."""
        return self.run.chunk_count if self.run.finished_at else self.far.done

    @property
    def percent(self) -> int:
        return 100 * self.done // self.run.chunk_count if self.run.chunk_count else 0

    def figures(self, report: dict[str, Any]) -> list[tuple[str, int]]:
        """What the report says, in words, in the order the job declares."""
        words = self.job.figures if self.job else {}
        names = [*words, *(name for name in report if name not in words)]
        return [
            (str(words.get(name, name)), report[name])
            for name in names
            if name in report and name != "findings"
        ]


def see(runs: Iterable[JobRun], *, now: datetime) -> list[SeenRun]:
    """Look at runs, in one query for all that are not finished."""
    runs = list(runs)
    far = progress(run for run in runs if run.planned_at and run.finished_at is None)
    return [see_one(run, far.get(run.pk, Progress()), now=now) for run in runs]


def see_one(run: JobRun, far: Progress, *, now: datetime) -> SeenRun:
    job = jobs.find(run.name)
    return SeenRun(run, job, far, _state(run, job, far, now))


def _state(run: JobRun, job: jobs.NightlyJob | None, far: Progress, now: datetime) -> State:
    if run.failed_at is not None:
        return State.FAILED
    if run.finished_at is not None:
        return State.ALARMING if job and run.report.get(job.alarm) else State.FINISHED
    if run.started_at is None:
        return State.WAITING
    return State.WORKING if is_at_work(run, far, now=now) else State.STOPPED


def latest_finished(name: str, *, day: date) -> JobRun | None:
    """Return the latest run of a job that was finished up to a day."""
    runs = JobRun.objects.filter(name=name, day__lte=day, finished_at__isnull=False)
    return runs.order_by("-day", "-number").first()


def has_a_later_run(run: JobRun) -> bool:
    """Whether the same day was run again since."""
    return JobRun.objects.filter(name=run.name, day=run.day, number__gt=run.number).exists()
