"""What a member did counts towards tiers, and moves them at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from django.db import connection
from django.utils.timezone import localdate

from common.postgres.calls import first_row
from members.queries import Identity
from points import queries as points
from programme.queries import Rulebook
from tiers import queries
from tiers.criteria import ANNIVERSARY
from tiers.judging import (
    COUNTED,
    Course,
    Owned,
    Summed,
    best_upgrade,
    owned_on,
    proposal,
    upgraded,
)
from tiers.ladders import Ladder
from tiers.models import Decision
from tiers.operations._deciding import (
    Held,
    Settled,
    hold,
    judge_anew,
    judged_all_anew,
    propose,
    settled,
    write,
)


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


# Who did what, and when, and the rulebook of that day.
Happened = tuple[Identity, datetime, Measured, Rulebook]


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
    ladder = queries.ladder_on(localdate(now or at))
    # Only a return may come after a merge.
    hosts = points.hosts_of(member.id) if ladder and measured.takes_back else []
    if hosts:
        hold([member.id, *hosts], base=ladder.base.code)
    found = _settled([(member, at, measured, rulebook)], now)
    for each in found:
        for host_id in hosts:
            judge_anew(host_id, day=each.day, at=now or at)
    return next((each.decisions[-1] for each in found if each.decisions), None)


def gathered_many(happened: Sequence[Happened], *, now: datetime | None = None) -> list[Decision]:
    """
    As `gathered` for one thing each of many members, in the same few statements.

    Standings are held in the order of members, so that two imports do not deadlock. A return is
    told by itself: it may come after a merge.
    """
    return [decision for each in _settled(happened, now) for decision in each.decisions]


def _settled(happened: Sequence[Happened], now: datetime | None) -> list[Settled]:
    counted = [each for each in (_Counted(*each, now) for each in happened) if each.ladder]
    if not counted:
        return []
    assert connection.in_atomic_block, "what is counted is posted in the same transaction"
    counted.sort(key=lambda each: each.member_id)
    assert len({each.member_id for each in counted}) == len(counted), "of each member one thing"
    seen = _gather(counted)
    courses = {
        each.member_id: _one_day(held, sight, each.ladder)
        for each, (held, sight) in zip(counted, seen, strict=True)
        if _goes_on(held, each.day, each.today(held), each.measured)
    }
    late = [
        (each, held)
        for each, (held, _sight) in zip(counted, seen, strict=True)
        if each.member_id not in courses
    ]
    courses |= judged_all_anew(
        [held for _each, held in late],
        until={each.member_id: each.today(held) for each, held in late},
    )
    all_settled = [
        settled(
            held,
            courses[held.member_id],
            ladder=each.ladder_on(each.today(held)),
            day=each.today(held),
            at=now or each.at,
        )
        for each, (held, _sight) in zip(counted, seen, strict=True)
    ]
    write(all_settled)
    propose([(courses[each.held.member_id], each) for each in all_settled])
    return all_settled


class _Counted:
    """One thing somebody did. Without a ladder it counts for nothing."""

    def __init__(
        self,
        member: Identity,
        at: datetime,
        measured: Measured,
        rulebook: Rulebook,
        now: datetime | None,
    ) -> None:
        self.member_id = member.id
        self.at = at
        self.day = localdate(at)
        self.measured = measured
        self._known_on = localdate(now) if now else self.day
        self.ladder = queries.counting_ladder(rulebook.id, self.day, today=self._known_on)

    def today(self, held: Held) -> date:
        """The day that is judged now: the latest anybody knows of."""
        assert held.judged_on is not None
        return max(held.judged_on, self._known_on)

    def ladder_on(self, today: date) -> Ladder:
        """Where tiers were given up since, those of its own day say what things are called."""
        return self.ladder if today == self.day else queries.ladder_on(today) or self.ladder


GATHER = "SELECT g.* FROM tiers_gather(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::date[]) AS g"
# Row by row in the order in which they are told.
GATHER_MANY = """
    SELECT g.* FROM (
        SELECT * FROM jsonb_to_recordset(%s) AS t (
            nth integer, member bigint, day date, base text, points bigint, spend numeric,
            purchases integer, interactions integer, events integer, referrals integer,
            firsts date[]
        ) ORDER BY nth
    ) AS t CROSS JOIN LATERAL tiers_gather(
        t.member, t.day, t.base, t.points, t.spend, t.purchases, t.interactions, t.events,
        t.referrals, t.firsts
    ) AS g
"""


def _gather(counted: Sequence[_Counted]) -> list[tuple[Held, Summed]]:
    """Add to the days and hold the standings: one round trip, unless windows ask for more."""
    ids = [each.member_id for each in counted]
    by_joining = any(w.kind == ANNIVERSARY for each in counted for w in each.ladder.windows)
    joined = queries.days_joined(ids) if by_joining else {}
    with_products = any(each.ladder.counts_products for each in counted)
    owned = queries.products_owned(ids) if with_products else {}
    rows = [_arguments(each, joined.get(each.member_id)) for each in counted]
    return [
        _seen(each, answer, joined.get(each.member_id), owned.get(each.member_id, ()))
        for each, answer in zip(counted, _answers(rows), strict=True)
    ]


def _answers(rows: Sequence[Sequence[Any]]) -> Sequence[tuple[Any, ...]]:
    if len(rows) == 1:
        answer = first_row(GATHER, rows[0])
        assert answer is not None
        return [answer]
    told = [dict(zip(COLUMNS, (nth, *row), strict=True)) for nth, row in enumerate(rows)]
    with connection.cursor() as cursor:
        cursor.execute(GATHER_MANY, (msgspec.json.encode(told).decode(),))
        return cursor.fetchall()


COLUMNS = ("nth", "member", "day", "base", *(each.value for each in COUNTED), "firsts")


def _arguments(each: _Counted, joined: date | None) -> tuple[Any, ...]:
    firsts = (
        window.first_day(each.day, period_from=None, joined_on=joined or each.day)
        for window in each.ladder.windows
    )
    return (
        each.member_id, each.day, each.ladder.base.code,
        *(getattr(each.measured, measure.value) for measure in COUNTED),
        [None if first == date.min else first for first in firsts],
    )  # fmt: skip


def _seen(
    each: _Counted, answer: tuple[Any, ...], joined: date | None, owned: Sequence[Owned]
) -> tuple[Held, Summed]:
    held = Held(each.member_id, *answer[:-1])
    sums: Sequence[Decimal] = answer[-1] or ()
    width = len(COUNTED)
    windows = each.ladder.windows
    return held, Summed(
        day=each.day,
        sums={
            window: sums[place * width : (place + 1) * width]
            for place, window in enumerate(windows)
        },
        first_days={
            window: window.first_day(
                each.day, period_from=held.period_from, joined_on=joined or each.day
            )
            for window in windows
        },
        products=owned_on(owned, each.day),
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
