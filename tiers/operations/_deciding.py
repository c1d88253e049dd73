"""How decisions are written: the records, the standings they lead to, and who is told."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import connection

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

# Members, and whose days count with theirs.
Guests = Mapping[int, Collection[int]]


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
    guests: list[int]

    @classmethod
    def of(cls, standing: Standing) -> "Held":
        return cls(*(getattr(standing, name) for name in cls.__slots__))

    @property
    def state(self) -> State:
        """As `queries.state_of`."""
        return State(
            self.earned if self.since else None, self.since, self.period_from, self.valid_until
        )

    def manual_on(self, day: date) -> str:
        """The tier given by hand that holds on a day; empty: none."""
        over = self.manual_until is not None and self.manual_until < day
        return "" if over else self.manual


@dataclass(slots=True)
class Settled:
    """What becomes of a standing, and the decisions that say why."""

    held: Held
    ladder: Ladder
    # The latest day that was judged.
    day: date
    state: State
    manual: str
    manual_until: date | None
    decisions: list[Decision] = field(default_factory=list)

    @property
    def level(self) -> str:
        return shown(self.ladder, self.state, self.manual)

    @property
    def review_on(self) -> date | None:
        """The next day whose night has something to decide."""
        days = []
        if self.state.valid_until is not None:
            ends = days_from(self.state.valid_until, 1)
            days.append(ends if ends > self.day else falls_on(self.state, self.ladder))
        if self.manual_until is not None:
            days.append(days_from(self.manual_until, 1))
        return min(days, default=None)

    @property
    def changed(self) -> bool:
        judged = self.held.judged_on is not None and self.held.judged_on >= self.day
        same = (self.held.state, self.held.manual, self.held.review_on) == (
            self.state, self.manual, self.review_on,
        )  # fmt: skip
        return bool(self.decisions) or not same or not judged

    def decide(self, kind: DecisionKind, on: date, *, at: datetime, **said: object) -> Decision:
        """Add a decision that leads to where the standing is now."""
        before = self.decisions[-1].to_level if self.decisions else self.held.level
        decision = Decision(
            member_id=self.held.member_id,
            kind=kind,
            from_level=before,
            effective_on=on,
            decided_at=at,
            **{
                "to_level": self.level,
                "earned": self.ladder.level(self.state.level).code,
                "valid_until": self.state.valid_until,
                "version_id": self.ladder.version_id,
            }
            | said,
        )
        self.decisions.append(decision)
        return decision


def shown(ladder: Ladder, state: State, manual: str) -> str:
    """The tier that counts: the one earned, unless the one by hand is higher."""
    levels = (ladder.level(state.level), ladder.level(manual))
    return max(levels, key=lambda level: level.position).code


def settled(held: Held, course: Course, *, ladder: Ladder, day: date, at: datetime) -> Settled:
    """
    What a walk has decided anew.

    :param ladder: of `day`, the day that is judged now
    """
    transitions = course.since(held.state)
    if transitions is None:
        transitions = [_rewritten(held, course, ladder=ladder, day=day)]
    found = Settled(held, ladder, day, held.state, held.manual, held.manual_until)
    for transition in transitions:
        found.state = transition.after
        found.manual = held.manual_on(min(transition.effective_on, day))
        found.decide(
            transition.kind,
            transition.effective_on,
            at=at,
            version_id=transition.version_id,
            evidence=transition.evidence,
        )
    found.state = course.state
    found.manual = held.manual_on(day)
    if held.manual and not found.manual:
        assert held.manual_until is not None
        found.manual_until = None
        found.decide(DecisionKind.MANUAL_END, days_from(held.manual_until, 1), at=at)
    return found


def write(all_settled: Iterable[Settled], *, tell: bool = True) -> None:
    """Write decisions and the standings they lead to, each in one statement, and tell of them."""
    changed = [each for each in all_settled if each.changed]
    if not changed:
        return
    decisions = [decision for each in changed for decision in each.decisions]
    for decision in decisions:
        decision.is_quiet = not tell
    Decision.objects.bulk_create(decisions)
    rows = [_as_row(each) for each in changed]
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_STANDINGS, [list(column) for column in zip(*rows, strict=True)])
    if tell:
        _tell(changed)


UPDATE_STANDINGS = """
    UPDATE tiers_standing AS s SET
        level = v.level, earned = v.earned, since = v.since, period_from = v.period_from,
        valid_until = v.valid_until, manual = v.manual, manual_until = v.manual_until,
        review_on = v.review_on, judged_on = greatest(s.judged_on, v.judged_on)
    FROM unnest(
        %s::bigint[], %s::text[], %s::text[], %s::date[], %s::date[], %s::date[], %s::text[],
        %s::date[], %s::date[], %s::date[]
    ) AS v (
        member_id, level, earned, since, period_from, valid_until, manual, manual_until, review_on,
        judged_on
    )
    WHERE s.member_id = v.member_id
"""


def _as_row(each: Settled) -> tuple[object, ...]:
    state = each.state
    return (
        each.held.member_id, each.level, each.ladder.level(state.level).code, state.since,
        state.period_from, state.valid_until, each.manual, each.manual_until, each.review_on,
        each.day,
    )  # fmt: skip


def _tell(changed: Sequence[Settled]) -> None:
    up, kept, down = [], [], []
    for each in changed:
        for decision in each.decisions:
            before = each.ladder.level(decision.from_level).position
            after = each.ladder.level(decision.to_level).position
            told = {
                "member_id": decision.member_id,
                "decision_id": decision.pk,
                "from": decision.from_level,
                "to": decision.to_level,
                "on": decision.effective_on.isoformat(),
            }
            if after > before:
                up.append(told)
            elif after < before:
                down.append(told)
            elif decision.kind == DecisionKind.KEEP:
                kept.append(told)
    events.publish("tier.upgraded", *up)
    events.publish("tier.retained", *kept)
    events.publish("tier.downgraded", *down)


# --- Walking --------------------------------------------------------------------------------------


def judged_anew(held: Held, *, until: date) -> Course:
    """Walk a member's whole history, as after a late purchase or a return."""
    return judged_all_anew([held], until={held.member_id: until})[held.member_id]


def judged_all_anew(all_held: Sequence[Held], *, until: dict[int, date]) -> dict[int, Course]:
    """As `judged_anew`, for many in few queries."""
    if not all_held:
        return {}
    return _walked({held.member_id: held.guests for held in all_held}, until=until)


def _walked(guests: Guests, *, until: dict[int, date]) -> dict[int, Course]:
    histories = queries.histories(
        dict.fromkeys(guests, ()),
        with_products=queries.ladder_on(max(until.values())).counts_products,
    )
    grants = _grants(guests)
    begins = queries.beginnings()
    return {
        member_id: walk(
            histories[member_id],
            ladder_on=queries.ladder_on,
            until=until[member_id],
            grants=grants.get(member_id, ()),
            begins=begins,
        )
        for member_id in guests
    }


def judged_anew_by_range(*, low: int, high: int) -> list[tuple[Held, Course]]:
    """Every standing of members low … high, and what a walk to the same day makes of it."""
    standings = Standing.objects.filter(pk__gte=low, pk__lte=high, judged_on__isnull=False)
    all_held = [Held.of(each) for each in standings.order_by("pk")]
    until = {held.member_id: held.judged_on for held in all_held if held.judged_on}
    courses = judged_all_anew(all_held, until=until)
    return [(held, courses[held.member_id]) for held in all_held]


def _grants(guests: Guests) -> dict[int, list[Grant]]:
    granted = Decision.objects.filter(member_id__in=guests, granted=True).order_by("pk")
    grants: dict[int, list[Grant]] = {}
    merges: dict[tuple[int, int], Decision] = {}
    # What is given by hand lies over what is earned; it is no part of the walk.
    for each in granted.exclude(kind__in=[DecisionKind.MANUAL, DecisionKind.MANUAL_END]):
        if each.kind == DecisionKind.MERGE:
            # Taken apart and merged again, the latest counts.
            merges[each.member_id, each.evidence["merged"]["id"]] = each
        else:
            grants.setdefault(each.member_id, []).append(
                Grant(DecisionKind(each.kind), each.effective_on, each.earned, each.valid_until)
            )
    for (member_id, came_id), merge in merges.items():
        if came_id in guests[member_id]:
            grants.setdefault(member_id, []).append(_merge(merge, came_id))
    return grants


def _merge(decision: Decision, came_id: int) -> Grant:
    """Where the other stood is judged anew: what they had bought may have been returned since."""
    came = Standing.objects.get(pk=came_id)
    day = decision.effective_on
    course = _walked({came_id: came.guests}, until={came_id: day})[came_id]
    days = queries.histories(
        {came_id: came.guests}, with_products=queries.ladder_on(day).counts_products
    )
    return Grant(
        DecisionKind.MERGE, day, decision.earned, decision.valid_until,
        came=course.state, guests=(days[came_id],),
    )  # fmt: skip


def judge_anew(member_id: int, *, day: date, at: datetime) -> None:
    """Walk the days of a member whose standing is held, and decide what follows."""
    held = Held.of(Standing.objects.get(pk=member_id))
    day = max(day, held.judged_on or day)
    ladder = queries.ladder_on(day)
    course = judged_anew(held, until=day)
    found = settled(held, course, ladder=ladder, day=day, at=at)
    write([found])
    propose([(course, found)])


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


# --- Holding --------------------------------------------------------------------------------------


def hold(member_ids: Iterable[int], *, base: str) -> list[Held]:
    """Hold standings in the order of members, new ones at the base, until the transaction ends."""
    wanted = sorted(set(member_ids))
    with connection.cursor() as cursor:
        cursor.execute(BEGIN_STANDINGS, (base, base, wanted))
    found = Standing.objects.filter(pk__in=wanted).order_by("pk")
    return [Held.of(standing) for standing in found.select_for_update(no_key=True)]


BEGIN_STANDINGS = """
    INSERT INTO tiers_standing (member_id, level, earned, manual)
    SELECT member_id, %s, %s, '' FROM unnest(%s::bigint[]) AS wanted (member_id)
    ON CONFLICT (member_id) DO NOTHING
"""


# --- What staff decide ----------------------------------------------------------------------------


def propose(all_settled: Sequence[tuple[Course, Settled]]) -> None:
    """Let upgrades that staff decide wait for them; what is no longer earned need not wait."""
    wanted: dict[str, list[Proposal]] = {}
    asked = []
    for course, each in all_settled:
        if not any(level.approval for level in each.ladder.levels):
            continue
        asked.append(each.held.member_id)
        if course.proposed is not None:
            wanted.setdefault(course.proposed.level.code, []).append(
                Proposal(
                    member_id=each.held.member_id,
                    kind=ProposalKind.UPGRADE,
                    level=course.proposed.level.code,
                    proposed_on=course.proposed.on,
                    version_id=course.proposed.version_id,
                    evidence=course.proposed.evidence,
                )
            )
    if not asked:
        return
    waiting = Proposal.objects.filter(
        member_id__in=asked, kind=ProposalKind.UPGRADE, state=ProposalState.WAITING
    )
    for level, proposals in wanted.items():
        waiting = waiting.exclude(level=level, member_id__in=[each.member_id for each in proposals])
    waiting.update(state=ProposalState.OBSOLETE)
    for proposals in wanted.values():
        Proposal.objects.bulk_create(proposals, ignore_conflicts=True)
