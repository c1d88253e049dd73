"""What a member did counts towards tiers, and moves them at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import connection
from django.utils.timezone import localdate

from common.postgres.calls import first_row
from members.queries import Identity
from points import queries as points
from programme.queries import Rulebook
from tiers import queries
from tiers.judging import COUNTED, NOTHING, Course, Summed, best_upgrade, proposal, upgraded
from tiers.ladders import Ladder
from tiers.models import Decision
from tiers.operations._deciding import (
    Held,
    hold,
    judge_anew,
    judged_all_anew,
    judged_anew,
    propose,
    settled,
    write,
)

GATHER = """
    SELECT level, earned, since, period_from, valid_until, manual, manual_until, review_on,
        judged_on, guests, sums
    FROM tiers_gather(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::date[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """
    What one event adds to what tiers are judged by; below nought, what a return takes back.

    `points`: qualifying ones. `purchases`: -1 when nothing is left of a purchase.
    """

    points: int = 0
    spend: Decimal = Decimal(0)
    purchases: int = 0
    interactions: int = 0
    events: int = 0
    referrals: int = 0

    @property
    def takes_back(self) -> bool:
        return any(getattr(self, measure.value) < 0 for measure in COUNTED)


def gathered(
    *,
    member: Identity,
    at: datetime,
    measured: Measured,
    rulebook: Rulebook,
    now: datetime | None = None,
) -> Decision | None:
    """
    Count what was just posted, and upgrade at once if it crosses a threshold, or propose it.

    Call it in the transaction of the posting, once for each activity. A return is told with the
    time of its purchase: what it takes back was gathered then, and a tier won by it is taken back.

    :param rulebook: of the day of `at`
    :param now: when it became known, if not when it happened: a return, a late purchase
    :returns: the decision that came of it
    """
    ladder = queries.ladder(rulebook.id)
    if not ladder:
        return None
    assert connection.in_atomic_block, "what is counted is posted in the same transaction"
    day = localdate(at)
    # Only a return may come after a merge.
    hosts = points.hosts_of(member.id) if measured.takes_back else []
    if hosts:
        hold([member.id, *hosts], base=ladder.base.code)
    held, sight = _gather(member.id, day, measured, ladder)
    assert held.judged_on is not None
    today = max(held.judged_on, localdate(now) if now else day)
    if _goes_on(held, day, today, measured):
        course = _one_day(held, sight, ladder)
    else:
        ladder = queries.ladder_on(today)
        course = judged_anew(held, until=today)
    found = settled(held, course, ladder=ladder, day=today, at=now or at)
    write([found])
    propose(member.id, course, ladder=ladder)
    for host_id in hosts:
        judge_anew(host_id, day=today, at=now or at)
    return found.decisions[-1] if found.decisions else None


def gathered_many(
    happened: Sequence[tuple[Identity, datetime, Measured, Rulebook]],
    *,
    now: datetime | None = None,
) -> list[Decision]:
    """
    As `gathered` for what many members did, set by set, in one transaction of the caller's.

    Only what is true when all of it is counted is decided.

    :param now: when it became known, if not when it happened
    """
    counted = _by_day(happened)
    if not counted:
        return []
    assert connection.in_atomic_block, "what is counted is posted in the same transaction"
    latest: dict[int, date] = {}
    for member_id, day in counted:
        latest[member_id] = max(day, latest.get(member_id, day))
    ladder = queries.ladder_on(localdate(now) if now else max(latest.values()))
    if not ladder:
        return []
    all_held = hold(latest, base=ladder.base.code)
    rows = [(member_id, day, *amounts) for (member_id, day), amounts in sorted(counted.items())]
    with connection.cursor() as cursor:
        cursor.execute(GATHER_MANY, [list(column) for column in zip(*rows, strict=True)])
    until = {
        held.member_id: max(
            latest[held.member_id],
            held.judged_on or date.min,
            localdate(now) if now else date.min,
        )
        for held in all_held
    }
    courses = judged_all_anew(all_held, until=until)
    told = {member.id: at for member, at, *_ in sorted(happened, key=lambda each: each[1])}
    all_settled = [
        settled(
            held,
            courses[held.member_id],
            ladder=queries.ladder_on(until[held.member_id]),
            day=until[held.member_id],
            at=now or told[held.member_id],
        )
        for held in all_held
    ]
    write(all_settled)
    for held in all_held:
        propose(held.member_id, courses[held.member_id], ladder=ladder)
    return [decision for each in all_settled for decision in each.decisions]


# In the order of the key, so that two imports do not deadlock.
GATHER_MANY = """
    INSERT INTO tiers_gathered AS g (
        member_id, day, points, spend, purchases, interactions, events, referrals
    )
    SELECT * FROM unnest(
        %s::bigint[], %s::date[], %s::bigint[], %s::numeric[], %s::integer[], %s::integer[],
        %s::integer[], %s::integer[]
    )
    ON CONFLICT (member_id, day) DO UPDATE SET
        points = g.points + excluded.points, spend = g.spend + excluded.spend,
        purchases = g.purchases + excluded.purchases,
        interactions = g.interactions + excluded.interactions,
        events = g.events + excluded.events, referrals = g.referrals + excluded.referrals
"""


def _by_day(
    happened: Sequence[tuple[Identity, datetime, Measured, Rulebook]],
) -> dict[tuple[int, date], tuple[Decimal, ...]]:
    """What each member gathered on each day whose rulebook has a ladder."""
    counted: dict[tuple[int, date], tuple[Decimal, ...]] = {}
    for member, at, measured, rulebook in happened:
        if queries.ladder(rulebook.id):
            key = (member.id, localdate(at))
            amounts = tuple(Decimal(getattr(measured, each.value)) for each in COUNTED)
            before = counted.get(key, NOTHING)
            counted[key] = tuple(a + b for a, b in zip(before, amounts, strict=True))
    return counted


def _gather(member_id: int, day: date, measured: Measured, ladder: Ladder) -> tuple[Held, Summed]:
    """Add to the day and hold the standing: one round trip, unless windows ask for more."""
    joined = (
        queries.joined_on(member_id)
        if any(window.kind == "anniversary" for window in ladder.windows)
        else day
    )
    firsts = [
        window.first_day(day, period_from=None, joined_on=joined) for window in ladder.windows
    ]
    row = first_row(
        GATHER,
        (
            member_id, day, ladder.base.code, *(getattr(measured, each.value) for each in COUNTED),
            [None if first == date.min else first for first in firsts],
        ),
    )  # fmt: skip
    assert row is not None
    held = Held(member_id, *row[:-1])
    sums: Sequence[Decimal] = row[-1] or ()
    width = len(COUNTED)
    return held, Summed(
        day=day,
        sums={
            window: sums[place * width : (place + 1) * width]
            for place, window in enumerate(ladder.windows)
        },
        first_days={
            window: window.first_day(day, period_from=held.period_from, joined_on=joined)
            for window in ladder.windows
        },
        products=queries.products_owned(member_id, day) if ladder.counts_products else 0,
    )


def _goes_on(held: Held, day: date, today: date, measured: Measured) -> bool:
    """
    Whether only this day is to be judged: nothing before it has changed, no period has ended, and
    nothing was decided on the day itself, whose events count together.
    """
    return (
        day == today
        and not measured.takes_back
        and (held.period_from is None or held.period_from <= day)
        and (held.review_on is None or held.review_on > day)
        # In the days of grace a purchase may keep the tier.
        and (held.valid_until is None or held.valid_until >= day)
        # The sums leave out what members gathered who were merged into this one.
        and not held.guests
    )


def _one_day(held: Held, sight: Summed, ladder: Ladder) -> Course:
    course = Course(None, held.state)
    if level := best_upgrade(ladder, held.state, sight):
        course.take(upgraded(level, ladder, held.state, sight))
        sight = sight.after_change()
    course.proposed = proposal(ladder, course.state, sight)
    return course
