"""The first night of tiers in a programme that had none: what members did before is taken up."""

from collections.abc import Iterable
from datetime import date, datetime

from django.conf import settings
from django.db import connection, transaction

from points import queries as points
from points.queries import start_of_day
from programme.policies import days_from, months_from
from tiers import queries
from tiers.criteria import EVER, SINCE_CHANGE, YEAR
from tiers.ladders import Ladder
from tiers.models import Beginning, Gathered
from tiers.operations._deciding import hold, judge_anew, judged_all_anew, propose, settled, write
from tiers.operations._merging import follow_merge

# What was done on each day, as `tiers.verification` derives it. What is there is replaced, so that
# it may be done again.
TAKE_UP = """
    WITH event AS MATERIALIZED (
        SELECT a.id, a.member_id, a.kind, coalesce(a.original_id, a.id) AS source, a.amount,
            a.explanation ->> 'counts' AS counts,
            (coalesce(o.occurred_at, a.occurred_at) AT TIME ZONE %(zone)s)::date AS day
        FROM points_activity AS a LEFT JOIN points_activity AS o ON o.id = a.original_id
        WHERE a.member_id BETWEEN %(low)s AND %(high)s
            AND coalesce(o.occurred_at, a.occurred_at) >= %(since)s
            AND coalesce(o.occurred_at, a.occurred_at) < %(begins)s
    ), entry AS (
        SELECT e.activity_id, e.qualifying FROM points_entry AS e
        WHERE e.member_id BETWEEN %(low)s AND %(high)s AND e.activity_id IS NOT NULL
        UNION ALL
        -- What was returned after a merge stands where the points had gone.
        SELECT e.activity_id, e.qualifying
        FROM points_merge AS m JOIN points_entry AS e
            ON e.member_id = m.into_id AND e.counterpart_id = m.member_id
        WHERE m.member_id BETWEEN %(low)s AND %(high)s AND e.kind = 'REVERSE'
    ), worth AS (
        SELECT activity_id, sum(qualifying) AS points FROM entry GROUP BY activity_id
    ), source AS (
        SELECT
            event.member_id, event.day, event.source, coalesce(sum(worth.points), 0) AS points,
            sum(CASE event.kind WHEN 'PURCHASE' THEN event.amount WHEN 'RETURN' THEN -event.amount
                ELSE 0 END) AS spend,
            bool_or(event.kind = 'PURCHASE') AS bought, bool_or(event.kind = 'RETURN') AS returned,
            max(event.counts) AS counts
        FROM event LEFT JOIN worth ON worth.activity_id = event.id
        GROUP BY event.member_id, event.day, event.source
    )
    INSERT INTO tiers_gathered AS g (
        member_id, day, points, spend, purchases, interactions, events, referrals
    )
    SELECT member_id, day, sum(points), sum(spend),
        count(*) FILTER (WHERE bought AND NOT (returned AND spend = 0)),
        count(*) FILTER (WHERE counts = 'interactions'), count(*) FILTER (WHERE counts = 'events'),
        count(*) FILTER (WHERE counts = 'referrals')
    FROM source GROUP BY member_id, day ORDER BY member_id, day
    ON CONFLICT (member_id, day) DO UPDATE SET
        points = excluded.points, spend = excluded.spend, purchases = excluded.purchases,
        interactions = excluded.interactions, events = excluded.events,
        referrals = excluded.referrals
"""


def begins_on(day: date) -> bool:
    """Whether a day is the first of a ladder, in a programme that had a rulebook without one."""
    return bool(queries.ladder_on(day)) and not queries.ladder_on(days_from(day, -1))


def counts_from(ladder: Ladder, day: date) -> date:
    """The first day any window looks back to from a ladder's first day."""
    if any(window.kind == SINCE_CHANGE for window in ladder.windows):
        return EVER
    reach = max((window.reach for window in ladder.windows), default=YEAR)
    return months_from(day, -reach)


@transaction.atomic
def take_up(*, low: int, high: int, day: date, at: datetime) -> dict[str, int]:
    """
    Count what members low … high did before tiers began, as far as the ladder's windows reach, and
    let each stand on its first day where that brings them. Repeatable.

    :param day: the first day of the ladder
    :returns: how many `members` there were, and `decisions` that came of it
    """
    ladder = queries.ladder_on(day)
    first = counts_from(ladder, day)
    Beginning.objects.bulk_create([Beginning(day=day, counts_from=first)], ignore_conflicts=True)
    members = points.active_between(
        low=low, high=high, since=_moment(first), until=start_of_day(day)
    )
    # Held before the journal is read: a return that is on its way is either in it or added later.
    hold(members, base=ladder.base.code)
    with connection.cursor() as cursor:
        cursor.execute(
            TAKE_UP,
            {
                "low": low,
                "high": high,
                "since": _moment(first),
                "begins": start_of_day(day),
                "zone": settings.TIME_ZONE,
            },
        )
    gathered = Gathered.objects.filter(member_id__gte=low, member_id__lte=high, day__lt=day)
    decided = _judge(set(gathered.values_list("member_id", flat=True)), day=day, at=at)
    for member_id, into_id in points.merges(low=low, high=high):
        if follow_merge(member_id=member_id, into_id=into_id, at=at) is None:
            hold([into_id], base=ladder.base.code)
            judge_anew(into_id, day=day, at=at)
    return {"members": len(members), "decisions": decided}


def _judge(member_ids: Iterable[int], *, day: date, at: datetime) -> int:
    ladder = queries.ladder_on(day)
    all_held = hold(member_ids, base=ladder.base.code)
    until = {held.member_id: max(day, held.judged_on or day) for held in all_held}
    courses = judged_all_anew(all_held, until=until)
    all_settled = [
        settled(
            held,
            courses[held.member_id],
            ladder=queries.ladder_on(until[held.member_id]),
            day=until[held.member_id],
            at=at,
        )
        for held in all_held
    ]
    write(all_settled)
    propose([(courses[each.held.member_id], each) for each in all_settled])
    return sum(len(each.decisions) for each in all_settled)


def _moment(day: date) -> datetime:
    """The beginning of a day; of the very first one, which no zone can move, a day later."""
    return start_of_day(days_from(day, 2) if day == EVER else day)
