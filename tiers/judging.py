"""
What a member's days make of them: pure, so that a late purchase is judged by walking again.

All of one day counts together, against the period that was open when the day began; the new period
begins the day after a change. So the order in which a day's events arrive decides nothing.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Protocol

from programme.policies import NEVER, days_from
from tiers import criteria
from tiers.criteria import SINCE_CHANGE, Criterion, Measure, Window
from tiers.ladders import EARNED, TO_BASE, Ladder, Level
from tiers.models import DecisionKind

DAY = timedelta(days=1)
# In the order of their columns.
COUNTED = tuple(measure for measure in Measure if measure != Measure.PRODUCTS)
NOTHING = (Decimal(0),) * len(COUNTED)

LadderOn = Callable[[date], Ladder]
# The days a product was bought and, exclusive, given up; None: not known, or not.
Owned = tuple[date | None, date | None]


@dataclass(frozen=True, slots=True)
class Gathering:
    """What was gathered on a day, in the order of COUNTED."""

    day: date
    amounts: tuple[Decimal, ...]


def owned_on(products: Sequence[Owned], day: date) -> int:
    """How many products a member owns when a day is over."""
    return sum(
        (bought is None or bought <= day) and (until is None or until > day)
        for bought, until in products
    )


class History:
    """A member's days, ready for sums over any window."""

    def __init__(
        self,
        gatherings: Iterable[Gathering],
        *,
        joined_on: date,
        owned: Sequence[Owned] = (),
    ) -> None:
        """
        :param gatherings: in the order of days
        """
        self.joined_on = joined_on
        self.days: list[date] = []
        self._guests: tuple[History, ...] = ()
        self._owned = owned
        self._sums = [NOTHING]
        for gathering in gatherings:
            self.days.append(gathering.day)
            self._sums.append(
                tuple(a + b for a, b in zip(self._sums[-1], gathering.amounts, strict=True))
            )

    def has_days_before(self, day: date) -> bool:
        return bool(self.days) and self.days[0] < day

    def with_guests(self, guests: Iterable["History"]) -> "History":
        """Together with what members gathered who were merged into this one."""
        together = copy(self)
        together._guests = (*self._guests, *guests)
        return together

    def total(self, measure: Measure, first: date, last: date) -> Decimal:
        """Of the days first … last, both inclusive; of products, what is owned on the last."""
        own = self._own(measure, first, last)
        return sum((guest.total(measure, first, last) for guest in self._guests), own)

    def _own(self, measure: Measure, first: date, last: date) -> Decimal:
        if measure == Measure.PRODUCTS:
            return Decimal(owned_on(self._owned, last))
        low = bisect_left(self.days, first)
        high = bisect_right(self.days, last)
        column = COUNTED.index(measure)
        return self._sums[high][column] - self._sums[low][column] if low < high else Decimal(0)


@dataclass(frozen=True, slots=True)
class State:
    """The tier earned, not counting one given by hand. `level` is None before any change."""

    level: str | None = None
    since: date | None = None
    period_from: date | None = None
    # Its last day; None: for ever.
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """One decision the rules take."""

    kind: DecisionKind
    effective_on: date
    version_id: int
    before: State
    after: State
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Grant:
    """What was not gathered: a starting tier, an approved upgrade, an extension, a merge."""

    kind: DecisionKind
    on: date
    level: str
    valid_until: date | None
    # Of a merge: where the other stood that day, and whose days count from then on.
    came: State | None = None
    guests: tuple[History, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposed:
    """An upgrade that waits for staff."""

    level: Level
    on: date
    version_id: int
    evidence: dict[str, Any]


@dataclass(slots=True)
class Course:
    """How a walk ended, and the decisions on its way."""

    history: History | None
    state: State
    transitions: list[Transition] = field(default_factory=list)
    proposed: Proposed | None = None
    # Every state on its way, and how many decisions had been taken by then.
    states: list[tuple[State, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.states.append((self.state, 0))

    def take(self, transition: Transition) -> None:
        self.transitions.append(transition)
        self.enter(transition.after)

    def enter(self, state: State) -> None:
        self.state = state
        self.states.append((state, len(self.transitions)))

    def since(self, held: State) -> list[Transition] | None:
        """The decisions that follow a state; None if the way does not lead through it."""
        for state, decided in reversed(self.states):
            if state == held:
                return self.transitions[decided:]
        return None


def walk(
    history: History,
    *,
    ladder_on: LadderOn,
    until: date,
    start: State | None = None,
    after: date | None = None,
    grants: Iterable[Grant] = (),
    begins: Iterable[date] = (),
) -> Course:
    """
    Judge day by day: periods that end, then what was granted, then what was gathered; last of all
    merges, after which the day is judged once more with what the other had gathered.

    :param until: the last day to judge; periods that ended before it are reviewed
    :param start: where the member stood when the day `after` was over; None: from the beginning
    :param grants: of days behind `after`
    :param begins: first days of tiers, on which what was gathered before them is judged
    """
    course = Course(history, start or State())
    granted = {grant.on: [g for g in grants if g.on == grant.on] for grant in grants}
    gathered = [day for day in history.days if (after is None or day > after) and day <= until]
    begun = [day for day in begins if day <= until and history.has_days_before(day)]
    days = {*gathered, *(on for on in granted if on <= until)}
    for day in sorted(days.union(day for day in begun if after is None or day > after)):
        _review(course, history, ladder_on=ladder_on, day=day)
        ladder = ladder_on(day)
        for grant in granted.get(day, ()):
            if grant.came is None:
                _accept(course, grant, ladder)
        if ladder:
            _judge_day(course, history, ladder=ladder, day=day)
        for merge in granted.get(day, ()):
            if merge.came is not None:
                history = course.history = history.with_guests(merge.guests)
                course.enter(higher(course.state, merge.came, ladder))
                _judge_day(course, history, ladder=ladder, day=day)
    _review(course, history, ladder_on=ladder_on, day=until)
    return course


def higher(own: State, came: State, ladder: Ladder) -> State:
    """
    Of two standings the one that remains when members are merged (see `operations.follow_merge`).
    """

    def worth(state: State) -> tuple[int, date]:
        return ladder.level(state.level).position, state.valid_until or NEVER

    return came if worth(came) > worth(own) else own


def _judge_day(course: Course, history: History, *, ladder: Ladder, day: date) -> None:
    sight = Sight(history, course.state, day)
    course.proposed = None
    if upgrade := best_upgrade(ladder, course.state, sight):
        course.take(upgraded(upgrade, ladder, course.state, sight))
    elif course.state.valid_until is not None and course.state.valid_until < day:
        # In the days of grace.
        _keep(course, sight, ladder)
    course.proposed = proposal(ladder, course.state, Sight(history, course.state, day))


def _review(course: Course, history: History, *, ladder_on: LadderOn, day: date) -> None:
    """Decide on every period that was over before the day began."""
    while course.state.valid_until is not None and course.state.valid_until < day:
        last = course.state.valid_until
        ladder = ladder_on(last + DAY)
        if not ladder or _keep(course, Sight(history, course.state, last), ladder):
            if not ladder:
                return
            continue
        fall_on = falls_on(course.state, ladder)
        if fall_on > day:
            return
        ladder = ladder_on(fall_on)
        if not ladder:
            return
        sight = Sight(history, course.state, fall_on - DAY)
        if not _keep(course, sight, ladder):
            course.take(_downgraded(ladder, course.state, sight, fall_on))


def falls_on(state: State, ladder: Ladder) -> date:
    """The day on which a tier falls that nothing has kept; NEVER for one without an end."""
    if state.valid_until is None:
        return NEVER
    fall_on = days_from(state.valid_until, ladder.grace_days + 1)
    stays = days_from(state.since, ladder.minimum_stay_days) if state.since else fall_on
    return max(fall_on, stays)


def _keep(course: Course, sight: "Sight", ladder: Ladder) -> bool:
    """Let the next period begin if this one is over and its tier was earned again."""
    state = course.state
    level = ladder.level(state.level)
    if state.valid_until is None or state.valid_until > sight.day:
        return False
    if level.validity is None:
        # By a newer version it is for ever.
        valid_until = None
    elif level.keep is None or not sight.meets(level.keep):
        return False
    else:
        valid_until = level.validity.last_day(state.valid_until)
    begins = days_from(state.valid_until, 1)
    after = replace(state, period_from=begins, valid_until=valid_until)
    evidence = sight.evidence(level.keep) if level.validity and level.keep else {}
    course.take(Transition(DecisionKind.KEEP, begins, ladder.version_id, state, after, evidence))
    return True


def best_upgrade(ladder: Ladder, state: State, sight: "View") -> Level | None:
    """The highest tier above the present one that is earned and needs nobody's approval."""
    for level in ladder.above(ladder.level(state.level)):
        if level.upgrade and not level.approval and sight.meets(level.upgrade):
            return level
    return None


def proposal(ladder: Ladder, state: State, sight: "View") -> Proposed | None:
    """The highest tier above the present one that is earned and waits for staff."""
    for level in ladder.above(ladder.level(state.level)):
        if level.upgrade and level.approval and sight.meets(level.upgrade):
            return Proposed(level, sight.day, ladder.version_id, sight.evidence(level.upgrade))
    return None


def upgraded(level: Level, ladder: Ladder, state: State, sight: "View") -> Transition:
    assert level.upgrade is not None
    return Transition(
        DecisionKind.UPGRADE,
        sight.day,
        ladder.version_id,
        state,
        entered(level, sight.day),
        sight.evidence(level.upgrade),
    )


def entered(level: Level, day: date) -> State:
    """Where somebody stands who was given a level on a day."""
    return State(level.code, day, days_from(day, 1), last_day(level, day))


def last_day(level: Level, day: date) -> date | None:
    return level.validity.last_day(day) if level.validity else None


def _downgraded(ladder: Ladder, state: State, sight: "Sight", day: date) -> Transition:
    present = ladder.level(state.level)
    level = _landing(ladder, present, sight)
    return Transition(
        DecisionKind.DOWNGRADE,
        day,
        ladder.version_id,
        state,
        State(level.code, day, day, last_day(level, day)),
        sight.evidence(present.keep) if present.keep else {},
    )


def _landing(ladder: Ladder, present: Level, sight: "Sight") -> Level:
    below = ladder.levels[: present.position]
    if not below or ladder.downgrade == TO_BASE:
        return ladder.base
    if ladder.downgrade == EARNED:
        earned = (level for level in reversed(below) if level.keep and sight.meets(level.keep))
        return next(earned, ladder.base)
    return below[-1]


def _accept(course: Course, grant: Grant, ladder: Ladder) -> None:
    """Grants were decisions when they were made: they are taken, not told again."""
    state = course.state
    if grant.kind == DecisionKind.EXTEND:
        if state.level == grant.level:
            course.enter(replace(state, valid_until=grant.valid_until))
        return
    if ladder.level(grant.level).position > ladder.level(state.level).position:
        course.enter(State(grant.level, grant.on, days_from(grant.on, 1), grant.valid_until))


class View(Protocol):
    """What somebody has gathered when a day is over."""

    @property
    def day(self) -> date: ...
    def meets(self, criterion: Criterion) -> bool: ...
    def evidence(self, criterion: Criterion) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Sight:
    """As somebody in a state sees their history."""

    history: History
    state: State
    day: date

    def meets(self, criterion: Criterion) -> bool:
        return criteria.is_met(criterion, self.total)

    def evidence(self, criterion: Criterion) -> dict[str, Any]:
        return criteria.told(criterion, self.total, self.days)

    def total(self, measure: Measure, window: Window) -> Decimal:
        return self.history.total(measure, *self.days(window))

    def days(self, window: Window) -> tuple[date, date]:
        first = window.first_day(
            self.day, period_from=self.state.period_from, joined_on=self.history.joined_on
        )
        return first, self.day


@dataclass(frozen=True, slots=True)
class Summed:
    """The same, from sums somebody else made (tiers/sql/gather.sql)."""

    day: date
    sums: Mapping[Window, Sequence[Decimal]]
    first_days: Mapping[Window, date]
    products: int = 0

    def after_change(self) -> "Summed":
        """What is left to see when the tier changed on this very day: a period just begun."""
        anew = [window for window in self.sums if window.kind == SINCE_CHANGE]
        return replace(
            self,
            sums={**self.sums, **dict.fromkeys(anew, NOTHING)},
            first_days={**self.first_days, **dict.fromkeys(anew, days_from(self.day, 1))},
        )

    def meets(self, criterion: Criterion) -> bool:
        return criteria.is_met(criterion, self.total)

    def evidence(self, criterion: Criterion) -> dict[str, Any]:
        return criteria.told(criterion, self.total, self.days)

    def total(self, measure: Measure, window: Window) -> Decimal:
        if measure == Measure.PRODUCTS:
            return Decimal(self.products)
        return self.sums[window][COUNTED.index(measure)]

    def days(self, window: Window) -> tuple[date, date]:
        return self.first_days[window], self.day
