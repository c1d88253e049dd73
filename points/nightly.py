"""Whole-programme work on the ledger, set by set. Never called by a request."""

import logging
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from common import jobs, nights
from members.models import Member
from points import operations, verification

logger = logging.getLogger(__name__)

# A credit recorded this long before a sweep began had been committed by then, so the sweep saw it.
# Imports go on after the night: what they bring may have lapsed years ago and waits for the next.
UNCOMMITTED_FOR = timedelta(hours=1)
VERIFIED_AT_ONCE = 20_000

DUE_MEMBERS = "SELECT DISTINCT member_id FROM points_lot WHERE expires_on < %(day)s"


@jobs.nightly(
    name="points.expire_due_lots",
    order=40,
    title=_("Expiry of points"),
    plan=jobs.members_in(DUE_MEMBERS),
    figures={"lots": _("Lots"), "members": _("Members"), "points": _("Points")},
)
def expire_due_lots(*, day: date, low: int, high: int) -> dict[str, int]:
    """Write off every lot whose last day is before `day`."""
    members, lots, points = operations.expire(low=low, high=high, on=day)
    return {"members": members, "lots": lots, "points": points}


@jobs.nightly(
    name="points.verify_ledger",
    order=70,
    title=_("Verification of the ledger"),
    plan=lambda _day: verification.ranges(size=VERIFIED_AT_ONCE),
    figures={"members": _("Members"), "differences": _("Differences")},
    upkeep=True,
    alarm="differences",
)
def verify_ledger(*, day: date, low: int, high: int) -> dict[str, Any]:
    """Derive every balance anew and raise the alarm at the first difference."""
    report = verification.Report()
    verification.verify(report=report, low=low, high=high, sweep=_latest_sweep(day))
    findings = [",".join(line) for line in told(report.differences[: jobs.FINDINGS_MAX])]
    if findings:
        logger.critical("verify_ledger found differences: %s", findings)
    return {
        "members": report.members,
        "differences": len(report.differences),
        "findings": findings,
    }


def told(differences: list[verification.Difference]) -> Iterator[tuple[str, str, str]]:
    """Name differences as people can look them up: equation, member's number, entry."""
    ids = {each.member_id for each in differences}
    numbers = dict(Member.objects.filter(pk__in=ids).values_list("pk", "number"))
    for each in differences:
        yield each.equation, numbers[each.member_id], "" if each.seq is None else str(each.seq)


def differences_by_range(
    *, report: verification.Report, day: date, size: int = VERIFIED_AT_ONCE
) -> Iterator[int]:
    """Verify range by range into `report`, yielding how many members were done in each."""
    sweep = _latest_sweep(day)
    for low, high in verification.ranges(size=size):
        yield verification.verify(report=report, low=low, high=high, sweep=sweep)


def _latest_sweep(day: date) -> verification.Sweep | None:
    run = nights.latest_finished(expire_due_lots.name, day=day)
    if run is None or run.started_at is None:
        return None
    return verification.Sweep(run.day, run.started_at - UNCOMMITTED_FOR)
