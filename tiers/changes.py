"""
What members are told of decisions on their tier, and of upgrades that wait for staff (P10).

Found by when they were recorded, as the ledger's entries are (`messaging.changes`). Not told are
decisions about what lies more than a week back, those that came over with a member, and upgrades
that staff approved: those are told with their note (`tiers.operations.approve_proposal`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter

from messaging import changes
from messaging.changes import Change
from tiers import messages, queries
from tiers.ladders import Ladder, Level
from tiers.models import DecisionKind

DECIDED = """
    SELECT d.id, d.member_id, d.recorded_at, d.kind, d.from_level, d.to_level, d.valid_until,
        d.effective_on, d.version_id
    FROM tiers_decision AS d JOIN members_member AS m ON m.id = d.member_id
    WHERE d.recorded_at >= %(since)s AND d.recorded_at < %(until)s
        AND d.decided_at > d.recorded_at - make_interval(days => %(news_days)s)
        AND d.effective_on > (d.recorded_at - make_interval(days => %(news_days)s))::date
        AND NOT d.is_quiet AND m.status IN ('ACTIVE', 'FROZEN')
        AND NOT EXISTS (SELECT FROM tiers_proposal AS p WHERE p.decision_id = d.id)
    ORDER BY d.member_id, d.recorded_at, d.id
    LIMIT %(at_most)s
"""

PROPOSED = """
    SELECT p.id, p.member_id, p.level, p.version_id
    FROM tiers_proposal AS p JOIN members_member AS m ON m.id = p.member_id
    WHERE p.recorded_at >= %(since)s AND p.recorded_at < %(until)s
        AND p.proposed_on > (p.recorded_at - make_interval(days => %(news_days)s))::date
        AND p.state = 'WAITING' AND m.status IN ('ACTIVE', 'FROZEN')
    LIMIT %(at_most)s
"""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as it stands there."""

    id: int
    member_id: int
    recorded_at: datetime
    kind: str
    from_level: str
    to_level: str
    valid_until: date | None
    effective_on: date
    version_id: int | None

    @property
    def ladder(self) -> Ladder:
        if self.version_id is not None:
            return queries.ladder(self.version_id)
        return queries.ladder_on(self.effective_on)


def decided(since: datetime, until: datetime, at_most: int | None) -> list[Change]:
    """What is to be said of the decisions recorded from one moment to before another."""
    found = [Decided(*row) for row in changes.rows(DECIDED, since, until, at_most)]
    # What one statement decided of a member is told as one: from where, to where.
    together = attrgetter("member_id", "recorded_at")
    told = [_decision(list(group)) for _together, group in groupby(found, together)]
    return [change for change in told if change]


def _decision(found: Sequence[Decided]) -> Change | None:
    first, latest = found[0], found[-1]
    ladder = latest.ladder
    before, after = ladder.find(first.from_level), ladder.find(latest.to_level)
    template = _template(before, after, latest)
    if after is None or not template:
        return None
    return Change(
        member_id=latest.member_id,
        template=template,
        key=f"tiers.changed:{latest.id}",
        variables={"level": after.names, "until": latest.valid_until},
    )


def _template(before: Level | None, after: Level | None, latest: Decided) -> str:
    """Empty: nothing has changed for the member."""
    if after is None:
        return ""
    if before is None or after.position > before.position:
        return messages.UP
    if after.position < before.position:
        return messages.DOWN
    kept = latest.kind in (DecisionKind.KEEP, DecisionKind.EXTEND)
    return messages.KEPT if kept else ""


def proposed(since: datetime, until: datetime, at_most: int | None) -> list[Change]:
    """What is to be said of upgrades proposed from one moment to before another."""
    return [
        Change(
            member_id=member_id,
            template=messages.PROPOSED,
            key=f"tiers.proposed:{proposal_id}",
            variables={"level": queries.ladder(version_id).level(level).names},
        )
        for proposal_id, member_id, level, version_id in changes.rows(
            PROPOSED, since, until, at_most
        )
    ]


def register() -> None:
    changes.register("tiers.decisions", decided)
    changes.register("tiers.proposals", proposed)
