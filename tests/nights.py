"""Doing one job's day as the night does it."""

from datetime import date

from common import nights
from common.jobs import NightlyJob
from common.models import JobRun

FOREVER = float("inf")


def done(job: NightlyJob, *, day: date) -> JobRun:
    """Work on a job's run of a day until nothing is left that can be done, and return it."""
    run, _created = JobRun.objects.get_or_create(name=job.name, day=day)
    while not run.is_over and nights._work_on(run, FOREVER):
        run.refresh_from_db()
    return run
