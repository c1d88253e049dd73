"""Questions about points. `on` and `as_of` are days in the programme's zone, to their end."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import connection
from django.db.models import QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common.errors import NotFound
from members.models import Member
from members.numbers import is_member_number
from partners.models import Organization
from points.models import Account, Activity, ActivityKind, Entry, EntryKind, Lot


class UnknownRedemption(NotFound):
    code = "unknown_redemption"
    message = _("There is no such redemption.")


@dataclass(frozen=True, slots=True)
class Expiry:
    """How many points lapse after a last day."""

    last_day: date
    points: int


def spendable_points(member_id: int, *, on: date) -> int:
    """What can be redeemed on a day. Lapsed points the night has not swept yet do not count."""
    lots = Lot.objects.filter(member_id=member_id, expires_on__gte=on)
    return lots.aggregate(points=Sum("remaining", default=0))["points"]


def spendable_points_late(member_id: int, *, on: date) -> int:
    """As `spendable_points`, for a day told of late: what was earned since does not count."""
    earned_by_then = Entry.objects.filter(
        member_id=member_id, points__gt=0, effective_at__lt=end_of_day(on)
    )
    lots = Lot.objects.filter(
        member_id=member_id, expires_on__gte=on, seq__in=earned_by_then.values("seq")
    )
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


def statement(
    member_id: int,
    *,
    kind: str = "",
    since: date | None = None,
    until: date | None = None,
    before: int | None = None,
    issuer_id: int | None = None,
    only_stores: Collection[int] | None = None,
) -> QuerySet[Entry]:
    """
    A member's entries, latest posting first, with what a page shows of their origin.

    :param since: what happened on that day or later; `until`: on that day or earlier
    :param before: only entries with a lower number: the next page, without counting the others
    :param issuer_id: only what this organization posted; `only_stores`: only what these stores did
    """
    entries = Entry.objects.filter(member_id=member_id)
    if issuer_id is not None:
        entries = entries.filter(issuer_id=issuer_id)
    if only_stores is not None:
        entries = entries.filter(store_id__in=only_stores)
    if kind:
        entries = entries.filter(kind=kind)
    if since:
        entries = entries.filter(effective_at__gte=start_of_day(since))
    if until:
        entries = entries.filter(effective_at__lt=end_of_day(until))
    if before is not None:
        entries = entries.filter(seq__lt=before)
    return entries.select_related("store", "activity", "actor").newest_first()


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


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """An account at the end of a day. `expiries` is only known for today."""

    as_of: date
    balance: int
    spendable: int
    expiries: list[Expiry] | None


def account_summary(member_id: int, *, today: date, as_of: date | None = None) -> AccountSummary:
    """Return the account now, or as of the end of a day."""
    if as_of is not None:
        then = balance_as_of(member_id, as_of)
        return AccountSummary(as_of, then, max(0, then), None)
    return AccountSummary(
        as_of=today,
        balance=balance(member_id),
        spendable=spendable_points(member_id, on=today),
        expiries=expiries(member_id, on=today),
    )


def redemption(
    *, issuer_id: int, reference: str, only_stores: Collection[int] | None = None
) -> Entry:
    """
    :param only_stores: the stores whose redemptions may be seen; None: all of the issuer's
    :raises UnknownRedemption: if the issuer has posted none under this reference there
    """
    entry = (
        Entry.objects.filter(issuer_id=issuer_id, kind=EntryKind.REDEEM, reference=reference)
        .select_related("store")
        .first()
    )
    if entry is None or (only_stores is not None and entry.store_id not in only_stores):
        raise UnknownRedemption
    return entry


def activity(*, issuer_id: int, kind: ActivityKind, reference: str) -> Activity | None:
    return Activity.objects.filter(issuer_id=issuer_id, kind=kind, reference=reference).first()


def purchases(*, issuer_id: int, references: Collection[str]) -> dict[str, Activity]:
    """Find an issuer's purchases by reference, in one query. Unknown ones are left out."""
    found = Activity.objects.filter(
        issuer_id=issuer_id, kind=ActivityKind.PURCHASE, reference__in=references
    )
    return {activity.reference: activity for activity in found}


def entries_of(activities: Collection[Activity], *, issuer_id: int) -> dict[str, Entry]:
    """The entries one issuer's purchases led to, by reference, in one query."""
    found = Entry.objects.filter(
        issuer_id=issuer_id,
        kind=EntryKind.EARN,
        reference__in=[activity.reference for activity in activities],
    )
    return {str(entry.reference): entry for entry in found}


def entry_of(activity: Activity) -> Entry | None:
    """The entry an activity led to; None when no points moved."""
    kind = EntryKind.EARN if activity.kind == ActivityKind.PURCHASE else EntryKind.REVERSE
    return Entry.objects.filter(
        issuer_id=activity.issuer_id, kind=kind, reference=activity.reference
    ).first()


ENTRY_NAME = re.compile(r"(M\d{10})-(\d{1,9})\Z", re.ASCII)


def activities_named(text: str) -> QuerySet[Activity]:
    """The activities of a member number, or whoever's with exactly this reference."""
    text = text.strip()
    if is_member_number(text):
        return Activity.objects.filter(member_id__in=_ids_of_member(text))
    return Activity.objects.filter(
        issuer_id__in=_issuers(), kind__in=ActivityKind.values, reference=text
    )


def entries_named(text: str) -> QuerySet[Entry]:
    """The entry `M0000000018-17`, the entries of a member number, or those of a reference."""
    text = text.strip()
    if entry_name := ENTRY_NAME.match(text):
        member_ids = _ids_of_member(entry_name[1])
        return Entry.objects.filter(member_id__in=member_ids, seq=int(entry_name[2]))
    if is_member_number(text):
        return Entry.objects.filter(member_id__in=_ids_of_member(text))
    return Entry.objects.filter(issuer_id__in=_issuers(), kind__in=EntryKind.values, reference=text)


def _ids_of_member(number: str) -> list[int]:
    # Read first and given as values: joined, the planner may walk the ledger by date instead.
    return list(Member.objects.filter(number=number).values_list("pk", flat=True))


def _issuers() -> list[int]:
    # A reference is unique per issuer and kind, so its index begins with these. Naming them all,
    # a few hundred, makes it a few hundred steps down that index instead of a walk over the table.
    return list(Organization.objects.values_list("pk", flat=True))


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
        cursor.execute(TOTALS_SQL, {"day": as_of, "until": end_of_day(as_of), "member": member_id})
        earned, redeemed, taken_back, expired = (int(value) for value in cursor.fetchone())
    outstanding = earned - redeemed - taken_back - expired
    return Totals(as_of, earned, redeemed, taken_back, expired, outstanding)


def start_of_day(day: date) -> datetime:
    return datetime.combine(day, time.min, timezone.get_default_timezone())


def end_of_day(day: date) -> datetime:
    """The first moment that no longer belongs to a day of the programme's zone."""
    if day == date.max:
        return datetime.max.replace(tzinfo=timezone.get_default_timezone())
    return datetime.combine(day + timedelta(days=1), time.min, timezone.get_default_timezone())
