"""
What members are told of the ledger's entries: every one that changes what they have (P10).

Posting writes no message. A task finds entries by when they were recorded, over an index that costs
a posting next to nothing (BRIN), and says what they are (`messaging.changes`). Not told are

- what happened more than a week before it was recorded: history that is imported or replayed;
- entries of members who are not activated: when they are, the statement has them all;
- entries that only close what another tells, with no points in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from messaging import changes
from messaging.changes import Change
from points import messages
from points.models import EntryKind

# In the order of the fields of `Recorded`.
RECORDED = """
    SELECT e.member_id, e.recorded_at, e.kind, e.seq, e.points, e.pending, e.held, e.balance_after,
        e.type, e.reason, ended.kind AS ends, m.number, other.number AS other
    FROM points_entry AS e
    JOIN members_member AS m ON m.id = e.member_id
    LEFT JOIN points_entry AS ended ON ended.member_id = e.member_id AND ended.seq = e.reverses
    LEFT JOIN members_member AS other ON other.id = e.counterpart_id
    WHERE e.recorded_at >= %(since)s AND e.recorded_at < %(until)s
        AND e.effective_at > e.recorded_at - make_interval(days => %(news_days)s)
        AND (m.status IN ('ACTIVE', 'FROZEN') OR m.status = 'CLOSED' AND e.kind = 'FORFEIT')
    LIMIT %(at_most)s
"""


LAPSED = (EntryKind.EXPIRE, EntryKind.FORFEIT)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry as it stands there."""

    member_id: int
    recorded_at: datetime
    kind: str
    seq: int
    points: int
    pending: int
    held: int
    balance_after: int
    type: str | None
    reason: str | None
    # The kind of the entry that it takes back or brings to its end.
    ends: str | None
    number: str
    # The other side of a transfer or merge.
    other: str | None

    @property
    def worth(self) -> int:
        """As `Entry.worth`."""
        if self.kind in (EntryKind.HOLD, EntryKind.RELEASE, EntryKind.VEST):
            return self.points
        return self.points + self.pending + self.held

    @property
    def template(self) -> str:
        """Empty: there is nothing to be told."""
        kind = EntryKind(self.kind)
        if self.worth == 0 and kind != EntryKind.EXTEND:
            return ""
        for template, holds in (
            (messages.WAITING, kind == EntryKind.EARN and self.points == 0),
            (messages.OWED, kind == EntryKind.REVERSE and self.balance_after < 0),
            (messages.GOODWILL, kind == EntryKind.REINSTATE and self.ends in LAPSED),
            (messages.CORRECTED_UP, kind == EntryKind.ADJUST and self.worth > 0),
            (messages.SHARED_BACK, kind == EntryKind.POOL_BACK and self.worth > 0),
        ):
            if holds:
                return template
        return messages.OF_KIND[kind]


def recorded(since: datetime, until: datetime, at_most: int | None) -> list[Change]:
    """What is to be said of the entries recorded from one moment to before another."""
    entries = [Recorded(*row) for row in changes.rows(RECORDED, since, until, at_most)]
    return [
        _change(list(group))
        for alike, group in groupby(sorted(entries, key=_alike), _alike)
        if alike[1]
    ]


def _alike(entry: Recorded) -> tuple[Any, ...]:
    """What one statement wrote and says the same is told as one, such as a transfer's lots."""
    return (
        entry.member_id, entry.template, entry.recorded_at, entry.kind, entry.type or "",
        entry.reason or "", entry.other or "",
    )  # fmt: skip


def _change(entries: Sequence[Recorded]) -> Change:
    first = min(entries, key=lambda each: each.seq)
    latest = max(entries, key=lambda each: each.seq)
    # What waits is told where nothing can be spent at once; else when it vests.
    spendable = first.template == messages.RECEIVED
    points = abs(sum(each.points if spendable else each.worth for each in entries))
    known = {
        "points": points,
        "balance": latest.balance_after,
        "debt": -latest.balance_after,
        "type": first.type or "",
        "reason": first.reason or "",
        "other": (first.other or "")[-4:],
    }
    return Change(
        member_id=first.member_id,
        template=first.template,
        key=f"points:{first.number}-{first.seq}",
        variables={name: known[name] for name in messages.VARIABLES[first.template]},
    )


def register() -> None:
    changes.register("points.entries", recorded)
