"""Whole-programme work on rewards, set by set. Never called by a request."""

import logging
from collections.abc import Iterable
from datetime import date
from typing import Any

from django.utils.translation import gettext_lazy as _

from campaigns import gifts, verification
from campaigns.models import BudgetPurse
from common import jobs

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
