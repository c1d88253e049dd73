"""Whole-programme work on orders and stock, set by set. Never called by a request."""

import logging
from datetime import date
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from benefits import order_verification as verification
from benefits.models.items import Item
from benefits.operations import orders as operations
from common import jobs
from points.queries import start_of_day

logger = logging.getLogger(__name__)

DUE = f"""
    SELECT DISTINCT member_id FROM benefits_order
    WHERE due_at < %(day)s::timestamp AT TIME ZONE '{settings.TIME_ZONE}' AND NOT is_late
"""  # noqa: S608 - our own setting
EVERYBODYS = "SELECT DISTINCT member_id FROM benefits_order"


@jobs.nightly(
    name="benefits.follow_orders",
    order=39,
    title=_("Orders that are due"),
    plan=jobs.members_in(DUE),
    figures={"late": _("Late"), "received": _("Received"), "closed": _("Closed")},
)
def follow_orders(*, day: date, low: int, high: int) -> dict[str, int]:
    """Mark what we should have done; take for received what was sent long ago; close the rest."""
    return operations.follow_due(low=low, high=high, at=start_of_day(day))


@jobs.nightly(
    name="benefits.verify_orders",
    order=75,
    title=_("Verification of orders"),
    plan=jobs.members_in(EVERYBODYS),
    figures={"orders": _("Orders"), "differences": _("Differences")},
    upkeep=True,
    alarm="differences",
)
def verify_orders(*, low: int, high: int, **_day: date) -> dict[str, Any]:
    """Raise the alarm for orders that were not paid, or not taken out of stock, as they say."""
    counted, findings = verification.orders(low=low, high=high)
    return {"orders": counted} | _told("verify_orders", findings)


@jobs.nightly(
    name="benefits.verify_stock",
    order=77,
    title=_("Verification of the stock"),
    plan=jobs.ids_in(lambda _day: Item.objects.all(), size=1_000),
    figures={"places": _("Places"), "differences": _("Differences")},
    upkeep=True,
    alarm="differences",
)
def verify_stock(*, low: int, high: int, **_day: date) -> dict[str, Any]:
    """Raise the alarm where what is left is not what came and went."""
    counted, findings = verification.stock(low=low, high=high)
    return {"places": counted} | _told("verify_stock", findings)


def _told(job: str, findings: list[str]) -> dict[str, Any]:
    if findings:
        logger.critical("%s found differences: %s", job, findings[: jobs.FINDINGS_MAX])
    return {"differences": len(findings), "findings": findings[: jobs.FINDINGS_MAX]}
