"""Members' part of the night."""

import logging
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Max, Min, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common import jobs, personal
from members import applications, operations, queries
from members.models import Application, DataExport, DuplicateReason, Erasure

logger = logging.getLogger(__name__)

CHECKED_AT_ONCE = 1_000

DUE = """
    SELECT member_id FROM members_erasure
    WHERE withdrawn_at IS NULL AND due_on <= %(day)s
        AND (erased_at IS NULL OR erased_at > %(day)s::date - interval '7 days')
"""


@jobs.nightly(
    name="members.erase_due",
    order=60,
    title=_("Members who are forgotten"),
    plan=jobs.members_in(DUE),
    figures={"members": _("Members")},
)
def erase_due(*, day: date, low: int, high: int) -> dict[str, int]:
    """Forget the members whose waiting period is over, as of the first moment of the day."""
    at = timezone.make_aware(datetime.combine(day, time()))
    count = operations.erase_due(low=low, high=high, day=day, at=at)
    return {"members": count}


def _erased(_day: date) -> list[jobs.Range]:
    """Ranges of erasures, not of members: they lie far apart among the millions."""
    ends = Erasure.objects.exclude(erased_at=None).aggregate(low=Min("pk"), high=Max("pk"))
    if ends["low"] is None:
        return []
    return [
        (start, min(start + CHECKED_AT_ONCE - 1, ends["high"]))
        for start in range(ends["low"], ends["high"] + 1, CHECKED_AT_ONCE)
    ]


@jobs.nightly(
    name="members.check_erasures",
    order=76,
    title=_("Proof that forgotten members are forgotten"),
    plan=_erased,
    figures={"members": _("Members"), "left": _("Rows in which something is left")},
    upkeep=True,
    alarm="left",
)
def check_erasures(*, day: date, low: int, high: int) -> dict[str, Any]:  # noqa: ARG001
    """Look into every table a room has declared, and raise the alarm if anything is left there."""
    done = Erasure.objects.filter(pk__range=(low, high)).exclude(erased_at=None)
    member_ids = list(done.values_list("member_id", flat=True))
    left = personal.left(queries.with_guests(member_ids))
    if left:
        logger.critical("Personal data of erased members are left: %s", left)
    findings = [f"{table}: {count}" for table, count in left.items()]
    return {"members": len(member_ids), "left": sum(left.values()), "findings": findings}


def old_exports(day: date) -> QuerySet[DataExport]:
    midnight = timezone.make_aware(datetime.combine(day, time()))
    return DataExport.objects.filter(made_at__lt=midnight - operations.EXPORT_KEPT)


@jobs.nightly(
    name="members.forget_exports",
    order=86,
    title=_("Forget copies of members' data"),
    plan=jobs.ids_in(old_exports, size=1_000),
    figures={"copies": _("Copies")},
    upkeep=True,
)
def forget_exports(*, day: date, low: int, high: int) -> dict[str, int]:
    """Delete the copies whose week is over."""
    midnight = timezone.make_aware(datetime.combine(day, time()))
    before = midnight - operations.EXPORT_KEPT
    return {"copies": operations.forget_exports(low=low, high=high, before=before)}


# Who was turned down may ask why for so long; then nobody knows who it was.
APPLICATIONS_KEPT = timedelta(days=90)
APPLICATIONS_AT_ONCE = 1_000


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


def overdue_applications(day: date) -> QuerySet[Application]:
    return applications.overdue(day, midnight=_midnight(day))


@jobs.nightly(
    name="members.expire_applications",
    order=62,
    title=_("Applications that lapse"),
    plan=jobs.ids_in(overdue_applications, size=APPLICATIONS_AT_ONCE),
    figures={"applications": _("Applications")},
)
def expire_applications(*, day: date, low: int, high: int) -> dict[str, int]:
    """Let lapse what nobody decided for as long as the rulebook says."""
    count = operations.expire_applications(low=low, high=high, day=day, at=_midnight(day))
    return {"applications": count}


def old_applications(day: date) -> QuerySet[Application]:
    return applications.ended(before=_midnight(day) - APPLICATIONS_KEPT)


@jobs.nightly(
    name="members.forget_applications",
    order=87,
    title=_("Forget who was turned down"),
    plan=jobs.ids_in(old_applications, size=APPLICATIONS_AT_ONCE),
    figures={"applications": _("Applications")},
    upkeep=True,
)
def forget_applications(*, day: date, low: int, high: int) -> dict[str, int]:
    """Take what says who applied out of what ended without a membership long ago."""
    before = _midnight(day) - APPLICATIONS_KEPT
    count = operations.forget_applications(low=low, high=high, before=before)
    return {"applications": count}


UNKNOWN_YET = """
    SELECT m.id AS member_id FROM members_member AS m
    LEFT JOIN members_fingerprint AS f ON f.member_id = m.id
    WHERE f.member_id IS NULL AND m.status <> 'CLOSED'
"""


@jobs.nightly(
    name="members.take_fingerprints",
    order=50,
    title=_("What members can be recognized by"),
    plan=jobs.members_in(UNKNOWN_YET),
    figures={"members": _("Members")},
    upkeep=True,
)
def take_fingerprints(*, low: int, high: int, **_day: date) -> dict[str, int]:
    """Note it of members who are new, or whose profile has changed."""
    return {"members": operations.take_fingerprints(low=low, high=high)}


REASONS = list(DuplicateReason)


@jobs.nightly(
    name="members.find_duplicates",
    order=51,
    title=_("Search for duplicate members"),
    plan=lambda _day: [(nth, nth) for nth in range(len(REASONS))],
    figures={"found": _("Found"), "too_common": _("Shared by too many")},
    upkeep=True,
)
def find_duplicates(*, day: date, low: int, high: int) -> dict[str, int]:
    """Find pairs of members who have something in common, one kind of it after the other."""
    at = timezone.make_aware(datetime.combine(day, time()))
    done = [operations.note_duplicates(reason=reason, at=at) for reason in REASONS[low : high + 1]]
    return {"found": sum(f for f, _many in done), "too_common": sum(many for _f, many in done)}
