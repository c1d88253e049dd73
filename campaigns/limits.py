"""
Caps: how much of what a member may still be given, and how much was.

What was given is read from the journal, in the transaction that gives more and after the account
was locked: so it is exact, a return frees what it takes back, and no counter can be wrong. What
those did whose accounts were merged into the member's counts too, for as long as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import floor
from typing import Any

from django.db import connection

from campaigns.activity_rules import CapRule, Span, compiled, span
from campaigns.earning import compiled_rules
from points import queries
from points.models import Activity


@dataclass(frozen=True, slots=True)
class Used:
    """
    What a cap has let through in its period.

    `of`: for a share, the points it is a share of.
    """

    span: Span
    times: int
    points: int
    of: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """A cap, what was used of it, and what is left: points, or no limit but in times."""

    cap: CapRule
    used: Used

    @property
    def limit(self) -> int:
        """In points; for a cap on times, in times."""
        if self.cap.times is not None:
            return self.cap.times
        if self.cap.share is not None:
            return floor(max(self.used.of, 0) * self.cap.share / 100)
        assert self.cap.points is not None, "campaigns_cap_has_one_measure"
        return self.cap.points

    @property
    def left(self) -> int:
        """In points, or in times; never below nothing."""
        used = self.used.times if self.cap.times is not None else self.used.points
        return max(0, self.limit - used)

    def allows(self, wanted: int) -> int:
        """How many of these points may be given."""
        if self.cap.times is not None:
            return wanted if self.left else 0
        return min(wanted, self.left)

    def told(self, wanted: int) -> dict[str, Any]:
        """What this cap has cut off, as an explanation keeps it."""
        reason = "times" if self.cap.times is not None else "points"
        told: dict[str, Any] = {
            "by": self.cap.code,
            "reason": reason if self.cap.share is None else "share",
            "points": wanted - self.allows(wanted),
            "limit": self.limit,
            "used": self.limit - self.left,
            "per": self.cap.per,
        }
        if self.cap.share is not None:
            # So many more would have made room for all of it.
            told["consumption"] = self.used.of
        return told


# --- Of activities --------------------------------------------------------------------------------

# The index points_activity_of_code answers these alone.
DONE = """
    SELECT count(*) FILTER (WHERE a.points > 0), coalesce(sum(a.points), 0), {of}
    FROM points_activity AS a WHERE a.member_id = ANY (points_guests(%s)) AND {codes}{span}
"""
BOUGHT = """(
    SELECT coalesce(sum(p.points + (
        SELECT coalesce(sum(r.points), 0) FROM points_activity AS r WHERE r.original_id = p.id
    )), 0)
    FROM points_activity AS p
    WHERE p.member_id = ANY (points_guests(%s)) AND p.kind = 'PURCHASE'{span}
)"""


def rooms(*, member_id: int, caps: Sequence[CapRule], day: date) -> list[Room]:
    """What caps on activities leave a member on a day, in one query. Lock the account first."""
    if not caps:
        return []
    statements, arguments = [], []
    for cap in caps:
        statement, of_cap = _done(member_id, cap, span(cap.per, day))
        statements.append(statement)
        arguments += of_cap
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(statements), arguments)
        found = cursor.fetchall()
    return [
        Room(cap, Used(span(cap.per, day), times, int(given), int(of)))
        for cap, (times, given, of) in zip(caps, found, strict=True)
    ]


def _done(member_id: int, cap: CapRule, within: Span) -> tuple[str, list[Any]]:
    of, arguments = "0", []
    if cap.share is not None:
        between, moments = _between("p", within)
        of, arguments = BOUGHT.format(span=between), [member_id, *moments]
    between, moments = _between("a", within)
    codes = "a.code = ANY (%s)" if cap.codes else "a.code IS NOT NULL"
    arguments += [member_id, *([sorted(cap.codes)] if cap.codes else []), *moments]
    return DONE.format(of=of, codes=codes, span=between), arguments


def _between(table: str, within: Span) -> tuple[str, list[datetime]]:
    """A condition on when it happened, with its arguments."""
    since, until = within.moments
    if since is None or until is None:
        return "", []
    return f" AND {table}.occurred_at >= %s AND {table}.occurred_at < %s", [since, until]


def times_done(*, member_id: int, code: str, within: Span, only_rewarded: bool) -> int:
    """How often a member has done something in a period, or was given something for it."""
    found = queries.done_by_account(member_id).filter(code=code)
    since, until = within.moments
    if since is not None and until is not None:
        found = found.filter(occurred_at__gte=since, occurred_at__lt=until)
    if only_rewarded:
        found = found.filter(points__gt=0)
    return found.count()


# What is done once in a lifetime, of many members at once.
DONE_ONCE = """
    SELECT DISTINCT asked.member, a.code FROM unnest(%s::bigint[]) AS asked (member)
    JOIN points_activity AS a ON a.member_id = ANY (points_guests(asked.member))
    WHERE a.code = ANY (%s)
"""


def done_once(*, member_ids: Sequence[int], codes: Sequence[str]) -> set[tuple[int, str]]:
    """Which members have ever done which of some things, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(DONE_ONCE, [list(member_ids), list(codes)])
        return {(member_id, code) for member_id, code in cursor.fetchall()}


# --- Of purchases ---------------------------------------------------------------------------------

# What members' purchases of a time are worth by rule, as they were judged last: a return writes
# into the journal how what was kept is judged.
PARTS = """
    SELECT
        asked.nth, part.key, count(*) FILTER (WHERE part.value::bigint > 0),
        sum(part.value::bigint)::bigint
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY
        AS asked (member, since, until, nth)
    CROSS JOIN LATERAL (
        SELECT coalesce((
            SELECT r.explanation -> 'parts' FROM points_activity AS r
            WHERE r.original_id = p.id ORDER BY r.id DESC LIMIT 1
        ), p.explanation -> 'parts') AS parts
        FROM points_activity AS p
        WHERE p.member_id = ANY (points_guests(asked.member)) AND p.kind = 'PURCHASE'
            AND p.occurred_at >= coalesce(asked.since, '-infinity')
            AND p.occurred_at < coalesce(asked.until, 'infinity')
    ) AS judged
    CROSS JOIN LATERAL jsonb_each_text(judged.parts) AS part
    GROUP BY asked.nth, part.key
"""


@dataclass(frozen=True, slots=True)
class PurchaseLimits:
    """
    What the caps of a version leave a member's purchase on a day.

    `by_code` is what each rule or boost may give if no other that shares its caps gives anything.
    Where several do, `within` says how much less that makes.
    """

    rooms: tuple[Room, ...] = ()
    codes: tuple[str, ...] = ()

    @property
    def by_code(self) -> dict[str, int]:
        limits: dict[str, int] = {}
        for room in self.rooms:
            for code in self.codes:
                if room.cap.counts(code):
                    # A cap on times lets all or nothing through; all is no limit.
                    left = room.left if room.cap.times is None else 0
                    if room.cap.times is None or room.left == 0:
                        limits[code] = min(limits.get(code, left), left)
        return limits

    def within(self, parts: Mapping[str, int]) -> dict[str, int]:
        """
        How much of what rules and boosts would give together may be given, in their order.

        :param parts: points by code
        """
        allowed = dict(parts)
        for room in self.rooms:
            if room.cap.times is not None:
                continue
            left = room.left
            for code, wanted in allowed.items():
                if room.cap.counts(code):
                    allowed[code] = min(wanted, left)
                    left -= allowed[code]
        return allowed


def for_return(purchase: Activity) -> Mapping[str, int]:
    """
    What rules and boosts with caps or budgets may give for what is kept of a purchase: what they
    gave for it.

    So a return gives back no more than was given, and frees what it takes back.
    """
    rules = compiled(purchase.version_id)
    parts: Mapping[str, int] = purchase.explanation.get("parts", {})
    return {
        code: parts.get(code, 0)
        for code in compiled_rules(purchase.version_id).codes
        if any(cap.counts(code) for cap in rules.purchase_caps)
        or any(budget.pays_for(code) for budget in rules.budgets)
    }


def purchase_rooms(*, member_id: int, caps: Sequence[CapRule], day: date) -> list[Room]:
    """As `rooms`, of caps on rules and boosts."""
    return purchase_rooms_of_many([(member_id, day)], caps=caps)[0]


def purchase_rooms_of_many(
    asked: Sequence[tuple[int, date]], *, caps: Sequence[CapRule]
) -> list[list[Room]]:
    """As `purchase_rooms` for many members, each on a day, in one query."""
    spans = [span(cap.per, day) for _member_id, day in asked for cap in caps]
    parts: list[list[tuple[str, int, int]]] = [[] for _ in spans]
    if spans:
        members = [member_id for member_id, _day in asked for _cap in caps]
        since, until = zip(*(each.moments for each in spans), strict=True)
        with connection.cursor() as cursor:
            cursor.execute(PARTS, [members, list(since), list(until)])
            for nth, *part in cursor.fetchall():
                parts[nth - 1].append(tuple(part))
    rooms = iter(zip(spans, parts, strict=True))
    return [[_room_of_purchases(cap, *next(rooms)) for cap in caps] for _ in asked]


def _room_of_purchases(cap: CapRule, within: Span, parts: Sequence[tuple[str, int, int]]) -> Room:
    counted = [(times, given) for code, times, given in parts if cap.counts(code)]
    used = Used(within, sum(times for times, _ in counted), sum(given for _, given in counted))
    return Room(cap, used)
