"""Questions about points. `on` and `as_of` are days in the programme's zone, to their end."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import connection
from django.db.models import QuerySet, Sum
from django.utils import timezone

from points.models import Account, Activity, ActivityKind, Entry, EntryKind, Lot


@dataclass(frozen=True, slots=True)
class Expiry:
    """How many points lapse after a last day."""

    last_day: date
    points: int


def spendable_points(member_id: int, *, on: date) -> int:
    """What can be redeemed on a day. Lapsed points the night has not swept yet do not count."""
    lots = Lot.objects.filter(member_id=member_id, expires_on__gte=on)
    return lots.aggregate(points=Sum("remaining", default=0))["points"]


def balance(member_id: int) -> int:
    """All points on the books; below zero, a debt."""
    account = Account.objects.filter(pk=member_id).first()
    return account.balance if account else 0


def balance_as_of(member_id: int, day: date) -> int:
    """What could be spent at the end of a day, as the ledger tells it now."""
    entries = Entry.objects.filter(member_id=member_id, effective_at__lt=end_of_day(day))
    posted = entries.aggregate(points=Sum("points", default=0))["points"]
    # Lapsed by then, though the night has not written it down yet.
    lapsed = Lot.objects.filter(member_id=member_id, expires_on__lt=day)
    return posted - lapsed.aggregate(points=Sum("remaining", default=0))["points"]


def lots(member_id: int, *, on: date) -> QuerySet[Lot]:
    """The lots that can be spent on a day, in the order of spending."""
    return Lot.objects.filter(member_id=member_id, expires_on__gte=on).order_by("expires_on", "seq")


def expiries(member_id: int, *, on: date, limit: int = 3) -> list[Expiry]:
    """Which points lapse next, soonest first; points that never lapse are left out."""
    days = (
        Lot.objects.filter(member_id=member_id, expires_on__gte=on, expires_on__lt=date.max)
        .values_list("expires_on")
        .annotate(points=Sum("remaining"))
        .order_by("expires_on")[:limit]
    )
    return [Expiry(*row) for row in days]


def statement(member_id: int) -> QuerySet[Entry]:
    """A member's entries, latest posting first, with what a page shows of their origin."""
    return (
        Entry.objects.filter(member_id=member_id)
        .select_related("store", "activity", "actor")
        .newest_first()
    )


def taken_over_on(member_id: int, *, joined_at: datetime) -> date | None:
    """
    The day on which a member's history was brought over from an older system; None if it was not.

    The very first entry tells: it was written down on a later day than it happened, to someone who
    belonged by then. A statement does not call the lines of that day late.
    """
    first = (
        Entry.objects.filter(member_id=member_id, seq=1)
        .values_list("effective_at", "recorded_at")
        .first()
    )
    if first is None:
        return None
    happened_on, recorded_on = (timezone.localdate(at) for at in first)
    if timezone.localdate(joined_at) <= happened_on < recorded_on:
        return recorded_on
    return None


def activity(*, issuer_id: int, kind: ActivityKind, reference: str) -> Activity | None:
    return Activity.objects.filter(issuer_id=issuer_id, kind=kind, reference=reference).first()


def entry_of(activity: Activity) -> Entry | None:
    """The entry an activity led to; None when no points moved."""
    kind = EntryKind.EARN if activity.kind == ActivityKind.PURCHASE else EntryKind.REVERSE
    return Entry.objects.filter(
        issuer_id=activity.issuer_id, kind=kind, reference=activity.reference
    ).first()


@dataclass(frozen=True, slots=True)
class Totals:
    """What the ledger holds at the end of a day. `outstanding` is what the others leave."""

    as_of: date
    earned: int
    redeemed: int
    taken_back: int
    expired: int
    outstanding: int


# Credits by hand count as earned, debits by hand as taken back, forfeited points as expired.
# A lot past its last day that the night has not swept counts as expired on the day after.
TOTALS_SQL = """
    SELECT
        coalesce(sum(e.points) FILTER (WHERE e.points > 0), 0),
        coalesce(-sum(e.points) FILTER (WHERE e.kind = 'REDEEM'), 0),
        coalesce(-sum(e.points) FILTER (WHERE e.points < 0 AND e.kind IN ('REVERSE', 'ADJUST')), 0),
        coalesce(-sum(e.points) FILTER (WHERE e.kind IN ('EXPIRE', 'FORFEIT')), 0) + (
            SELECT coalesce(sum(l.remaining), 0) FROM points_lot AS l
            WHERE l.expires_on < %(day)s
                AND (%(member)s::bigint IS NULL OR l.member_id = %(member)s)
        )
    FROM points_entry AS e
    WHERE e.effective_at < %(until)s AND (%(member)s::bigint IS NULL OR e.member_id = %(member)s)
"""


def totals(*, as_of: date, member_id: int | None = None) -> Totals:
    """Sum the whole ledger, or one member's, as of the end of a day."""
    with connection.cursor() as cursor:
        cursor.execute(
            TOTALS_SQL, {"day": as_of, "until": end_of_day(as_of), "member": member_id}
        )
        earned, redeemed, taken_back, expired = (int(value) for value in cursor.fetchone())
    outstanding = earned - redeemed - taken_back - expired
    return Totals(as_of, earned, redeemed, taken_back, expired, outstanding)


def end_of_day(day: date) -> datetime:
    """The first moment that no longer belongs to a day of the programme's zone."""
    if day == date.max:
        return datetime.max.replace(tzinfo=timezone.get_default_timezone())
    return datetime.combine(day + timedelta(days=1), time.min, timezone.get_default_timezone())
