"""Notices of expiry: said in time, written down, and demanded where the rulebook does (P6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from messaging import operations as messaging
from messaging.operations import ToSend
from points import queries
from points.messages import EXPIRING
from points.models import Notice
from points.operations._ledger import extend
from programme.policies import Notices


@dataclass(frozen=True, slots=True)
class Window:
    """The last days for which one notice is due now: `first` to `last`, both inclusive."""

    lead: str
    first: date
    last: date


def windows(notices: Notices, *, day: date) -> list[Window]:
    """
    Return which last days are to be announced on a day, and as which notice.

    For points that lapse soon only the shortest lead counts: who comes late to the others, because
    nights were missed or the points were earned late, is told once.
    """
    first = day
    found = []
    for lead in sorted(notices.before, key=lambda lead: lead.latest(day)):
        last = lead.latest(day)
        if last >= first:
            found.append(Window(str(lead), first, last))
            first = last + timedelta(days=1)
    return found


# Lots to be announced: those of the window's last days that no notice of this lead has named. The
# last day of a lot is its own or the account's, whichever comes first.
UNANNOUNCED = """
    SELECT l.member_id, w.lead, least(l.expires_on, a.lapses_on) AS last_day, l.seq, l.remaining
    FROM unnest(%(leads)s::text[], %(firsts)s::date[], %(lasts)s::date[]) AS w (lead, first, last)
    JOIN points_lot AS l ON l.expires_on BETWEEN w.first AND w.last
    JOIN points_account AS a ON a.member_id = l.member_id AND a.lapses_on >= l.expires_on
    WHERE l.member_id BETWEEN %(low)s AND %(high)s AND NOT EXISTS (
        SELECT FROM points_notice AS n
        WHERE n.member_id = l.member_id AND n.last_day = l.expires_on AND n.lead = w.lead
            AND l.seq = ANY (n.lot_seq)
    )
    UNION ALL
    SELECT l.member_id, w.lead, a.lapses_on, l.seq, l.remaining
    FROM unnest(%(leads)s::text[], %(firsts)s::date[], %(lasts)s::date[]) AS w (lead, first, last)
    JOIN points_account AS a ON a.lapses_on BETWEEN w.first AND w.last
        AND a.lapses_on < '9999-12-31'
    JOIN points_lot AS l ON l.member_id = a.member_id AND l.expires_on > a.lapses_on
    WHERE a.member_id BETWEEN %(low)s AND %(high)s AND NOT EXISTS (
        SELECT FROM points_notice AS n
        WHERE n.member_id = l.member_id AND n.last_day = a.lapses_on AND n.lead = w.lead
            AND l.seq = ANY (n.lot_seq)
    )
"""


def unannounced_members(due: Sequence[Window]) -> list[int]:
    """Whoever has lots to be announced, in order of their ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT u.member_id FROM ({UNANNOUNCED}) AS u ORDER BY 1",  # noqa: S608
            _parameters(due, low=0, high=2**62),
        )
        return [member_id for (member_id,) in cursor.fetchall()]


def announce(*, low: int, high: int, due: Sequence[Window], at: datetime) -> tuple[int, int]:
    """
    Tell the members low … high which points lapse, when and how many; write down that it was said.

    A lot is announced once for each lead. Whether it arrived stands with the message.

    :returns: notices, points
    """
    found: dict[tuple[int, date, str], list[tuple[int, int]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(UNANNOUNCED, _parameters(due, low=low, high=high))
        for member_id, lead, last_day, seq, points in cursor.fetchall():
            found.setdefault((member_id, last_day, lead), []).append((seq, points))
    if not found:
        return 0, 0
    keys = {
        told: f"points.expiring:{told[0]}:{told[1]}:{told[2]}:{min(seq for seq, _points in lots)}"
        for told, lots in found.items()
    }
    totals = {told: sum(points for _seq, points in lots) for told, lots in found.items()}
    sent = messaging.send_many(
        template=EXPIRING,
        messages=[
            ToSend(
                member_id=told[0],
                key=keys[told],
                variables={"points": totals[told], "last_day": told[1]},
            )
            for told in found
        ],
        at=at,
    )
    Notice.objects.bulk_create(
        Notice(
            member_id=told[0],
            message_id=sent[keys[told]],
            points=totals[told],
            sent_at=at,
            last_day=told[1],
            lead=told[2],
            lot_seq=sorted({seq for seq, _points in lots}),
        )
        for told, lots in found.items()
    )
    return len(found), sum(totals.values())


def _parameters(due: Sequence[Window], *, low: int, high: int) -> dict[str, Any]:
    return {
        "leads": [window.lead for window in due],
        "firsts": [window.first for window in due],
        "lasts": [window.last for window in due],
        "low": low,
        "high": high,
    }


# Lots on their last day, or past it unswept, of which no notice arrived before that day began.
UNNOTICED = """
    SELECT
        l.member_id, l.seq, l.expires_on, least(l.expires_on, a.lapses_on) AS last_day, l.remaining
    FROM points_lot AS l JOIN points_account AS a USING (member_id)
    WHERE l.member_id BETWEEN %(low)s AND %(high)s
        AND (l.expires_on <= %(day)s OR a.lapses_on <= %(day)s)
        AND NOT EXISTS (
            SELECT FROM points_notice AS n JOIN messaging_message AS m ON m.id = n.message_id
            WHERE n.member_id = l.member_id AND n.last_day = least(l.expires_on, a.lapses_on)
                AND l.seq = ANY (n.lot_seq)
                AND m.delivered_at < n.last_day::timestamp AT TIME ZONE %(zone)s
        )
    ORDER BY l.member_id, l.expires_on, l.seq
"""


def keep_unnoticed(
    *, low: int, high: int, day: date, extension_days: int, zone: str
) -> tuple[int, int, int]:
    """
    No notice, no expiry: move the last day of lots that would lapse untold.

    Where the whole account would lapse, its last day moves as long as one lot was not announced.

    :returns: members, lots, points
    """
    with connection.cursor() as cursor:
        cursor.execute(UNNOTICED, {"low": low, "high": high, "day": day, "zone": zone})
        rows = cursor.fetchall()
    until = day + timedelta(days=extension_days)
    at = queries.start_of_day(day)
    by_member: dict[int, list[tuple[int, date, date, int]]] = {}
    for member_id, seq, expires_on, last_day, points in rows:
        by_member.setdefault(member_id, []).append((seq, expires_on, last_day, points))
    for member_id, lots in by_member.items():
        moves = [(seq, own, until) for seq, own, last_day, _points in lots if own <= day]
        as_a_whole = any(last_day < own for _seq, own, last_day, _points in lots)
        extend(member_id=member_id, moves=moves, at=at, lapses_on=until if as_a_whole else None)
    points = sum(lot[3] for lots in by_member.values() for lot in lots)
    return len(by_member), len(rows), points
