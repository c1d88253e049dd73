"""How a decision is written: the record, the standing it leads to, and who is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from common import events
from programme.policies import days_from
from tiers import queries
from tiers.judging import Course, Grant, Sight, State, Transition, falls_on, walk
from tiers.ladders import Ladder
from tiers.models import (
    Decision,
    DecisionKind,
    Proposal,
    ProposalKind,
    ProposalState,
    Standing,
)


@dataclass(frozen=True, slots=True)
class Held:
    """A standing as it was when its row was locked."""

    member_id: int
    level: str
    earned: str
    since: date | None
    period_from: date | None
    valid_until: date | None
    manual: str
    manual_until: date | None
    review_on: date | None
    judged_on: date | None

    @classmethod
    def of(cls, standing: Standing) -> "Held":
        return cls(
            standing.member_id,
            *(getattr(standing, name) for name in cls.__slots__ if name != "member_id"),
        )

    @property
    def state(self) -> State:
        """Who was never moved stands where everybody begins, whatever that is called."""
        return State(
            self.earned if self.since else None, self.since, self.period_from, self.valid_until
        )

    def manual_on(self, day: date) -> str:
        """The tier given by hand that holds on a day; empty: none."""
        over = self.manual_until is not None and self.manual_until < day
        return "" if over else self.manual


def settle(
    held: Held, course: Course, *, ladder: Ladder, day: date, at: datetime
) -> list[Decision]:
    """
    Write what a walk has decided anew, and leave the standing as it says.

    :param ladder: of `day`, the day that is judged now
    """
    transitions = course.since(held.state)
    if transitions is None:
        transitions = [_rewritten(held, course, ladder=ladder, day=day)]
    decisions = _decisions(held, transitions, ladder=ladder, day=day, at=at)
    state = course.state
    manual = held.manual_on(day)
    if held.manual and not manual:
        before = decisions[-1].to_level if decisions else held.level
        decisions.append(_end_of_manual(held, before, state, ladder=ladder, at=at))
    if decisions or state != held.state or held.judged_on is None or day > held.judged_on:
        write(held, state, decisions, ladder=ladder, day=day, manual=manual)
    propose(held.member_id, course, ladder=ladder)
    return decisions


def write(
    held: Held,
    state: State,
    decisions: Sequence[Decision],
    *,
    ladder: Ladder,
    day: date,
    manual: str,
    manual_until: date | None = None,
) -> None:
    """Write decisions, the standing they lead to, and tell of them."""
    Decision.objects.bulk_create(decisions)
    until = manual_until if manual != held.manual else held.manual_until
    standing = {
        "level": shown(ladder, state, manual),
        "earned": ladder.level(state.level).code,
        "since": state.since,
        "period_from": state.period_from,
        "valid_until": state.valid_until,
        "manual": manual,
        "manual_until": until if manual else None,
        "judged_on": max(day, held.judged_on or day),
        "review_on": review_on(state, ladder, day=day, manual_until=until if manual else None),
    }
    Standing.objects.filter(pk=held.member_id).update(**standing)
    tell(decisions, ladder)


def shown(ladder: Ladder, state: State, manual: str) -> str:
    """The tier that counts: the one earned, unless the one by hand is higher."""
    levels = (ladder.level(state.level), ladder.level(manual))
    return max(levels, key=lambda level: level.position).code


def review_on(state: State, ladder: Ladder, *, day: date, manual_until: date | None) -> date | None:
    """The next day whose night has something to decide."""
    days = []
    if state.valid_until is not None:
        ends = days_from(state.valid_until, 1)
        days.append(ends if ends > day else falls_on(state, ladder))
    if manual_until is not None:
        days.append(days_from(manual_until, 1))
    return min(days, default=None)


def tell(decisions: Sequence[Decision], ladder: Ladder) -> None:
    for decision in decisions:
        told = {
            "member_id": decision.member_id,
            "decision_id": decision.pk,
            "from": decision.from_level,
            "to": decision.to_level,
            "on": decision.effective_on.isoformat(),
        }
        before = ladder.level(decision.from_level).position
        after = ladder.level(decision.to_level).position
        if after > before:
            events.publish("tier.upgraded", told)
        elif after < before:
            events.publish("tier.downgraded", told)
        elif decision.kind == DecisionKind.KEEP:
            events.publish("tier.retained", told)


def judged_anew(held: Held, *, until: date) -> Course:
    """Walk a member's whole history, as after a late purchase or a return."""
    counts_products = queries.ladder_on(until).counts_products
    history = queries.histories([held.member_id], with_products=counts_products)[held.member_id]
    return walk(history, ladder_on=queries.ladder_on, until=until, grants=grants_of(held.member_id))


def grants_of(member_id: int) -> list[Grant]:
    granted = Decision.objects.filter(member_id=member_id, granted=True).order_by("pk")
    return [
        Grant(DecisionKind(each.kind), each.effective_on, each.earned, each.valid_until)
        for each in granted.exclude(kind__in=[DecisionKind.MANUAL, DecisionKind.MANUAL_END])
    ]


def _decisions(
    held: Held, transitions: Sequence[Transition], *, ladder: Ladder, day: date, at: datetime
) -> list[Decision]:
    decisions = []
    before = held.level
    for transition in transitions:
        manual = held.manual_on(min(transition.effective_on, day))
        after = shown(ladder, transition.after, manual)
        decisions.append(
            Decision(
                member_id=held.member_id,
                kind=transition.kind,
                from_level=before,
                to_level=after,
                earned=ladder.level(transition.after.level).code,
                valid_until=transition.after.valid_until,
                effective_on=transition.effective_on,
                decided_at=at,
                version_id=transition.version_id,
                evidence=transition.evidence,
            )
        )
        before = after
    return decisions


def _end_of_manual(
    held: Held, before: str, state: State, *, ladder: Ladder, at: datetime
) -> Decision:
    assert held.manual_until is not None
    return Decision(
        member_id=held.member_id,
        kind=DecisionKind.MANUAL_END,
        from_level=before,
        to_level=shown(ladder, state, ""),
        earned=ladder.level(state.level).code,
        valid_until=state.valid_until,
        effective_on=days_from(held.manual_until, 1),
        decided_at=at,
        version_id=ladder.version_id,
    )


def _rewritten(held: Held, course: Course, *, ladder: Ladder, day: date) -> Transition:
    """
    One decision where the past reads otherwise now: it leads from what was to what should be.

    A tier won or given back counts from the day it should have been there; one taken back is gone
    from the day that is judged now.
    """
    latest = course.transitions[-1] if course.transitions else None
    state = course.state
    before, after = ladder.level(held.earned).position, ladder.level(state.level).position
    evidence = latest.evidence if latest else {}
    effective_on = state.since or day
    if after < before:
        kind, effective_on = DecisionKind.REVOKE, day
        lost = ladder.level(held.earned)
        if course.history is not None and lost.upgrade is not None:
            evidence = Sight(course.history, state, day).evidence(lost.upgrade)
    elif after == before:
        kind = DecisionKind.REJUDGE
    elif latest is not None and latest.kind == DecisionKind.UPGRADE:
        kind = DecisionKind.UPGRADE
    else:
        kind = DecisionKind.RESTORE
    version_id = latest.version_id if latest else ladder.version_id
    return Transition(kind, effective_on, version_id, held.state, state, evidence)


def propose(member_id: int, course: Course, *, ladder: Ladder) -> None:
    """Let an upgrade that staff decide wait for them; what is no longer earned need not wait."""
    waiting = Proposal.objects.filter(
        member_id=member_id, kind=ProposalKind.UPGRADE, state=ProposalState.WAITING
    )
    wanted = course.proposed
    if wanted is None:
        if any(level.approval for level in ladder.levels):
            waiting.update(state=ProposalState.OBSOLETE)
        return
    waiting.exclude(level=wanted.level.code).update(state=ProposalState.OBSOLETE)
    Proposal.objects.bulk_create(
        [
            Proposal(
                member_id=member_id,
                kind=ProposalKind.UPGRADE,
                level=wanted.level.code,
                proposed_on=wanted.on,
                version_id=wanted.version_id,
                evidence=wanted.evidence,
            )
        ],
        ignore_conflicts=True,
    )
