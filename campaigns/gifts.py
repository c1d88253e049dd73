"""
Gifts: points for joining, activation and binding a product, and for last year's spend (P5).

A gift is given once: its reference in the ledger is made of its code, the member and, for what is
converted each year, the year.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from django.conf import settings
from django.db import connection, transaction
from django.utils.timezone import localdate

from campaigns import budgets
from campaigns.activity_rules import BudgetRule, compiled
from campaigns.models import Gift, GiftOccasion
from common.errors import DomainError
from members import queries as members
from members.queries import Identity
from points import operations as points
from points.models import EntryKind, PointType
from points.queries import start_of_day
from programme import queries as programme
from programme.policies import NEVER, Policies, months_from
from programme.queries import Rulebook


def give(*, member_id: int, occasion: GiftOccasion, at: datetime) -> int:
    """
    Give a member what the rulebook of the day gives on an occasion. Repeating gives nothing more.

    :returns: the points given now; none to who is frozen or has left
    """
    return give_many(people=[(member_id, at)], occasion=occasion)


@transaction.atomic
def give_many(*, people: Sequence[tuple[int, datetime]], occasion: GiftOccasion) -> int:
    """As `give`, for some hundreds at once: each member, and when the occasion was."""
    found = [
        (rulebook, gift, member_id, at)
        for member_id, at in people
        if (rulebook := _rulebook_on(localdate(at)))
        for gift in compiled(rulebook.id).gifts
        if _is_due(gift, occasion, localdate(at), rulebook)
    ]
    if not found:
        return 0
    identities = members.identities_of({member_id for _rulebook, _gift, member_id, _at in found})
    # Nobody merges them between the look at what was given and the gift.
    points.lock_many(identities)
    by_rulebook: dict[Rulebook, list[_Due]] = {}
    for rulebook, gift, member_id, at in found:
        member = identities[member_id]
        due = _Due(
            gift, member, int(gift.points), _reference(gift, member), at=at, day=localdate(at)
        )
        by_rulebook.setdefault(rulebook, []).append(due)
    return sum(
        sum(_grant(rulebook, _without_what_guests_got(due)))
        for rulebook, due in by_rulebook.items()
    )


def _rulebook_on(day: date) -> Rulebook | None:
    try:
        return programme.rulebook_on(day)
    except programme.NoRulebook:
        return None


# Whose accounts were merged into the member's, and what they were given then counts for both.
GUESTS_GOT = """
    SELECT asked.nth FROM unnest(%s::bigint[], %s::text[]) WITH ORDINALITY
        AS asked (member, gift, nth)
    WHERE EXISTS (
        SELECT FROM unnest(points_guests(asked.member)) AS guest (id)
        JOIN members_member AS m ON m.id = guest.id
        JOIN points_entry AS e ON e.reference = 'gift:' || asked.gift || ':' || m.number
        WHERE guest.id <> asked.member AND e.issuer_id = %s AND e.kind = 'EARN'
    )
"""


def _without_what_guests_got(due: Sequence["_Due"]) -> list["_Due"]:
    members_, codes = [each.member.id for each in due], [each.gift.code for each in due]
    with connection.cursor() as cursor:
        cursor.execute(GUESTS_GOT, [members_, codes, points.our_source().issuer_id])
        got = {nth for (nth,) in cursor.fetchall()}
    return [each for nth, each in enumerate(due, start=1) if nth not in got]


@dataclass(frozen=True, slots=True)
class _Due:
    """A gift for a member, worth so many points."""

    gift: Gift
    member: Identity
    points: int
    reference: str
    at: datetime
    # The day of the occasion, which decides what campaigns pay.
    day: date


def _is_due(gift: Gift, occasion: str, day: date, rulebook: Rulebook) -> bool:
    if gift.when != occasion:
        return False
    if compiled(rulebook.id).timetable.refusal(gift.code, day):
        return False
    if gift.since is None or gift.within_months is None:
        return True
    return gift.since <= day < months_from(gift.since, gift.within_months)


def _reference(gift: Gift, member: Identity, year: int | None = None) -> str:
    parts = ["gift", gift.code, *([str(year)] if year else []), member.number]
    return ":".join(parts)


def _grant(rulebook: Rulebook, gifts: Sequence[_Due]) -> list[int]:
    """Grant in one round trip; how many points each made now. Refused and repeated ones: none."""
    purses = [_purse_of(rulebook, each.gift, each.day) for each in gifts]
    # As whoever takes from budgets does: the account first.
    if any(purses):
        points.lock_many(each.member.id for each in gifts)
    gifts = [
        replace(each, points=_taken(purse, each, rulebook)) if purse else each
        for each, purse in zip(gifts, purses, strict=True)
    ]
    outcomes = iter(_granted(rulebook, [each for each in gifts if each.points]))
    given = []
    for each, purse in zip(gifts, purses, strict=True):
        outcome = next(outcomes) if each.points else None
        is_new = outcome and not isinstance(outcome, DomainError) and not outcome.replayed
        if purse and each.points and not is_new:
            budgets.give_back(code=purse.code, points=each.points)
        given.append(each.points if is_new else 0)
    return given


def _granted(rulebook: Rulebook, gifts: Sequence[_Due]) -> list[points.Posting | DomainError]:
    if not gifts:
        return []
    policies = rulebook.policies
    return points.grant(
        grants=[
            points.Grant(
                member=each.member,
                points=each.points,
                reference=each.reference,
                at=each.at,
                expires_on=_last_day(policies, each.member, localdate(each.at)) or NEVER,
                lapses_on=_account_last_day(policies, each.member, localdate(each.at)),
            )
            for each in gifts
        ],
        source=our_source(rulebook),
        type=PointType.INITIAL,
        rolls=policies.validity.counts(EntryKind.EARN),
    )


def _purse_of(rulebook: Rulebook, gift: Gift, day: date) -> BudgetRule | None:
    """The campaign that pays for a gift on a day: one at most, as they share nothing at a time."""
    for rule in compiled(rulebook.id).campaign_budgets:
        if gift.code in rule.of and rule.holds_on(day):
            return rule
    return None


def _taken(purse: BudgetRule, due: _Due, rulebook: Rulebook) -> int:
    return budgets.take(
        points=due.points,
        rules=[purse],
        day=due.day,
        issuer_id=points.our_source().issuer_id,
        version_number=rulebook.number,
    ).points


def our_source(rulebook: Rulebook) -> points.Source:
    """The brand's, by the rules of a version: for what has no document of its own."""
    ours = points.our_source()
    return points.Source(
        issuer_id=ours.issuer_id,
        version_id=rulebook.id,
        funding_id=points.funding_by_policy(
            rulebook.policies.funding, store_id=None, issuer_id=ours.issuer_id
        ),
    )


def _waits(policies: Policies, member: Identity) -> bool:
    # M3: the points wait with their member, as those of purchases do.
    return policies.clock_from_activation and member.is_pre_registered


def _last_day(policies: Policies, member: Identity, day: date) -> date | None:
    return None if _waits(policies, member) else policies.validity.last_day(day)


def _account_last_day(policies: Policies, member: Identity, day: date) -> date | None:
    return None if _waits(policies, member) else policies.validity.account_last_day(day)


# --- The year's end -------------------------------------------------------------------------------

# Whose purchases of the year a day ends are not converted yet. The journal has no index by time:
# this reads it once a year.
SPENT = """
    SELECT m.id AS member_id, m.number, m.status, sum({amount} - coalesce((
        SELECT sum({returned}) FROM points_activity AS r WHERE r.original_id = p.id
    ), 0)) AS amount
    FROM points_activity AS p JOIN members_member AS m ON m.id = p.member_id
    WHERE p.kind = 'PURCHASE' AND p.occurred_at >= %(since)s AND p.occurred_at < %(until)s
        AND p.member_id BETWEEN %(low)s AND %(high)s AND m.status IN ('ACTIVE', 'PRE_REGISTERED')
        AND NOT EXISTS (
            SELECT FROM points_entry AS e
            WHERE e.reference = 'gift:' || %(code)s || ':' || %(year)s || ':' || m.number
                AND e.issuer_id = %(issuer)s AND e.kind = 'EARN'
        )
    GROUP BY m.id ORDER BY m.id
"""
# Of a document, or of its lines of some categories.
OF_CATEGORIES = """(
    SELECT coalesce(sum((line ->> 'amount')::numeric), 0) FROM jsonb_array_elements({table}.lines)
        AS line WHERE line ->> 'category' = ANY (%(categories)s)
)"""


@dataclass(frozen=True, slots=True)
class Spend:
    member: Identity
    amount: Decimal


def convert_spend(*, year: int, low: int, high: int) -> tuple[int, int]:
    """
    Turn what the members low … high spent in a year into points, by the rulebook of its last day.

    Repeating finds nobody left. What is given back later stays converted.

    :returns: members, points
    """
    until = date(year + 1, 1, 1)
    last_day = until - timedelta(days=1)
    rulebook = programme.rulebook_on(last_day)
    given = []
    for gift in compiled(rulebook.id).gifts:
        if not _is_due(gift, GiftOccasion.YEAR_END, last_day, rulebook):
            continue
        due = [
            _Due(
                gift,
                spend.member,
                worth,
                _reference(gift, spend.member, year),
                at=start_of_day(until),
                day=last_day,
            )
            for spend in _spent(gift, year=year, low=low, high=high)
            if (worth := _worth(gift, spend.amount, rulebook))
        ]
        if due:
            given += _grant(rulebook, due)
    return sum(1 for worth in given if worth), sum(given)


def _spent(gift: Gift, *, year: int, low: int, high: int) -> list[Spend]:
    amounts = {
        name: OF_CATEGORIES.format(table=table) if gift.categories else f"{table}.amount"
        for name, table in (("amount", "p"), ("returned", "r"))
    }
    with connection.cursor() as cursor:
        cursor.execute(
            SPENT.format(**amounts),
            {
                "since": start_of_day(date(year, 1, 1)),
                "until": start_of_day(date(year + 1, 1, 1)),
                "low": low,
                "high": high,
                "code": gift.code,
                "year": str(year),
                "issuer": points.our_source().issuer_id,
                "categories": gift.categories,
            },
        )
        return [
            Spend(Identity(member_id, number, status), amount)
            for member_id, number, status, amount in cursor.fetchall()
        ]


def _worth(gift: Gift, amount: Decimal, rulebook: Rulebook) -> int:
    assert gift.per_amount is not None, "campaigns_gift_has_a_rate_at_years_end"
    exact = Fraction(amount) * Fraction(gift.points) / Fraction(gift.per_amount)
    return max(0, rulebook.policies.rounding.whole(exact))


def converts_on(day: date) -> bool:
    """Whether a year has ended before a day, and its rulebook converts what was spent in it."""
    if (day.month, day.day) != (1, 1):
        return False
    try:
        rulebook = programme.rulebook_on(day - timedelta(days=1))
    except programme.NoRulebook:
        return False
    return any(gift.when == GiftOccasion.YEAR_END for gift in compiled(rulebook.id).gifts)


SPENDERS = f"""
    SELECT DISTINCT p.member_id FROM points_activity AS p
    WHERE p.kind = 'PURCHASE'
        AND p.occurred_at < %(day)s::timestamp AT TIME ZONE '{settings.TIME_ZONE}'
        AND p.occurred_at
            >= (%(day)s::timestamp - interval '1 year') AT TIME ZONE '{settings.TIME_ZONE}'
"""  # noqa: S608 - our own setting
