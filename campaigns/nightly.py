"""Whole-programme work on rewards, set by set. Never called by a request."""

import logging
from collections.abc import Iterable
from datetime import date
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from campaigns import gifts, segments, verification
from campaigns.member_files import keeping
from campaigns.models import BudgetPurse, MemberImport, MemberImportState
from common import jobs
from members.models import Member
from points.queries import start_of_day

logger = logging.getLogger(__name__)


def _spenders(day: date) -> Iterable[jobs.Range]:
    """Nobody but in the first night of a year, where the rulebook converts what was spent."""
    return jobs.members_in(gifts.SPENDERS)(day) if gifts.converts_on(day) else []


@jobs.nightly(
    name="campaigns.convert_spend",
    order=45,
    title=_("Conversion of last year's spend"),
    plan=_spenders,
    figures={"members": _("Members"), "points": _("Points")},
)
def convert_spend(*, day: date, low: int, high: int) -> dict[str, int]:
    """Turn what was spent in the year before `day` into points."""
    members, points = gifts.convert_spend(year=day.year - 1, low=low, high=high)
    return {"members": members, "points": points}


def _tagged(day: date) -> Iterable[jobs.Range]:
    """Everybody, as long as a segment puts a tag on its members or has left one behind."""
    if not segments.has_rules():
        return []
    everybody = jobs.ids_in(lambda _day: Member.objects.all(), size=settings.NIGHT_CHUNK_MEMBERS)
    return everybody(day)


@jobs.nightly(
    name="campaigns.tag_by_segments",
    order=47,
    title=_("Tags that follow segments"),
    plan=_tagged,
    figures={"put_on": _("Put on"), "taken_off": _("Taken off")},
    upkeep=True,
)
def tag_by_segments(*, day: date, low: int, high: int) -> dict[str, int]:
    """Put the tags of segments on who is in them today, and take them off who is not."""
    put_on, taken_off = segments.follow(day=day, low=low, high=high)
    return {"put_on": put_on, "taken_off": taken_off}


def _budgets(_day: date) -> Iterable[jobs.Range]:
    if BudgetPurse.objects.exists():
        yield from ((bucket, bucket) for bucket in range(verification.BUCKETS))


@jobs.nightly(
    name="campaigns.verify_budgets",
    order=74,
    title=_("Verification of budgets"),
    plan=_budgets,
    figures={"budgets": _("Budgets"), "differences": _("Differences")},
    upkeep=True,
    alarm="differences",
)
def verify_budgets(*, low: int, high: int, **_day: date) -> dict[str, Any]:
    """Derive from journal and ledger what each budget has paid, and compare it with its slices."""
    found = list(verification.spent(low=low, high=high))
    different = [each for each in found if each.differs]
    findings = [f"{each.code},{each.held},{each.derived}" for each in different]
    if findings:
        logger.critical("verify_budgets found differences: %s", findings)
    return {"budgets": len(found), "differences": len(different), "findings": findings}


def _old_files(day: date) -> QuerySet[MemberImport]:
    at_rest = MemberImport.objects.filter(is_kept=True).exclude(
        state__in=[MemberImportState.CHECKING, MemberImportState.RUNNING]
    )
    last = Coalesce("finished_at", "created_at")
    return at_rest.alias(last=last).filter(last__lt=start_of_day(day) - keeping.KEPT)


@jobs.nightly(
    name="campaigns.forget_member_files",
    order=92,
    title=_("Forget files of imported members"),
    plan=jobs.ids_in(_old_files, size=10),
    figures={"files": _("Files")},
    upkeep=True,
)
def forget_member_files(*, day: date, low: int, high: int) -> dict[str, int]:
    """Delete files staff handed in a month ago, and what was noted of their rows."""
    files = list(_old_files(day).filter(pk__range=(low, high)))
    for run in files:
        keeping.forget_file(run)
    return {"files": len(files)}
