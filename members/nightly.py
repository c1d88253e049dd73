"""Members' part of the night."""

from datetime import date, datetime, time

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common import jobs
from members import operations
from members.models import DuplicateReason

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
    done = [
        operations.note_duplicates(reason=reason, at=at) for reason in REASONS[low : high + 1]
    ]
    return {"found": sum(f for f, _many in done), "too_common": sum(many for _f, many in done)}
