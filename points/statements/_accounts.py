"""What an account has beside its lots: what waits, what is held, what it was joined with."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection


@dataclass(frozen=True, slots=True)
class Waiting:
    """Points of one line of an earn that have not vested. `vests_on` None: when somebody says."""

    seq: int
    line: str
    points: int
    vests_on: date | None


@dataclass(frozen=True, slots=True)
class OpenHold:
    seq: int
    points: int
    until: datetime


@dataclass(frozen=True, slots=True)
class OpenLot:
    """`credit`: what its entry brought; `remaining`: what is left of it."""

    seq: int
    expires_on: date
    remaining: int
    credit: int


@dataclass(frozen=True, slots=True)
class OnAccount:
    """
    What an account has at this moment.

    `merges`: the entries, from … to …, by which it was merged, whichever way.
    `lots`: in the order of spending, lapsed ones too; only if they were asked for.
    """

    member_id: int
    balance: int = 0
    pending: int = 0
    held: int = 0
    waiting: tuple[Waiting, ...] = ()
    holds: tuple[OpenHold, ...] = ()
    merges: tuple[tuple[int, int], ...] = ()
    lots: tuple[OpenLot, ...] = ()


# Of most accounts nothing waits and nothing is held; their one row tells.
ON_ACCOUNTS_SQL = """
    SELECT
        a.member_id, a.balance, a.pending, a.held,
        CASE WHEN a.pending > 0 THEN (
            SELECT json_agg(
                json_build_array(w.seq, w.line, w.points, w.vests_on)
                ORDER BY w.vests_on, w.seq, w.line
            ) FROM points_pending AS w WHERE w.member_id = a.member_id
        ) END,
        CASE WHEN a.held > 0 THEN (
            SELECT json_agg(json_build_array(h.seq, h.points, h.until) ORDER BY h.until, h.seq)
            FROM points_hold AS h WHERE h.member_id = a.member_id
        ) END,
        (
            SELECT json_agg(
                CASE WHEN m.member_id = a.member_id THEN json_build_array(m.out_seq, m.out_seq)
                ELSE json_build_array(m.first_seq, m.last_seq) END
            ) FROM points_merge AS m WHERE m.member_id = a.member_id OR m.into_id = a.member_id
        ),
        CASE WHEN %(lots)s THEN (
            SELECT json_agg(
                json_build_array(l.seq, l.expires_on, l.remaining, e.points + e.pending)
                ORDER BY l.expires_on, l.seq
            ) FROM points_lot AS l JOIN points_entry AS e USING (member_id, seq)
            WHERE l.member_id = a.member_id
        ) END
    FROM points_account AS a WHERE a.member_id = ANY (%(members)s)
"""


def on_accounts(member_ids: Collection[int], *, lots: bool = False) -> list[OnAccount]:
    """What these accounts have now, in one query; who never had points has none."""
    if not member_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(ON_ACCOUNTS_SQL, {"members": list(member_ids), "lots": lots})
        return [_on_account(row) for row in cursor.fetchall()]


def on_account(member_id: int, *, lots: bool = False) -> OnAccount:
    """What one account has now."""
    return next(iter(on_accounts([member_id], lots=lots)), OnAccount(member_id))


def _on_account(row: tuple[Any, ...]) -> OnAccount:
    member_id, balance, pending, held, waiting, holds, merges, lots = row
    return OnAccount(
        member_id,
        balance,
        pending,
        held,
        tuple(
            Waiting(seq, line, points, date.fromisoformat(vests_on) if vests_on else None)
            for seq, line, points, vests_on in waiting or ()
        ),
        tuple(
            OpenHold(seq, points, datetime.fromisoformat(until))
            for seq, points, until in holds or ()
        ),
        tuple((first, last) for first, last in merges or ()),
        tuple(
            OpenLot(seq, date.fromisoformat(expires_on), remaining, credit)
            for seq, expires_on, remaining, credit in lots or ()
        ),
    )
