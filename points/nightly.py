"""Whole-programme work on the ledger, set by set. Never called by a request."""

import logging
from collections.abc import Iterator
from datetime import date, timedelta

from common import jobs
from common.models import JobRun
from points import operations, verification

logger = logging.getLogger(__name__)

# Members per transaction. Measured elsewhere on this design: at 500 a till's p99 goes from 5 to
# 7 ms while the night runs, at 5,000 to 20 ms, at 50,000 to half a second.
CHUNK_MEMBERS = 500

# A credit recorded this long before a sweep began had been committed by then, so the sweep saw it.
# Imports go on after the night: what they bring may have lapsed years ago and waits for the next.
UNCOMMITTED_FOR = timedelta(hours=1)

DUE_MEMBERS = "SELECT DISTINCT member_id FROM points_lot WHERE expires_on < %(day)s"


@jobs.nightly(name="points.expire_due_lots", order=10)
def expire_due_lots(*, day: date) -> dict[str, int]:
    """Write off every lot whose last day is before `day`. Any number of workers may run it."""
    run_key = day.isoformat()
    jobs.plan_chunks(
        job="points.expire_due_lots",
        run_key=run_key,
        members=DUE_MEMBERS,
        parameters={"day": day},
        size=CHUNK_MEMBERS,
    )
    report = {"members": 0, "lots": 0, "points": 0}

    def expire_chunk(low: int, high: int) -> int:
        members, lots, points = operations.expire(low=low, high=high, on=day)
        report["members"] += members
        report["lots"] += lots
        report["points"] += points
        return lots

    jobs.work_chunks(job="points.expire_due_lots", run_key=run_key, work=expire_chunk)
    return report


def verify_ledger(*, day: date) -> dict[str, int]:
    """Derive every balance anew and raise the alarm at the first difference."""
    report = verification.Report()
    for _members in differences_by_range(report=report, day=day):
        pass
    if report.differences:
        logger.critical("verify_ledger found differences: %s", report.differences[:20])
    return {"members": report.members, "differences": len(report.differences)}


def differences_by_range(
    *, report: verification.Report, day: date, size: int = 20_000
) -> Iterator[int]:
    """Verify range by range into `report`, yielding how many members were done in each."""
    sweep = _latest_sweep(day)
    for low, high in verification.ranges(size=size):
        yield verification.verify(report=report, low=low, high=high, sweep=sweep)


def _latest_sweep(day: date) -> verification.Sweep | None:
    runs = JobRun.objects.filter(name="points.expire_due_lots", day__lte=day)
    run = runs.exclude(finished_at=None).order_by("-day").first()
    if run is None or run.claimed_at is None:
        return None
    return verification.Sweep(run.day, run.claimed_at - UNCOMMITTED_FOR)
