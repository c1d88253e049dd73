"""Whole-programme work on rights, set by set. Never called by a request."""

from collections.abc import Iterable
from datetime import date

from django.utils.translation import gettext_lazy as _

from benefits import operations
from common import jobs
from points.queries import start_of_day

DUE = "SELECT DISTINCT member_id FROM benefits_right WHERE state = 'GRANTED' AND last_on < %(day)s"
LAPSING_SOON = """
    SELECT DISTINCT member_id FROM benefits_right WHERE state = 'GRANTED' AND last_on = %(day)s
"""
EVERYBODY = "SELECT id AS member_id FROM members_member WHERE status = 'ACTIVE'"


def _lapsing_soon(day: date) -> Iterable[jobs.Range]:
    return jobs.members_in(LAPSING_SOON)(operations.last_day_told_on(day))


@jobs.nightly(
    name="benefits.warn_of_lapse",
    order=28,
    title=_("Members told of rights about to lapse"),
    plan=_lapsing_soon,
    figures={"members": _("Members")},
)
def warn_of_lapse(*, day: date, low: int, high: int) -> dict[str, int]:
    """Tell members of the rights whose last day is in a week."""
    told = operations.warn_of_lapse(low=low, high=high, day=day, at=start_of_day(day))
    return {"members": told}


@jobs.nightly(
    name="benefits.lapse_rights",
    # After the review of tiers, before what begins anew is granted.
    order=35,
    title=_("Rights that lapse"),
    plan=jobs.members_in(DUE),
    figures={"rights": _("Rights")},
)
def lapse_rights(*, day: date, low: int, high: int) -> dict[str, int]:
    """Let rights lapse whose last day was before `day`."""
    return {"rights": operations.lapse(low=low, high=high, day=day, at=start_of_day(day))}


def _beginning(day: date) -> Iterable[jobs.Range]:
    """Everybody, in a night in which a period begins or a version with other benefits."""
    return jobs.members_in(EVERYBODY)(day) if operations.begins_on(day) else []


@jobs.nightly(
    name="benefits.grant_rights",
    order=36,
    title=_("Rights that are granted"),
    plan=_beginning,
    figures={"rights": _("Rights")},
)
def grant_rights(*, day: date, low: int, high: int) -> dict[str, int]:
    """Grant what tiers get in the month, quarter or year that begins on `day`."""
    granted = operations.grant_by_range(low=low, high=high, day=day, at=start_of_day(day))
    return {"rights": granted}
