"""Whole-programme work on standings, set by set. Never called by a request."""

import logging
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from common import jobs
from members import queries as members
from points.queries import start_of_day
from tiers import operations, queries, verification
from tiers.models import Standing

logger = logging.getLogger(__name__)

VERIFIED_AT_ONCE = 5_000

DUE = "SELECT member_id FROM tiers_standing WHERE review_on <= %(day)s"


BOUGHT_BEFORE = """
    SELECT DISTINCT a.member_id FROM points_activity AS a WHERE a.occurred_at < %(day)s
"""


def _to_take_up(day: date) -> Iterable[jobs.Range]:
    return jobs.members_in(BOUGHT_BEFORE)(day) if operations.begins_on(day) else []


@jobs.nightly(
    name="tiers.take_up",
    # Before the review, which would find nobody on a ladder.
    order=31,
    title=_("First night of tiers"),
    plan=_to_take_up,
    figures={"members": _("Members"), "decisions": _("Tier decisions")},
)
def take_up(*, day: date, low: int, high: int) -> dict[str, int]:
    """In a ladder's first night, count what was bought before it and decide who stands where."""
    return operations.take_up(low=low, high=high, day=day, at=start_of_day(day))


@jobs.nightly(
    name="tiers.review_standings",
    # Before points expire: standing never depends on them, and whoever reads both sees one night.
    order=32,
    title=_("Review of tiers"),
    plan=jobs.members_in(DUE),
    figures={"members": _("Members"), "kept": _("Kept"), "downgraded": _("Downgraded")},
)
def review_standings(*, day: date, low: int, high: int) -> dict[str, int]:
    """Decide for everybody whose tier's validity, or its grace, ended before the day."""
    reviewed = operations.review(low=low, high=high, day=day, at=start_of_day(day))
    return {
        "members": reviewed.members,
        "kept": reviewed.kept,
        "downgraded": reviewed.downgraded,
    }


def _ending_soon(day: date) -> Iterator[jobs.Range]:
    found = operations.leads(queries.ladder_on(day), day=day)
    if not found:
        return
    ids = list(
        Standing.objects.filter(operations.to_be_warned(found))
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    for start in range(0, len(ids), settings.NIGHT_CHUNK_MEMBERS):
        chunk = ids[start : start + settings.NIGHT_CHUNK_MEMBERS]
        yield chunk[0], chunk[-1]


@jobs.nightly(
    name="tiers.warn_of_downgrades",
    order=34,
    title=_("Warnings of downgrades"),
    plan=_ending_soon,
    figures={"warnings": _("Warnings")},
)
def warn_of_downgrades(*, day: date, low: int, high: int) -> dict[str, int]:
    """Tell members what is missing to keep their tier, as long before its end as the rules say."""
    return {"warnings": operations.warn(low=low, high=high, day=day, at=start_of_day(day))}


@jobs.nightly(
    name="tiers.verify_counters",
    order=72,
    title=_("Verification of tiers"),
    plan=lambda _day: verification.ranges(size=VERIFIED_AT_ONCE),
    figures={"members": _("Members"), "differences": _("Differences")},
    upkeep=True,
    alarm="differences",
)
def verify_counters(*, low: int, high: int, **_day: date) -> dict[str, Any]:
    """Derive what members gathered from journal and ledger, and from that where they stand."""
    report = verification.verify(low=low, high=high)
    findings = list(_told(report.differences[: jobs.FINDINGS_MAX]))
    if findings:
        logger.critical("verify_counters found differences: %s", findings)
    return {
        "members": report.members,
        "differences": len(report.differences),
        "findings": findings,
    }


def _told(differences: list[verification.Difference]) -> Iterator[str]:
    numbers = members.numbers_of({each.member_id for each in differences})
    for each in differences:
        yield f"{each.what},{numbers[each.member_id]},{each.day or ''}"
