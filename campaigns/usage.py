"""Questions of pages: what of caps and budgets is used, which tasks are done."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Sum

from campaigns import limits
from campaigns.activity_rules import Activities, Kind, compiled, span
from campaigns.limits import Room
from campaigns.models import Budget, BudgetPurse, BudgetSlice
from common.localized import localized
from points import queries as points
from points.models import Activity
from programme import queries as programme


@dataclass(frozen=True, slots=True)
class CapUsed:
    """How much of a cap a member has used in its period; in points, or in times."""

    code: str
    name: str
    per: str
    # None: a lifetime. The last day is inclusive.
    first_day: date | None
    until: date | None
    in_times: bool
    limit: int
    used: int
    left: int


def caps(*, member_id: int, on: date) -> list[CapUsed]:
    """Every cap of the day's rulebook, as it stands for a member."""
    rules = _rules_on(on)
    rooms = [
        *limits.rooms(member_id=member_id, caps=rules.caps, day=on),
        *limits.purchase_rooms(member_id=member_id, caps=rules.purchase_caps, day=on),
    ]
    return [_used(room) for room in rooms]


def _used(room: Room) -> CapUsed:
    cap, used = room.cap, room.used
    in_times = cap.times is not None
    return CapUsed(
        code=cap.code,
        name=localized(cap.names),
        per=cap.per,
        first_day=used.span.since,
        until=used.span.until,
        in_times=in_times,
        limit=room.limit,
        used=used.times if in_times else used.points,
        left=room.left,
    )


@dataclass(frozen=True, slots=True)
class ActivityOffered:
    """What a member can do, what it is worth each time, and whether it was done in its period."""

    code: str
    name: str
    points: int
    once_per: str
    # How often in the period of `once_per`; None where it may be done as often as one likes.
    done: int | None


def activities(*, member_id: int, on: date) -> list[ActivityOffered]:
    """What the day's rulebook rewards besides buying and tasks."""
    rules = _rules_on(on)
    return [
        ActivityOffered(
            code=kind.code,
            name=localized(kind.names),
            points=kind.points,
            once_per=kind.once_per,
            done=_times(member_id, kind, on) if kind.once_per else None,
        )
        for kind in rules.kinds.values()
        if kind.code not in rules.tasks
    ]


def _times(member_id: int, kind: Kind, on: date) -> int:
    return limits.times_done(
        member_id=member_id,
        code=kind.code,
        within=span(kind.once_per, on),
        only_rewarded=kind.points > 0,
    )


@dataclass(frozen=True, slots=True)
class TaskTold:
    """
    A task, and when it was done, if it was. `given` may be less than `points`: caps.

    `is_open`: it can be done today, for its points.
    """

    code: str
    name: str
    step: str
    points: int
    done_at: datetime | None
    given: int
    is_open: bool


def tasks(*, member_id: int, on: date) -> list[TaskTold]:
    """The tasks of the day's rulebook as they stand for a member, in one query."""
    rules = _rules_on(on)
    found: Mapping[str | None, Activity] = {
        each.code: each
        for each in points.done_by_account(member_id).filter(code__in=list(rules.tasks))
    }
    return [
        TaskTold(
            code=code,
            name=localized(task.names),
            step=task.when,
            points=task.points,
            done_at=found[code].occurred_at if code in found else None,
            given=found[code].points if code in found else 0,
            is_open=code not in found and rules.timetable.refusal(code, on) is None,
        )
        for code, task in rules.tasks.items()
    ]


@dataclass(frozen=True, slots=True)
class BudgetUsed:
    """A budget of a version and what all versions that name it have spent of it."""

    code: str
    name: str
    dealer: str
    points: int
    money: Decimal | None
    spent: int
    left: int


def budgets(*, version_id: int) -> list[BudgetUsed]:
    """The budgets a version names, with what is left of them, in three queries."""
    rows = list(Budget.objects.filter(version_id=version_id).order_by("position"))
    codes = [row.code for row in rows]
    purses = BudgetPurse.objects.in_bulk(codes)
    lying = BudgetSlice.objects.filter(purse_id__in=codes).values_list("purse_id")
    left = dict(lying.annotate(left=Sum("remaining")))
    told = []
    for row in rows:
        purse = purses.get(row.code)
        spent = purse.points - left[row.code] if purse else 0
        told.append(
            BudgetUsed(
                code=row.code,
                name=str(row),
                dealer=row.dealer,
                points=row.points,
                money=row.money,
                spent=spent,
                left=max(0, row.points - spent),
            )
        )
    return told


def _rules_on(day: date) -> Activities:
    """:raises programme.NoRulebook: if there was none"""
    return compiled(programme.rulebook_on(day).id)
