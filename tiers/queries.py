"""Questions about the ladder and who stands where."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Any

from django.db import connection
from django.db.models import Prefetch, QuerySet
from django.utils.timezone import localdate

from common.postgres.calls import first_row
from members.models import Member, Product
from programme import queries as programme
from tiers import judging, ladders
from tiers.criteria import Criterion
from tiers.judging import COUNTED, Gathering, History, Owned, Sight, State
from tiers.ladders import Ladder, Level
from tiers.models import (
    Beginning,
    Decision,
    Document,
    Gathered,
    LadderTerms,
    Proposal,
    ProposalKind,
    ProposalState,
    Standing,
    StartingLevel,
)
from tiers.models import Level as LevelRow

NO_LADDER = Ladder(0)
# Where a ladder warns nobody.
NEAR_DAYS = 90


@lru_cache(maxsize=64)
def ladder(version_id: int) -> Ladder:
    """The ladder of a published version, compiled once. Falsy where it has no tiers."""
    return ladders.compiled(
        version_id,
        LadderTerms.objects.filter(version=version_id).first(),
        LevelRow.objects.filter(version=version_id).order_by("position"),
        dict(StartingLevel.objects.filter(version=version_id).values_list("product", "level")),
    )


def ladder_on(day: date) -> Ladder:
    """The ladder that judges a day; an empty one where there was no rulebook."""
    try:
        return ladder(programme.rulebook_on(day).id)
    except programme.NoRulebook:
        return NO_LADDER


def has_tiers() -> bool:
    """Whether any published version has a ladder, in force or to come."""
    return any(ladder(rulebook.id) for rulebook in programme.rulebooks())


def beginnings() -> list[date]:
    """The first days of ladders that came after versions without one: those are read already."""
    return [
        after.valid_from
        for before, after in pairwise(programme.rulebooks())
        if ladder(after.id) and not ladder(before.id)
    ]


def counting_ladder(version_id: int, day: date, *, today: date) -> Ladder:
    """
    The ladder for which what a version judged on a day counts: its own, or that which began later
    and took the day up. An empty one: it counts for none.
    """
    own = ladder(version_id)
    if own or not (present := ladder_on(today)):
        return own
    taken_up = Beginning.objects.filter(counts_from__lte=day, day__gt=day, day__lte=today)
    return present if taken_up.exists() else own


LEVEL_ON = """
    SELECT to_level FROM tiers_decision
    WHERE member_id = %s AND effective_on <= %s ORDER BY id DESC LIMIT 1
"""


def level_code_on(member_id: int, day: date) -> str | None:
    """
    The tier a member had on a day, as decided by now; None where the day's rulebook has no ladder.

    What was decided last wins over earlier decisions about the same days.
    """
    rungs = ladder_on(day)
    if not rungs:
        return None
    row = first_row(LEVEL_ON, (member_id, day))
    # A code this version does not know is its base.
    return rungs.level(row[0] if row else None).code


def level_of(member: Member, day: date) -> Level | None:
    """
    The tier a member has on the present day, without a query if the standing was selected with the
    member; None where the day's rulebook has no ladder.
    """
    rungs = ladder_on(day)
    if not rungs:
        return None
    row = getattr(member, "standing", None)
    return rungs.level(row.level if row else None)


def histories(
    guests: Mapping[int, Collection[int]],
    *,
    since: date | None = None,
    with_products: bool,
    joined_on: Mapping[int, date] | None = None,
) -> dict[int, History]:
    """
    What members gathered day by day, in two queries, or three with their products.

    :param guests: of each member, who was merged into them and is to be counted with them
    :param since: leave out earlier days
    :param joined_on: when members joined, where the caller knows it of all: a query less
    """
    member_ids = {*guests, *(guest for of_member in guests.values() for guest in of_member)}
    rows = Gathered.objects.filter(member_id__in=member_ids)
    if since is not None:
        rows = rows.filter(day__gte=since)
    gatherings: dict[int, list[Gathering]] = {member_id: [] for member_id in member_ids}
    columns = [measure.value for measure in COUNTED]
    for member_id, day, *amounts in rows.order_by("member_id", "day").values_list(
        "member_id", "day", *columns
    ):
        gatherings[member_id].append(Gathering(day, tuple(amounts)))
    joined = (
        joined_on if joined_on and not member_ids - joined_on.keys() else days_joined(member_ids)
    )
    owned = products_owned(member_ids) if with_products else {}
    alone = {
        member_id: History(of_member, joined_on=joined[member_id], owned=owned.get(member_id, ()))
        for member_id, of_member in gatherings.items()
    }
    return {
        member_id: alone[member_id].with_guests(alone[guest] for guest in of_member)
        for member_id, of_member in guests.items()
    }


def days_joined(member_ids: Collection[int]) -> dict[int, date]:
    """The day on which each of them joined."""
    joined = Member.objects.filter(pk__in=member_ids).values_list("pk", "joined_at")
    return {member_id: localdate(at) for member_id, at in joined}


def products_owned(member_ids: Iterable[int]) -> dict[int, list[Owned]]:
    """Of each of them who has any, the products they own or have owned."""
    owned: dict[int, list[Owned]] = {}
    products = Product.objects.filter(member_id__in=member_ids)
    for member_id, bought, until in products.values_list(
        "member_id", "purchased_on", "owned_until"
    ):
        owned.setdefault(member_id, []).append((bought, until))
    return owned


# --- For the member and the clerk -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a member stands on a day, by what is decided."""

    level: Level
    # The tier beneath one given by hand; else the same.
    earned: Level
    since: date | None
    # The last day of `level`; None: for ever, or until it is ended by hand.
    valid_until: date | None
    by_hand: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What a tier asks for, with what was gathered of it: evidence as `tiers.criteria.told`."""

    level: Level
    evidence: Mapping[str, Any]

    @property
    def met(self) -> bool:
        return bool(self.evidence["met"])


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a member is."""

    stand: Stand
    # The next tier above the earned one that has upgrade criteria; None at the top.
    upgrade: Step | None
    # Tiers the member may apply for, with what that asks.
    applications: tuple[Step, ...]
    # What keeps the earned tier, by its last day; None where it has no end.
    keep: Step | None
    keep_by: date | None
    # The day on which it falls if nothing more is gathered and nothing keeps it.
    falls_on: date | None
    # The earned tier after that, as things stand.
    projected: Level
    # So many days before its end a tier's end is news: from when members are warned.
    near_days: int
    day: date


def standing(member_id: int, day: date) -> Stand | None:
    """Where a member stands; None where the day's rulebook has no ladder."""
    rungs = ladder_on(day)
    if not rungs:
        return None
    row = Standing.objects.filter(pk=member_id).first()
    return _stand(row, rungs, day)


def progress(
    member_id: int, day: date, *, joined_on: date | None = None, member: Member | None = None
) -> Progress | None:
    """
    How far a member is, on the present day; None where its rulebook has no ladder.

    :param joined_on: when the member joined, if the caller knows it: a query less
    :param member: with the standing selected, if the caller has it: another query less
    """
    rungs = ladder_on(day)
    if not rungs:
        return None
    if member is None:
        row = Standing.objects.filter(pk=member_id).first()
    else:
        row = getattr(member, "standing", None)
    state = state_of(row) if row else State()
    with_products = rungs.counts_products
    guests = row.guests if row else []
    history = histories(
        {member_id: guests},
        with_products=with_products,
        joined_on={member_id: joined_on} if joined_on else None,
    )[member_id]
    sight = Sight(history, state, day)
    earned = rungs.level(state.level)
    above = rungs.levels[earned.position + 1 :]
    upward = next((level for level in above if level.upgrade), None)
    keep_by = state.valid_until
    at_the_end = Sight(history, state, keep_by) if keep_by and keep_by > day else sight
    falls = judging.falls_on(state, rungs) if keep_by else None
    return Progress(
        stand=_stand(row, rungs, day),
        upgrade=_step(upward, upward.upgrade, sight) if upward else None,
        applications=tuple(
            _step(level, level.application, sight) for level in above if level.application
        ),
        keep=_step(earned, earned.keep, at_the_end) if keep_by and earned.keep else None,
        keep_by=keep_by,
        falls_on=falls,
        near_days=max(rungs.warn_days, default=NEAR_DAYS),
        day=day,
        projected=_projected(history, state, rungs, falls or day),
    )


def decisions(member_id: int) -> QuerySet[Decision]:
    """Every decision about a member, newest first, with who took it."""
    of_member = Decision.objects.filter(member_id=member_id).order_by("-id")
    return of_member.select_related("version", "actor", "approved_by")


def waiting_proposals() -> QuerySet[Proposal]:
    """What staff have to decide, oldest first."""
    return (
        Proposal.objects.filter(state=ProposalState.WAITING)
        .select_related("member", "version")
        .order_by("id")
    )


def waiting_of(member_id: int) -> QuerySet[Proposal]:
    """What of a member waits for a decision of staff."""
    return Proposal.objects.filter(member_id=member_id, state=ProposalState.WAITING)


def applications(member_id: int) -> QuerySet[Proposal]:
    """What a member has applied for, latest first, with what was attached but its content."""
    made = Proposal.objects.filter(member_id=member_id, kind=ProposalKind.APPLICATION)
    return made.order_by("-pk").prefetch_related(Prefetch("documents", queryset=documents()))


def documents() -> QuerySet[Document]:
    """Documents as they are listed: without their content."""
    return Document.objects.defer("content").order_by("place")


def state_of(row: Standing) -> State:
    """Who was never moved stands where everybody begins, whatever that is called."""
    return State(row.earned if row.since else None, row.since, row.period_from, row.valid_until)


SHOWN_OTHERWISE = """
    SELECT s.member_id FROM tiers_standing AS s
    CROSS JOIN LATERAL (
        SELECT d.to_level FROM tiers_decision AS d
        WHERE d.member_id = s.member_id ORDER BY d.id DESC LIMIT 1
    ) AS latest
    WHERE s.member_id BETWEEN %s AND %s AND s.level <> latest.to_level
    ORDER BY s.member_id
"""


def shown_otherwise(*, low: int, high: int) -> list[int]:
    """Members low … high whose tier is not what the latest decision says. There should be none."""
    with connection.cursor() as cursor:
        cursor.execute(SHOWN_OTHERWISE, (low, high))
        return [member_id for (member_id,) in cursor.fetchall()]


LINKED_OTHERWISE = """
    SELECT s.member_id FROM tiers_standing AS s
    WHERE s.member_id BETWEEN %s AND %s
        AND (s.guests <> '{}' OR s.member_id IN (
            SELECT m.into_id FROM points_merge AS m WHERE m.unmerged_at IS NULL
        ))
        AND s.guests <> ARRAY(
            SELECT g FROM unnest(points_guests(s.member_id)) AS g WHERE g <> s.member_id ORDER BY g
        )
        AND NOT EXISTS (
            SELECT FROM common_outboxevent AS e
            WHERE e.delivered_at IS NULL AND e.name IN ('account.merged', 'account.unmerged')
        )
    ORDER BY s.member_id
"""


def linked_otherwise(*, low: int, high: int) -> list[int]:
    """
    Members low … high whose guests are not who was merged into them. There should be none, unless
    a merge was not told of yet.
    """
    with connection.cursor() as cursor:
        cursor.execute(LINKED_OTHERWISE, (low, high))
        return [member_id for (member_id,) in cursor.fetchall()]


def _stand(row: Standing | None, rungs: Ladder, day: date) -> Stand:
    if row is None:
        return Stand(rungs.base, rungs.base, None, None, by_hand=False)
    over = row.manual_until is not None and row.manual_until < day
    earned = rungs.level(row.earned)
    manual = rungs.level("" if over else row.manual)
    if manual.position > earned.position:
        return Stand(manual, earned, row.since, row.manual_until, by_hand=True)
    return Stand(earned, earned, row.since, row.valid_until, by_hand=False)


def _step(level: Level, criterion: Criterion | None, sight: Sight) -> Step:
    assert criterion is not None
    return Step(level, sight.evidence(criterion))


def _projected(history: History, state: State, rungs: Ladder, day: date) -> Level:
    """By today's rules: those of the day itself may not be known yet."""
    after = judging.walk(history, ladder_on=lambda _day: rungs, until=day, start=state, after=day)
    return rungs.level(after.state.level)
