"""
What members are told of rights they were granted (P10), found by when they were recorded, as the
ledger's entries are (`messaging.changes`): granting by the million writes no message.
"""

from collections.abc import Sequence
from datetime import datetime

from benefits import messages
from messaging import changes
from messaging.changes import Change

# One row for what one statement granted a member of one benefit. Rights that lapsed, ended or were
# used before we come to them are no news any more; compensations are told by who makes up.
GRANTED = """
    SELECT r.member_id, s.recorded_at, r.version_id, r.benefit, count(*), min(r.id)
    FROM benefits_step AS s
    JOIN benefits_right AS r ON r.id = s.right_id
    JOIN members_member AS m ON m.id = r.member_id
    WHERE s.recorded_at >= %(since)s AND s.recorded_at < %(until)s
        AND s.at > s.recorded_at - make_interval(days => %(news_days)s)
        AND s.kind IN ('GRANTED', 'RESTORED') AND NOT r.on_demand
        AND r.state IN ('GRANTED', 'BOOKED') AND m.status IN ('ACTIVE', 'FROZEN')
    GROUP BY r.member_id, s.recorded_at, r.version_id, r.benefit
    ORDER BY r.member_id, s.recorded_at, min(r.id)
    LIMIT %(at_most)s
"""


def granted(since: datetime, until: datetime, at_most: int | None) -> Sequence[Change]:
    """What is to be said of the rights recorded from one moment to before another."""
    told: dict[tuple[int, datetime], list[tuple[int, str, int]]] = {}
    first: dict[tuple[int, datetime], int] = {}
    for member_id, at, version_id, benefit, count, right_id in changes.rows(
        GRANTED, since, until, at_most
    ):
        first.setdefault((member_id, at), right_id)
        told.setdefault((member_id, at), []).append((version_id, benefit, count))
    return [
        Change(
            member_id=member_id,
            template=messages.GRANTED,
            key=f"{messages.GRANTED}:{first[member_id, at]}:{at.isoformat()}",
            variables={"rights": rights},
        )
        for (member_id, at), rights in told.items()
    ]
