"""The night's verbs: periods that ended are reviewed, ends are announced. Range by range."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.db.models import Q

from members.models import Member, MemberStatus
from messaging import operations as messaging
from points import queries as points
from programme import queries as programme
from programme.policies import days_from, months_from
from tiers import messages, queries
from tiers.judging import Course, History, Sight, walk
from tiers.ladders import Ladder
from tiers.models import DecisionKind, DowngradeWarning, Standing
from tiers.operations._deciding import Held, judged_all_anew, settled, write
from tiers.operations._keeping import keep

YEAR = 12


@dataclass(frozen=True, slots=True)
class Reviewed:
    """How many members were looked at, and how many decisions came of it."""

    members: int
    kept: int
    downgraded: int


@transaction.atomic
def review(*, low: int, high: int, day: date, at: datetime) -> Reviewed:
    """Decide for members low … high whose period, or days of grace, ended before a day."""
    ladder = queries.ladder_on(day)
    stayed = (
        keep(low=low, high=high, day=day, at=at, ladder=ladder, rulebook=programme.rulebook_on(day))
        if ladder
        else 0
    )
    due = Standing.objects.filter(pk__gte=low, pk__lte=high, review_on__lte=day).order_by("pk")
    all_held = [Held.of(each) for each in due.select_for_update(no_key=True)]
    if not all_held or not ladder:
        return Reviewed(stayed + len(all_held), stayed, 0)
    courses = _reviews(all_held, day=day)
    all_settled = [
        settled(held, courses[held.member_id], ladder=ladder, day=day, at=at) for held in all_held
    ]
    write(all_settled)
    kinds = [decision.kind for each in all_settled for decision in each.decisions]
    return Reviewed(
        stayed + len(all_held),
        stayed + kinds.count(DecisionKind.KEEP),
        kinds.count(DecisionKind.DOWNGRADE),
    )


def _reviews(all_held: Sequence[Held], *, day: date) -> dict[int, Course]:
    """
    From where members stand: what they did was judged when they did it. Only who did something on
    a day that was not over is walked from the beginning.
    """
    later = [held for held in all_held if held.guests or (held.judged_on or date.min) > day]
    if later:
        # A night that is made up, after days that were judged already; or members were merged.
        anew = judged_all_anew(
            later, until={held.member_id: max(day, held.judged_on or day) for held in later}
        )
    else:
        anew = {}
    plain = [held for held in all_held if held.member_id not in anew]
    histories = _histories(plain, day=day)
    return anew | {
        held.member_id: walk(
            histories[held.member_id],
            ladder_on=queries.ladder_on,
            until=day,
            start=held.state,
            after=day,
        )
        for held in plain
    }


def _histories(all_held: Sequence[Held], *, day: date) -> dict[int, History]:
    """The days any window of a review may look back to."""
    if not all_held:
        return {}
    ladder = queries.ladder_on(day)
    reach = max((window.reach for window in ladder.windows), default=0)
    firsts = [_first_asked(held, reach) for held in all_held]
    return queries.histories(
        {held.member_id: held.guests for held in all_held},
        since=None if None in firsts else min(first for first in firsts if first),
        with_products=ladder.counts_products,
    )


def _first_asked(held: Held, reach: int) -> date | None:
    if held.period_from is None or held.valid_until is None:
        return None
    return min(held.period_from, months_from(held.valid_until, -reach - YEAR if reach else 0))


@dataclass(frozen=True, slots=True)
class Lead:
    """So many days before, and which last days that announces on a night."""

    days: int
    first: date
    last: date


def leads(ladder: Ladder, *, day: date) -> list[Lead]:
    """
    The longest lead first. Each reaches to the next shorter one: a missed night is made up, and
    nobody hears of two at once.
    """
    wanted = sorted(ladder.warn_days)
    before = 0
    found = []
    for days in wanted:
        first = days_from(day, before + 1 if before else 0)
        found.append(Lead(days, first, days_from(day, days)))
        before = days
    return found[::-1]


def to_be_warned(found: Sequence[Lead]) -> Q:
    """Standings whose last day one of the leads announces."""
    wanted = Q(pk__in=[])
    for lead in found:
        wanted |= Q(valid_until__range=(lead.first, lead.last))
    return wanted


@transaction.atomic
def warn(*, low: int, high: int, day: date, at: datetime) -> int:
    """
    Tell members low … high that their tier ends soon and what is missing to keep it, once for each
    lead and last day.

    :returns: how many
    """
    ladder = queries.ladder_on(day)
    found = leads(ladder, day=day)
    standings = Standing.objects.filter(to_be_warned(found), pk__gte=low, pk__lte=high)
    closed = Member.objects.filter(
        pk__gte=low, pk__lte=high, status=MemberStatus.CLOSED
    ).values_list("pk", flat=True)
    merged = points.merged_away(low=low, high=high)
    wanted = standings.exclude(pk__in=closed).exclude(pk__in=merged).order_by("pk")
    all_held = [Held.of(each) for each in wanted]
    said = set(
        DowngradeWarning.objects.filter(
            member_id__gte=low, member_id__lte=high, valid_until__gte=day
        ).values_list("member_id", "valid_until", "days")
    )
    histories = _histories(all_held, day=day)
    warnings = []
    for held in all_held:
        assert held.valid_until is not None
        lead = next(lead for lead in found if lead.first <= held.valid_until <= lead.last)
        level = ladder.level(held.state.level)
        sight = Sight(histories[held.member_id], held.state, held.valid_until)
        if (held.member_id, held.valid_until, lead.days) in said or level.keep is None:
            continue
        if level.validity is None or sight.meets(level.keep):
            continue
        warnings.append(
            DowngradeWarning(
                member_id=held.member_id,
                level=level.code,
                valid_until=held.valid_until,
                days=lead.days,
                sent_at=at,
                evidence=sight.evidence(level.keep),
            )
        )
    _send(warnings, ladder, at=at)
    return len(warnings)


def _send(warnings: Sequence[DowngradeWarning], ladder: Ladder, *, at: datetime) -> None:
    if not warnings:
        return
    keys = [f"tiers.ending:{w.member_id}:{w.valid_until}:{w.days}" for w in warnings]
    ids = messaging.send_many(
        template=messages.ENDING,
        messages=[
            messaging.ToSend(
                member_id=warning.member_id,
                key=key,
                variables={
                    "level": ladder.level(warning.level).names,
                    "last_day": warning.valid_until,
                    "missing": warning.evidence,
                },
            )
            for warning, key in zip(warnings, keys, strict=True)
        ],
        at=at,
    )
    for warning, key in zip(warnings, keys, strict=True):
        warning.message_id = ids[key]
    DowngradeWarning.objects.bulk_create(warnings)
