"""Questions about points. `on` and `as_of` are days in the programme's zone, to their end."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NoReturn

from django.conf import settings
from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection
from django.db.models import Exists, F, Q, QuerySet, Sum
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common.errors import NotFound
from members import groups
from members.models import Member
from members.numbers import is_member_number
from messaging.models import DeliveryState
from points.models import (
    Account,
    Activity,
    ActivityKind,
    Entry,
    EntryKind,
    Funding,
    Lot,
    Merge,
    Notice,
    Pending,
)


class UnknownRedemption(NotFound):
    code = "unknown_redemption"
    message = _("There is no such redemption.")


class UnknownHold(NotFound):
    code = "unknown_hold"
    message = _("There is no such hold.")


class UnknownTransfer(NotFound):
    code = "unknown_transfer"
    message = _("There is no such transfer.")


@dataclass(frozen=True, slots=True)
class Expiry:
    """How many points lapse after a last day."""

    last_day: date
    points: int


# What can be spent on a day: open lots that have not lapsed, and what has vested by then or is held
# no longer, of which a debt is paid first. None of that waits for the night.
SPENDABLE_SQL = """
    SELECT coalesce((
        SELECT sum(l.remaining) FROM points_lot AS l
        WHERE l.member_id = a.member_id AND l.expires_on >= %(on)s AND a.lapses_on >= %(on)s
            AND (%(until)s IS NULL OR points_credited_before(l.member_id, l.seq, %(until)s))
    ), 0) + greatest(0, least(a.balance, 0) + CASE WHEN a.pending = 0 THEN 0 ELSE coalesce((
        SELECT sum(w.points) FROM points_pending AS w
        WHERE w.member_id = a.member_id AND w.vests_on <= %(on)s
            AND greatest(w.expires_on, w.vests_on) >= %(on)s
            AND (a.lapses_on >= %(on)s OR w.vests_on > a.lapses_on)
    ), 0) END + CASE WHEN a.held = 0 OR a.lapses_on < %(on)s THEN 0 ELSE coalesce((
        SELECT -sum(l.points)
        FROM points_hold AS h JOIN points_entry AS e USING (member_id, seq),
            unnest(e.lot_points, e.lot_expires_on) AS l (points, expires_on)
        WHERE h.member_id = a.member_id AND h.until <= %(at)s
            AND greatest(l.expires_on, (h.until AT TIME ZONE %(zone)s)::date) >= %(on)s
    ), 0) END)
    FROM points_account AS a WHERE a.member_id = %(member)s
"""


def spendable_points(member_id: int, *, on: date, at: datetime | None = None) -> int:
    """
    What can be redeemed on a day. Lapsed points the night has not swept yet do not count.

    :param at: the moment of that day; holds whose time was over by then count as given back
    """
    return _spendable(member_id, on=on, until=None, at=at)


def spendable_points_late(member_id: int, *, on: date) -> int:
    """As `spendable_points`, for a day told of late: what was earned since does not count."""
    return _spendable(member_id, on=on, until=end_of_day(on))


def _spendable(
    member_id: int, *, on: date, until: datetime | None, at: datetime | None = None
) -> int:
    asked = {"member": member_id, "on": on, "until": until, "at": at, "zone": settings.TIME_ZONE}
    with connection.cursor() as cursor:
        cursor.execute(SPENDABLE_SQL, asked)
        row = cursor.fetchone()
    return int(row[0]) if row else 0


# What the others of a pool let a member spend: no more of each than the month's limit leaves.
SHARED_SQL = """
    SELECT coalesce(sum(least(
        s.spendable, points_pool_allowance(%(group)s, s.member_id, %(since)s)
    )), 0)
    FROM (
        SELECT a.member_id, (
            SELECT coalesce(sum(l.remaining), 0) FROM points_lot AS l
            WHERE l.member_id = a.member_id AND l.expires_on >= %(on)s AND a.lapses_on >= %(on)s
        ) AS spendable
        FROM points_account AS a JOIN members_member AS m ON m.id = a.member_id
        WHERE a.member_id = ANY (%(others)s) AND m.status = 'ACTIVE'
    ) AS s
"""


def shared_points(member_id: int, *, at: datetime) -> int | None:
    """
    What a member can spend beside the own points, because others share theirs; None without a pool.

    What vests or comes back during the day counts from the next posting or night on.
    """
    pool = groups.pool_of(member_id, at=at)
    if pool is None:
        return None
    asked: dict[str, Any] = {
        "group": pool.group_id,
        "others": list(pool.others),
        "on": timezone.localdate(at),
        "since": start_of_month(at),
    }
    with connection.cursor() as cursor:
        cursor.execute(SHARED_SQL, asked)
        return int(cursor.fetchone()[0])


def balance(member_id: int) -> int:
    """What is on the books to be spent; below zero, a debt."""
    account = Account.objects.filter(pk=member_id).first()
    return account.balance if account else 0


# Vested or lapsed by then, though the night has not written it down yet.
AS_OF_SQL = """
    SELECT coalesce((
        SELECT sum(e.points) FROM points_entry AS e
        WHERE e.member_id = a.member_id AND e.effective_at < %(until)s
    ), 0) - coalesce((
        SELECT sum(l.remaining) FROM points_lot AS l
        WHERE l.member_id = a.member_id AND least(l.expires_on, a.lapses_on) < %(day)s
    ), 0) + coalesce((
        SELECT sum(w.points) FROM points_pending AS w
        WHERE w.member_id = a.member_id AND w.vests_on <= %(day)s
            AND greatest(w.expires_on, w.vests_on) >= %(day)s
            AND (a.lapses_on >= %(day)s OR w.vests_on > a.lapses_on)
    ), 0)
    FROM points_account AS a WHERE a.member_id = %(member)s
"""


def balance_as_of(member_id: int, day: date) -> int:
    """What could be spent at the end of a day, as the ledger tells it now; below zero, a debt."""
    with connection.cursor() as cursor:
        cursor.execute(AS_OF_SQL, {"member": member_id, "day": day, "until": end_of_day(day)})
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def qualifying_points(
    member_id: int, *, since: date | None = None, until: date | None = None
) -> int:
    """
    Points towards tiers, counted apart: neither spending nor expiry touch them (T3).

    :param since: by what happened on that day or later; `until`: on that day or earlier
    """
    entries = Entry.objects.filter(member_id=member_id).exclude(qualifying=0)
    if since:
        entries = entries.filter(effective_at__gte=start_of_day(since))
    if until:
        entries = entries.filter(effective_at__lt=end_of_day(until))
    return entries.aggregate(points=Sum("qualifying", default=0))["points"]


def lots(member_id: int, *, on: date) -> QuerySet[Lot]:
    """The lots that can be spent on a day, in the order of spending."""
    lapsed = Account.objects.filter(pk=member_id, lapses_on__lt=on)
    return Lot.objects.filter(~Exists(lapsed), member_id=member_id, expires_on__gte=on).order_by(
        "expires_on", "seq"
    )


EXPIRIES_SQL = """
    SELECT least(l.expires_on, a.lapses_on) AS last_day, sum(l.remaining)
    FROM points_account AS a JOIN points_lot AS l USING (member_id)
    WHERE a.member_id = %(member)s AND a.lapses_on >= %(on)s AND l.expires_on >= %(on)s
        AND least(l.expires_on, a.lapses_on) < %(never)s
    GROUP BY last_day ORDER BY last_day LIMIT %(limit)s
"""


def expiries(member_id: int, *, on: date, limit: int = 3) -> list[Expiry]:
    """Which points lapse next, soonest first; points that never lapse are left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            EXPIRIES_SQL, {"member": member_id, "on": on, "never": date.max, "limit": limit}
        )
        return [Expiry(day, int(points)) for day, points in cursor.fetchall()]


SPENDABLE_AND_EXPIRIES_SQL = f"""
    SELECT ({SPENDABLE_SQL}), e.last_day, e.points
    FROM (SELECT) AS always LEFT JOIN ({EXPIRIES_SQL}) AS e (last_day, points) ON true
"""  # noqa: S608 - of our own two statements


def spendable_and_expiries(member_id: int, *, on: date, limit: int) -> tuple[int, list[Expiry]]:
    """As `spendable_points` and `expiries`, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            SPENDABLE_AND_EXPIRIES_SQL,
            {
                "member": member_id, "on": on, "until": None, "at": None,
                "zone": settings.TIME_ZONE, "never": date.max, "limit": limit,
            },
        )  # fmt: skip
        rows = cursor.fetchall()
    return int(rows[0][0] or 0), [Expiry(day, int(points)) for _, day, points in rows if day]


def statement(
    member_id: int,
    *,
    kinds: Collection[str] = (),
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
    if kinds:
        entries = entries.filter(kind__in=kinds)
    if since:
        entries = entries.filter(effective_at__gte=start_of_day(since))
    if until:
        entries = entries.filter(effective_at__lt=end_of_day(until))
    if before is not None:
        entries = entries.filter(seq__lt=before)
    return entries.select_related("store", "activity", "actor").newest_first()


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """An account at the end of a day. The last ones are only known for today."""

    as_of: date
    balance: int
    spendable: int
    pending: int | None = None
    held: int | None = None
    expiries: list[Expiry] | None = None
    # What others share with the member; None also without a pool.
    shared: int | None = None


def account_summary(
    member_id: int, *, today: date, as_of: date | None = None, at: datetime | None = None
) -> AccountSummary:
    """
    Return the account now, or as of the end of a day.

    :param at: what time it is; see `spendable_points`
    """
    if as_of is not None:
        then = balance_as_of(member_id, as_of)
        return AccountSummary(as_of, then, max(0, then))
    account = Account.objects.filter(pk=member_id).first() or Account(balance=0, pending=0, held=0)
    return AccountSummary(
        as_of=today,
        balance=account.balance,
        spendable=spendable_points(member_id, on=today, at=at),
        pending=account.pending,
        held=account.held,
        expiries=expiries(member_id, on=today),
        shared=None if at is None else shared_points(member_id, at=at),
    )


def posted(issuer_id: int | None, kind: EntryKind, reference: str | None) -> Entry | None:
    """What a reference stands for, if it does."""
    return Entry.objects.filter(issuer_id=issuer_id, kind=kind, reference=reference).first()


def end_of_hold(held: Entry, kind: EntryKind) -> Entry | None:
    """The entry that spent a hold (REDEEM) or gave it back (RELEASE)."""
    return Entry.objects.filter(member_id=held.member_id, reverses=held.seq, kind=kind).first()


def hold(*, issuer_id: int, reference: str, only_stores: Collection[int] | None = None) -> Entry:
    """
    :param only_stores: the stores whose holds may be seen; None: all of the issuer's
    :raises UnknownHold: if the issuer has posted none under this reference there
    """
    return _own(EntryKind.HOLD, issuer_id, reference, only_stores) or _absent(UnknownHold)


class HoldState(StrEnum):
    """OVERDUE: its time was over before anything was spent, whether or not it was swept yet."""

    OPEN = "OPEN"
    CONFIRMED = "CONFIRMED"
    RELEASED = "RELEASED"
    OVERDUE = "OVERDUE"


@dataclass(frozen=True, slots=True)
class HoldStatus:
    """What has become of a hold: how many of its points were spent and given back."""

    state: HoldState
    spent: int = 0
    released: int = 0
    ended_at: datetime | None = None


def hold_status(held: Entry, *, at: datetime) -> HoldStatus:
    assert held.until is not None, "a hold has an end"
    found = Entry.objects.filter(member_id=held.member_id, reverses=held.seq)
    ends = {entry.kind: entry for entry in found}
    redemption, release = ends.get(EntryKind.REDEEM), ends.get(EntryKind.RELEASE)
    if redemption:
        released = release.points if release else 0
        return HoldStatus(HoldState.CONFIRMED, -redemption.worth, released, redemption.effective_at)
    if release is None:
        return HoldStatus(HoldState.OPEN) if at < held.until else _overdue(held)
    # Nobody's document ended it, at its end: the sweep.
    if release.issuer_id is None and release.effective_at >= held.until:
        return _overdue(held)
    return HoldStatus(HoldState.RELEASED, 0, release.points, release.effective_at)


def _overdue(held: Entry) -> HoldStatus:
    return HoldStatus(HoldState.OVERDUE, 0, -held.points, held.until)


def transfer(
    *, issuer_id: int, reference: str, only_stores: Collection[int] | None = None
) -> Entry:
    """
    The giver's entry.

    :param only_stores: the stores whose transfers may be seen; None: all of the issuer's
    :raises UnknownTransfer: if the issuer has posted none under this reference there
    """
    found = _own(EntryKind.TRANSFER_OUT, issuer_id, reference, only_stores)
    return found or _absent(UnknownTransfer)


def _own(
    kind: EntryKind, issuer_id: int, reference: str, only_stores: Collection[int] | None
) -> Entry | None:
    """An issuer's entry, as long as one of these stores posted it."""
    entry = (
        Entry.objects.filter(issuer_id=issuer_id, kind=kind, reference=reference)
        .select_related("store")
        .first()
    )
    if entry is None or (only_stores is not None and entry.store_id not in only_stores):
        return None
    return entry


def _absent(refusal: type[NotFound]) -> NoReturn:
    raise refusal


def merged_into(member_id: int) -> str | None:
    """The number of the member whose account this one's was merged into, if it was."""
    into = Account.objects.filter(pk=member_id).exclude(merged_into=None)
    return into.values_list("merged_into__number", flat=True).first()


def hosts_of(member_id: int) -> list[int]:
    """Into whose accounts a member's was merged, and theirs in turn, the nearest first."""
    hosts: list[int] = []
    nearest: int | None = member_id
    while nearest is not None:
        into = Account.objects.filter(pk=nearest).exclude(merged_into=None)
        nearest = into.values_list("merged_into_id", flat=True).first()
        if nearest is not None:
            hosts.append(nearest)
    return hosts


def done_by_account(member_id: int) -> QuerySet[Activity]:
    """What a member did, and who was merged into the member's account, for as long as they are."""
    guests = RawSQL("SELECT unnest(points_guests(%s))", [member_id])
    return Activity.objects.filter(member_id__in=guests)


def merges(*, low: int, high: int) -> list[tuple[int, int]]:
    """Who is merged into whom, the earliest first, where either is of members low … high."""
    both = Q(member_id__gte=low, member_id__lte=high) | Q(into_id__gte=low, into_id__lte=high)
    found = Merge.objects.filter(both, unmerged_at=None).order_by("pk")
    return list(found.values_list("member_id", "into_id"))


def active_between(*, low: int, high: int, since: datetime, until: datetime) -> list[int]:
    """Of members low … high, who did something from `since` on and before `until`."""
    found = Activity.objects.filter(
        member_id__gte=low, member_id__lte=high, occurred_at__gte=since, occurred_at__lt=until
    )
    return list(found.order_by("member_id").values_list("member_id", flat=True).distinct())


def merged_away(*, low: int, high: int) -> set[int]:
    """Of members low … high, those whose account was merged into another."""
    merged = Account.objects.filter(pk__gte=low, pk__lte=high).exclude(merged_into=None)
    return set(merged.values_list("pk", flat=True))


def holder_of(member_id: int) -> int:
    """Who has a member's points now: the member, or where merges have taken them."""
    with connection.cursor() as cursor:
        cursor.execute(HOLDER_SQL, (member_id,))
        row = cursor.fetchone()
    return row[0] if row else member_id


HOLDER_SQL = """
    WITH RECURSIVE way (member_id, into_id) AS (
        SELECT a.member_id, a.merged_into_id FROM points_account AS a WHERE a.member_id = %s
        UNION
        SELECT a.member_id, a.merged_into_id
        FROM way AS w JOIN points_account AS a ON a.member_id = w.into_id
    )
    SELECT w.member_id FROM way AS w WHERE w.into_id IS NULL
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one payer bears of the points a debit took from one lot."""

    # The entry that made the lot.
    lot: int
    # None where nobody is known to pay: points from before payers were written down.
    organization_id: int | None
    budget: str
    # Exact: shares are of ten thousand, so points have at most four decimals.
    points: Decimal


def cost_of(entry: Entry) -> list[Cost]:
    """
    Tell whom a debit cost how many points, lot by lot (P13).

    A redemption of what was held, and what a return took back, count as debits too.
    """
    named = Entry.objects.filter(member_id=entry.member_id, seq__in=entry.lot_seq or ())
    return costs_of([entry], lots={(lot.member_id, lot.seq): lot for lot in named})[entry.pk]


def costs_of(
    entries: Collection[Entry], *, lots: Mapping[tuple[int, int], Entry]
) -> dict[tuple[int, int], list[Cost]]:
    """
    As `cost_of` for many, in one query. Of a credit: who pays for what it brought.

    :param lots: the entries that made the lots these name, by member and number
    """
    parts = {entry.pk: list(_paid_parts(entry, lots)) for entry in entries}
    fundings = Funding.objects.in_bulk(
        {funding_id for of in parts.values() for _seq, _points, funding_id in of if funding_id}
    )
    return {
        pk: [
            cost
            for seq, points, funding_id in of
            for cost in _shared(seq, points, fundings.get(funding_id))
        ]
        for pk, of in parts.items()
    }


def _paid_parts(
    entry: Entry, lots: Mapping[tuple[int, int], Entry]
) -> Iterator[tuple[int, int, int | None]]:
    """Lots, points and who pays for them."""
    if entry.funding_id is not None:
        yield entry.seq, entry.worth, entry.funding_id
    for seq, points in zip(entry.lot_seq or (), entry.lot_points or (), strict=True):
        if points < 0 and entry.kind != EntryKind.EXTEND:
            lot = lots.get((entry.member_id, seq))
            yield seq, -points, lot.funding_id if lot else None


def _shared(lot: int, points: int, funding: Funding | None) -> list[Cost]:
    if funding is None:
        return [Cost(lot, None, "", Decimal(points))]
    purses = zip(funding.organizations, funding.shares, funding.budgets, strict=True)
    return [
        Cost(lot, organization, budget, Decimal(points * share) / 10_000)
        for organization, share, budget in purses
    ]


@dataclass(frozen=True, slots=True)
class Announcement:
    """A notice that points lapse, and the channels on which it arrived."""

    sent_at: datetime
    channels: tuple[str, ...]


def announcements(expired: Collection[Entry]) -> dict[tuple[int, int], list[Announcement]]:
    """When and how it was announced that points would expire, for many expiries in one query."""
    days: dict[int, set[date]] = {}
    for entry in expired:
        days.setdefault(entry.member_id, set()).add(last_day_of(entry))
    wanted = Q(pk__in=[])
    for member_id, last_days in days.items():
        wanted |= Q(member_id=member_id, last_day__in=last_days)
    arrived = Q(message__deliveries__state=DeliveryState.SENT)
    notices = (
        Notice.objects.filter(wanted)
        .annotate(
            channels=ArrayAgg(
                "message__deliveries__channel", filter=arrived, order_by="message__deliveries__pk"
            )
        )
        .order_by("sent_at", "pk")
        if days
        else ()
    )
    found: dict[tuple[int, int], list[Announcement]] = {entry.pk: [] for entry in expired}
    for notice in notices:
        for entry in expired:
            if (notice.member_id, notice.last_day) == (
                entry.member_id,
                last_day_of(entry),
            ) and not set(notice.lot_seq).isdisjoint(entry.lot_seq or ()):
                announcement = Announcement(notice.sent_at, tuple(notice.channels or ()))
                found[entry.pk].append(announcement)
    return found


def last_day_of(expired: Entry) -> date:
    """The last good day of expired points: they end at the first moment after it."""
    return timezone.localdate(expired.effective_at) - timedelta(days=1)


def redemption(
    *, issuer_id: int, reference: str, only_stores: Collection[int] | None = None
) -> Entry:
    """
    :param only_stores: the stores whose redemptions may be seen; None: all of the issuer's
    :raises UnknownRedemption: if the issuer has posted none under this reference there
    """
    found = _own(EntryKind.REDEEM, issuer_id, reference, only_stores)
    return found or _absent(UnknownRedemption)


def cancellation(*, issuer_id: int, reference: str) -> Entry:
    """A cancellation the issuer has posted."""
    entry = _own(EntryKind.REINSTATE, issuer_id, reference, None)
    assert entry is not None, "it was posted"
    return entry


def reinstatements(of: Entry) -> list[Entry]:
    """What was given back of a debit, first to last; after merges also to those who have it now."""
    with connection.cursor() as cursor:
        cursor.execute(REINSTATEMENTS_SQL, (of.member_id, of.seq))
        found = cursor.fetchall()
    return list(Entry.objects.filter(pk__in=found).order_by("recorded_at", "seq")) if found else []


def given_up(member_id: int, *, kind: EntryKind, limit: int) -> list[tuple[Entry, int]]:
    """
    A member's latest redemptions (REDEEM) or expiries (EXPIRE) that can be given back.

    With how many points that is, as far as this ledger knows: after a merge, ask `reinstatements`.
    """
    entries = list(Entry.objects.filter(member_id=member_id, kind=kind).order_by("-seq")[:limit])
    back = (
        Entry.objects.filter(
            member_id=member_id,
            kind=EntryKind.REINSTATE,
            reverses__in=[entry.seq for entry in entries],
        )
        .values_list("reverses")
        .annotate(points=Sum("points"))
    )
    given_back = dict(back)
    left = ((entry, -entry.worth - given_back.get(entry.seq, 0)) for entry in entries)
    return [(entry, points) for entry, points in left if points > 0]


REINSTATEMENTS_SQL = "SELECT member_id, seq FROM points_about(%s, %s, 'REINSTATE')"


def heirs(earned: Entry) -> list[tuple[int, int]]:
    """A credit as member and seq: itself, and the entries that took it along with merges."""
    with connection.cursor() as cursor:
        cursor.execute(HEIRS_SQL, (earned.member_id, earned.seq))
        return [(member_id, seq) for member_id, seq in cursor.fetchall()]


HEIRS_SQL = "SELECT member_id, seq FROM points_heirs(%s, %s)"


def waiting(earned: Entry) -> QuerySet[Pending]:
    """What still waits of an earn, line by line, in the order of vesting."""
    homes = Q()
    for member_id, seq in heirs(earned):
        homes |= Q(member_id=member_id, seq=seq)
    return Pending.objects.filter(homes).order_by(F("vests_on").asc(nulls_last=True), "line")


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
    if activity.kind == ActivityKind.ACTIVITY:
        # It has no reference of its own there (points/sql/activity.sql).
        found = Entry.objects.filter(member_id=activity.member_id, activity_id=activity.pk)
        return found.first()
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
    return Activity.objects.filter(reference=text)


def entries_named(text: str) -> QuerySet[Entry]:
    """The entry `M0000000018-17`, the entries of a member number, or those of a reference."""
    text = text.strip()
    if entry_name := ENTRY_NAME.match(text):
        member_ids = _ids_of_member(entry_name[1])
        return Entry.objects.filter(member_id__in=member_ids, seq=int(entry_name[2]))
    if is_member_number(text):
        return Entry.objects.filter(member_id__in=_ids_of_member(text))
    return Entry.objects.filter(reference=text)


def _ids_of_member(number: str) -> list[int]:
    # Read first and given as values: joined, the planner may walk the ledger by date instead.
    return list(Member.objects.filter(number=number).values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class Totals:
    """
    What the ledger holds at the end of a day, waiting and held points included.

    `moved` is what came from other accounts less what went there: for all members together, none.
    `outstanding` is what the others leave.
    """

    as_of: date
    earned: int
    redeemed: int
    taken_back: int
    expired: int
    moved: int
    outstanding: int


# Credits by hand count as earned, debits by hand as taken back, forfeited points as expired; what
# was given back lowers what it had been. A lot past its last day that the night has not swept
# counts as expired on the day after.
TOTALS_SQL = """
    SELECT
        coalesce(sum(e.worth) FILTER (
            WHERE e.kind = 'EARN' OR e.kind = 'ADJUST' AND e.worth > 0
        ), 0),
        coalesce(-sum(e.worth) FILTER (WHERE e.kind = 'REDEEM'), 0),
        coalesce(-sum(e.worth) FILTER (
            WHERE e.kind = 'REVERSE' OR e.kind = 'ADJUST' AND e.worth < 0
        ), 0),
        coalesce(-sum(e.worth) FILTER (WHERE e.kind IN ('EXPIRE', 'FORFEIT')), 0) + (
            SELECT coalesce(sum(l.remaining), 0)
            FROM points_lot AS l JOIN points_account AS a USING (member_id)
            WHERE least(l.expires_on, a.lapses_on) < %(day)s
                AND (%(member)s::bigint IS NULL OR l.member_id = %(member)s)
        ),
        coalesce(sum(e.worth) FILTER (
            WHERE e.kind IN (
                'TRANSFER_OUT', 'TRANSFER_IN', 'POOL_OUT', 'POOL_IN', 'POOL_BACK',
                'MERGE_OUT', 'MERGE_IN'
            )
        ), 0)
    FROM (
        SELECT
            CASE WHEN e.kind <> 'REINSTATE' THEN e.kind ELSE (
                SELECT o.kind FROM points_entry AS o
                WHERE o.member_id = coalesce(e.counterpart_id, e.member_id)
                    AND o.seq = coalesce(e.counterpart_seq, e.reverses)
            ) END AS kind,
            e.points + e.pending + e.held AS worth
        FROM points_entry AS e
        WHERE e.effective_at < %(until)s
            AND (%(member)s::bigint IS NULL OR e.member_id = %(member)s)
    ) AS e
"""


def totals(*, as_of: date, member_id: int | None = None) -> Totals:
    """Sum the whole ledger, or one member's, as of the end of a day."""
    with connection.cursor() as cursor:
        cursor.execute(TOTALS_SQL, {"day": as_of, "until": end_of_day(as_of), "member": member_id})
        earned, redeemed, taken_back, expired, moved = (int(value) for value in cursor.fetchone())
    outstanding = earned - redeemed - taken_back - expired + moved
    return Totals(as_of, earned, redeemed, taken_back, expired, moved, outstanding)


def start_of_month(at: datetime) -> datetime:
    """The month's first moment in the programme's zone."""
    return start_of_day(timezone.localdate(at).replace(day=1))


def start_of_day(day: date) -> datetime:
    return datetime.combine(day, time.min, timezone.get_default_timezone())


def end_of_day(day: date) -> datetime:
    """The first moment that no longer belongs to a day of the programme's zone."""
    if day == date.max:
        return datetime.max.replace(tzinfo=timezone.get_default_timezone())
    return datetime.combine(day + timedelta(days=1), time.min, timezone.get_default_timezone())
