"""What a version says about activities, ready to judge by: read once per process."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from campaigns.activity_rulebook import ACTIVITIES, CONSUMPTION
from campaigns.campaign_rulebook import plans_of
from campaigns.models import ActivityRule, Budget, Campaign, Cap, Gift, Period, Task
from campaigns.timetable import Timetable
from points.queries import start_of_day


@dataclass(frozen=True, slots=True)
class Span:
    """A period of the programme's calendar; `until` is the first day after it. None: no end."""

    since: date | None
    until: date | None

    @property
    def moments(self) -> tuple[datetime | None, datetime | None]:
        return (
            start_of_day(self.since) if self.since else None,
            start_of_day(self.until) if self.until else None,
        )


def span(per: str, day: date) -> Span:
    """The period of a kind in which a day lies."""
    match per:
        case Period.DAY:
            return Span(day, day + timedelta(days=1))
        case Period.WEEK:
            monday = day - timedelta(days=day.weekday())
            return Span(monday, monday + timedelta(days=7))
        case Period.MONTH_QUARTER:
            # The 1st, 8th, 15th and 22nd begin one: four a month, whatever its length.
            first = min((day.day - 1) // 7, 3) * 7 + 1
            since = day.replace(day=first)
            return Span(since, _next_month(day) if first > 21 else since + timedelta(days=7))
        case Period.MONTH:
            return Span(day.replace(day=1), _next_month(day))
        case Period.YEAR:
            return Span(date(day.year, 1, 1), date(day.year + 1, 1, 1))
    return Span(None, None)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class CapRule:
    """
    The most a member may be given in a period: `points`, `times`, or a `share` of consumption.

    `codes` is empty where it is of everything of its type.
    """

    code: str
    names: Mapping[str, str]
    # Of what is done, or of what is bought.
    of_activities: bool
    codes: frozenset[str]
    per: str
    points: int | None = None
    times: int | None = None
    share: Decimal | None = None

    def counts(self, code: str) -> bool:
        return not self.codes or code in self.codes


@dataclass(frozen=True, slots=True)
class BudgetRule:
    code: str
    names: Mapping[str, str]
    points: int
    of: frozenset[str]
    dealer: str
    first_day: date
    last_day: date

    def holds_on(self, day: date) -> bool:
        return self.first_day <= day <= self.last_day

    def pays_for(self, code: str) -> bool:
        """Whether it is for a rule or boost."""
        return code in self.of or CONSUMPTION in self.of


@dataclass(frozen=True, slots=True)
class Kind:
    """Something a member can do, with all that limits what it gives."""

    code: str
    names: Mapping[str, str]
    group: str
    points: int
    once_per: str
    caps: tuple[CapRule, ...]
    budgets: tuple[BudgetRule, ...]

    @property
    def is_limited(self) -> bool:
        return bool(self.once_per or self.caps or self.budgets)


@dataclass(frozen=True, slots=True)
class Activities:
    """What a version says. Tasks are kinds too, which only their step completes."""

    kinds: Mapping[str, Kind]
    tasks: Mapping[str, Task]
    # Of what is done; of what is bought.
    caps: tuple[CapRule, ...]
    purchase_caps: tuple[CapRule, ...]
    # Also those of campaigns.
    budgets: tuple[BudgetRule, ...]
    gifts: tuple[Gift, ...]
    # What belongs to campaigns, and which budgets are theirs: only those pay for gifts.
    timetable: Timetable
    campaign_budgets: tuple[BudgetRule, ...]

    def has_task(self, step: str) -> bool:
        return any(task.when == step for task in self.tasks.values())

    def purchase_budgets(self, codes: Collection[str]) -> tuple[BudgetRule, ...]:
        """Those that pay for any of these rules or boosts."""
        wanted = {*codes, CONSUMPTION}
        return tuple(each for each in self.budgets if not each.of.isdisjoint(wanted))


@lru_cache(maxsize=64)
def compiled(version_id: int) -> Activities:
    """What a published version says. It never changes, so it is read once per process."""
    rules = list(_of(ActivityRule, version_id))
    tasks = {task.code: task for task in _of(Task, version_id)}
    done = frozenset([*(rule.code for rule in rules), *tasks])
    caps = [_cap(cap, done) for cap in _of(Cap, version_id)]
    of_campaigns = [_purse(each) for each in _of(Campaign, version_id) if each.points]
    budgets = [*(_budget(budget) for budget in _of(Budget, version_id)), *of_campaigns]

    def kind(rule: ActivityRule | Task, *, group: str, once_per: str) -> Kind:
        return Kind(
            code=rule.code,
            names=rule.names,
            group=group,
            points=rule.points,
            once_per=once_per,
            caps=tuple(cap for cap in caps if cap.of_activities and cap.counts(rule.code)),
            budgets=tuple(
                each for each in budgets if not each.of.isdisjoint({rule.code, ACTIVITIES})
            ),
        )

    kinds = {rule.code: kind(rule, group=rule.group, once_per=rule.once_per) for rule in rules}
    for task in tasks.values():
        kinds[task.code] = kind(task, group="task", once_per=Period.LIFETIME)
    return Activities(
        kinds=kinds,
        tasks=tasks,
        caps=tuple(cap for cap in caps if cap.of_activities),
        purchase_caps=tuple(cap for cap in caps if not cap.of_activities),
        budgets=tuple(budgets),
        gifts=tuple(_of(Gift, version_id)),
        timetable=Timetable.of(plans_of(version_id)),
        campaign_budgets=tuple(of_campaigns),
    )


def _of(model: Any, version_id: int) -> Sequence[Any]:
    return list(model.objects.filter(version_id=version_id).order_by("position"))


def _cap(cap: Cap, done: frozenset[str]) -> CapRule:
    codes = frozenset(cap.of)
    return CapRule(
        code=cap.code,
        names=cap.names,
        of_activities=not codes.isdisjoint(done | {ACTIVITIES}),
        codes=frozenset() if codes & {ACTIVITIES, CONSUMPTION} else codes,
        per=cap.per,
        points=cap.points,
        times=cap.times,
        share=cap.share,
    )


def _budget(budget: Budget) -> BudgetRule:
    return BudgetRule(
        code=budget.code,
        names=budget.names,
        points=budget.points,
        of=frozenset(budget.of),
        dealer=budget.dealer,
        first_day=budget.first_day or date.min,
        last_day=budget.last_day or date.max,
    )


def _purse(campaign: Campaign) -> BudgetRule:
    """A campaign's budget is one purse for all that belongs to it."""
    assert campaign.points is not None, "asked of those that have one"
    return BudgetRule(
        code=campaign.code,
        names=campaign.names,
        points=campaign.points,
        of=frozenset(campaign.of),
        dealer="",
        first_day=campaign.first_day,
        last_day=campaign.last_day,
    )
