"""How rights come about and go: granted set by set, lapsed, ended with the tier."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction

from benefits import queries
from benefits.matrix import BIRTHDAY, COUNTED, UPGRADE, Benefit, Matrix, period_of
from benefits.models import Ended, Right, RightState
from benefits.operations._steps import take
from points import queries as points
from programme import queries as programme
from tiers import queries as tiers

# Rows of `asked` are what the matrix promises on the day; they meet the members of their tier.
#
# What is there already stays as it is, so that a second run grants nothing; only what ended with a
# tier comes back with the tier. Who was merged into the member may have got the same before.
GRANT = """
    WITH asked AS (
        SELECT * FROM unnest(
            %(benefits)s::text[], %(levels)s::text[], %(times)s::int[], %(periods)s::text[],
            %(last_days)s::date[], %(births)s::boolean[], %(costs)s::numeric[]
        ) AS a (benefit, level, times, period, last_on, of_birthday, cost)
    ), people AS (
        SELECT m.id, m.birthday,
            CASE WHEN s.level = ANY (%(known)s) THEN s.level ELSE %(base)s END AS level,
            EXISTS (
                SELECT FROM points_merge AS g WHERE g.into_id = m.id AND g.unmerged_at IS NULL
            ) AS is_host
        FROM members_member AS m LEFT JOIN tiers_standing AS s ON s.member_id = m.id
        WHERE {people} AND m.status = 'ACTIVE' AND NOT EXISTS (
            SELECT FROM points_merge AS g WHERE g.member_id = m.id AND g.unmerged_at IS NULL
        )
    ), granted AS (
        INSERT INTO benefits_right AS r (
            member_id, benefit, period, ordinal, level, version_id, state, ended, steps, granted_on,
            last_on, on_demand, cost
        )
        SELECT p.id, a.benefit, a.period, n, a.level, %(version)s, 'GRANTED', '', 1, %(day)s,
            a.last_on, false, a.cost
        FROM people AS p JOIN asked AS a USING (level) CROSS JOIN generate_series(1, a.times) AS n
        WHERE (NOT a.of_birthday OR extract(month FROM p.birthday) = %(month)s)
            AND NOT (p.is_host AND EXISTS (
                SELECT FROM benefits_right AS g
                WHERE g.member_id = ANY (points_guests(p.id)) AND g.member_id <> p.id
                    AND (g.benefit, g.period, g.ordinal) = (a.benefit, a.period, n)
                    AND g.state <> 'ENDED'
            ))
        ORDER BY p.id, a.benefit, a.period, n
        ON CONFLICT (member_id, benefit, period, ordinal) DO UPDATE
            SET state = 'GRANTED', ended = '', steps = r.steps + 1
            WHERE r.state = 'ENDED' AND r.ended = 'DOWNGRADE'
                AND (r.last_on IS NULL OR r.last_on >= %(day)s)
        RETURNING r.id, r.steps
    )
    INSERT INTO benefits_step (right_id, nth, kind, at, proof, reason, note)
    SELECT id, steps, CASE steps WHEN 1 THEN 'GRANTED' ELSE 'RESTORED' END, %(at)s, '', '', ''
    FROM granted
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """So many rights to a benefit for everybody of a tier."""

    benefit: Benefit
    level: str
    times: int
    per: str
    day: date

    def row(self, granted_on: date) -> tuple[Any, ...]:
        period = period_of(self.per, self.day)
        last_on = self.benefit.last_day(period, granted_on=granted_on)
        return (
            self.benefit.code, self.level, self.times, period.key, last_on, self.per == BIRTHDAY,
            self.benefit.cost,
        )  # fmt: skip


def begins_on(day: date) -> bool:
    """Whether a night grants rights: a period begins, or a version with benefits."""
    return bool(_beginning(queries.matrix_on(day), day))


def _beginning(matrix: Matrix, day: date) -> list[Asked]:
    """What of a matrix is for everybody to get on a day, whoever has had it since before."""
    if not matrix:
        return []
    is_new = programme.rulebook_on(day).valid_from == day
    return [
        each for each in _of_day(matrix, day) if is_new or period_of(each.per, day).first == day
    ]


def _of_day(matrix: Matrix, day: date) -> Iterator[Asked]:
    for benefit, level, cell in matrix.counted():
        if cell.per != UPGRADE:
            yield Asked(benefit, level, cell.times, cell.per, day)


def _of_upgrade(matrix: Matrix, won_on: date) -> Iterator[Asked]:
    for benefit, level, cell in matrix.counted():
        if cell.per == UPGRADE:
            yield Asked(benefit, level, cell.times, cell.per, won_on)


@transaction.atomic
def grant_by_range(*, low: int, high: int, day: date, at: datetime) -> int:
    """
    Grant members low … high what begins on a day. Repeating grants nothing more.

    :returns: how many rights
    """
    asked = _beginning(queries.matrix_on(day), day)
    return _grant("m.id BETWEEN %(low)s AND %(high)s", asked, day=day, at=at, low=low, high=high)


@transaction.atomic
def grant(
    *, member_ids: Collection[int], day: date, at: datetime, won_on: date | None = None
) -> int:
    """
    Grant members all their tiers give them on a day: as they join or rise, and as what is known of
    them changes. Repeating grants nothing more; who rises within a period gets the difference.

    :param won_on: the day on which they won their tier; None: they won none
    :returns: how many rights
    """
    matrix = queries.matrix_on(day)
    asked = [*_of_day(matrix, day), *(_of_upgrade(matrix, won_on) if won_on else ())]
    return _grant("m.id = ANY (%(ids)s)", asked, day=day, at=at, ids=sorted(member_ids))


def _grant(people: str, asked: Sequence[Asked], *, day: date, at: datetime, **who: Any) -> int:
    ladder = tiers.ladder_on(day)
    rows = [each.row(day) for each in asked]
    # What lapses so soon that it had before it came is not given.
    rows = [row for row in rows if row[4] is None or row[4] >= day]
    if not ladder or not rows:
        return 0
    names = ("benefits", "levels", "times", "periods", "last_days", "births", "costs")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            GRANT.format(people=people),
            columns
            | who
            | {
                "known": [level.code for level in ladder.levels],
                "base": ladder.base.code,
                "version": ladder.version_id,
                "day": day,
                "month": day.month,
                "at": at,
            },
        )
        return cursor.rowcount


def win_tier(*, member_id: int, won_on: date, day: date, at: datetime) -> int:
    """As `grant`, for who rose to a tier."""
    return grant(member_ids=[member_id], day=max(day, won_on), at=at, won_on=won_on)


def begin(*, member_id: int, day: date, at: datetime) -> int:
    """As `grant`, for who becomes active, perhaps with a tier that a product brought before."""
    stand = tiers.standing(member_id, day)
    won_on = stand.since if stand and stand.level.position else None
    return grant(member_ids=[member_id], day=day, at=at, won_on=won_on)


LAPSE = """
    WITH lapsed AS (
        UPDATE benefits_right SET state = 'LAPSED', steps = steps + 1
        WHERE member_id BETWEEN %(low)s AND %(high)s AND state = 'GRANTED' AND last_on < %(day)s
        RETURNING id, steps
    )
    INSERT INTO benefits_step (right_id, nth, kind, at, proof, reason, note)
    SELECT id, steps, 'LAPSED', %(at)s, '', '', '' FROM lapsed
"""


@transaction.atomic
def lapse(*, low: int, high: int, day: date, at: datetime) -> int:
    """
    Let rights of members low … high lapse whose last day is over. What is booked stays: the store
    has promised it.

    :returns: how many
    """
    with connection.cursor() as cursor:
        cursor.execute(LAPSE, {"low": low, "high": high, "day": day, "at": at})
        return cursor.rowcount


@transaction.atomic
def lose_tier(*, member_id: int, day: date, at: datetime) -> int:
    """
    End what a member's present tier does not have, of benefits that end with the tier. What is
    booked stays.

    :returns: how many rights ended
    """
    matrix, ladder = queries.matrix_on(day), tiers.ladder_on(day)
    level = tiers.level_code_on(member_id, day)
    if not matrix or not ladder or level is None:
        return 0
    held = Right.objects.filter(
        member_id__in=queries.guests_of(member_id), state=RightState.GRANTED, compensates=None
    )
    lost = [
        right
        for right in held.select_for_update(no_key=True).order_by("pk")
        if _is_lost(right, matrix, level, lost_by=ladder.level(right.level).position)
    ]
    for right in lost:
        take(right, "ENDED", at=at, reason=Ended.DOWNGRADE, state=RightState.ENDED)
    return len(lost)


def _is_lost(right: Right, matrix: Matrix, level: str, *, lost_by: int) -> bool:
    """Whether the present tier does not have it: less of the benefit, or nothing."""
    benefit = matrix.find(right.benefit)
    if benefit is None or not benefit.ends_with_the_tier:
        return False
    cell = benefit.cells.get(level)
    if cell is None or cell.per not in COUNTED:
        return cell is None
    if cell.per == UPGRADE:
        present = tiers.ladder(matrix.version_id).level(level).position
        return lost_by > present
    return right.ordinal > cell.times


@transaction.atomic
def end_all(*, member_id: int, at: datetime) -> int:
    """End what is open of who has left. Returns how many rights."""
    held = Right.objects.filter(
        member_id=member_id, state__in=[RightState.GRANTED, RightState.BOOKED]
    )
    found = list(held.select_for_update(no_key=True).order_by("pk"))
    for right in found:
        take(right, "ENDED", at=at, reason=Ended.CLOSED, state=RightState.ENDED, booked_for=None)
    return len(found)


# --- Merged memberships ---------------------------------------------------------------------------


@transaction.atomic
def follow_merge(*, member_id: int, into_id: int, at: datetime, day: date) -> None:
    """
    Let memberships that are one have each right once, and give back what that took when the merge
    is taken apart. Repeating changes nothing.
    """
    holders = {points.holder_of(each) for each in (member_id, into_id)}
    for holder in sorted(holders):
        _have_once(queries.guests_of(holder), holder, at=at, day=day)


def _have_once(group: Collection[int], holder: int, *, at: datetime, day: date) -> None:
    held = Right.objects.filter(member_id__in=group).exclude(state=RightState.LAPSED)
    found: dict[tuple[str, str, int], list[Right]] = {}
    for right in held.select_for_update(no_key=True).order_by("pk"):
        found.setdefault((right.benefit, right.period, right.ordinal), []).append(right)
    for same in found.values():
        _keep_one(same, holder, at=at, day=day)


def _keep_one(same: Sequence[Right], holder: int, *, at: datetime, day: date) -> None:
    """Of the same right of several, what was used or booked counts; else the holder's own."""
    granted = [each for each in same if each.state == RightState.GRANTED]
    taken = [each for each in same if each.state not in (RightState.GRANTED, RightState.ENDED)]
    granted.sort(key=lambda each: (each.member_id != holder, each.pk))
    for each in granted if taken else granted[1:]:
        take(each, "ENDED", at=at, reason=Ended.MERGED, state=RightState.ENDED)
    if not granted and not taken:
        gone = [
            each
            for each in same
            if each.ended == Ended.MERGED and (each.last_on is None or each.last_on >= day)
        ]
        for each in gone[:1]:
            take(each, "RESTORED", at=at, state=RightState.GRANTED)
