"""Questions about the ladder and who stands where."""

from collections.abc import Collection, Iterable
from datetime import date
from functools import lru_cache

from django.utils.timezone import localdate

from common.postgres.calls import first_row
from members.models import Member, Product
from programme import queries as programme
from tiers import ladders
from tiers.judging import COUNTED, Gathering, History
from tiers.ladders import Ladder
from tiers.models import Gathered, LadderTerms, Level, StartingLevel

NO_LADDER = Ladder(0)


@lru_cache(maxsize=64)
def ladder(version_id: int) -> Ladder:
    """The ladder of a published version, compiled once. Falsy where it has no tiers."""
    return ladders.compiled(
        version_id,
        LadderTerms.objects.filter(version=version_id).first(),
        Level.objects.filter(version=version_id).order_by("position"),
        dict(StartingLevel.objects.filter(version=version_id).values_list("product", "level")),
    )


def ladder_on(day: date) -> Ladder:
    """The ladder that judges a day; an empty one where there was no rulebook."""
    try:
        return ladder(programme.rulebook_on(day).id)
    except programme.NoRulebook:
        return NO_LADDER


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


def histories(
    member_ids: Collection[int], *, since: date | None = None, with_products: bool
) -> dict[int, History]:
    """
    What members gathered day by day, in two queries, or three with their products.

    :param since: leave out earlier days
    """
    rows = Gathered.objects.filter(member_id__in=member_ids)
    if since is not None:
        rows = rows.filter(day__gte=since)
    gatherings: dict[int, list[Gathering]] = {member_id: [] for member_id in member_ids}
    columns = [measure.value for measure in COUNTED]
    for member_id, day, *amounts in rows.order_by("member_id", "day").values_list(
        "member_id", "day", *columns
    ):
        gatherings[member_id].append(Gathering(day, tuple(amounts)))
    joined = dict(Member.objects.filter(pk__in=member_ids).values_list("pk", "joined_at"))
    owned = _owned(member_ids) if with_products else {}
    return {
        member_id: History(
            of_member, joined_on=localdate(joined[member_id]), owned=owned.get(member_id, ())
        )
        for member_id, of_member in gatherings.items()
    }


def joined_on(member_id: int) -> date:
    return localdate(Member.objects.values_list("joined_at", flat=True).get(pk=member_id))


def products_owned(member_id: int, day: date) -> int:
    """How many products a member owns when a day is over."""
    return sum(
        (bought is None or bought <= day) and (until is None or until > day)
        for bought, until in _owned([member_id]).get(member_id, ())
    )


def _owned(member_ids: Iterable[int]) -> dict[int, list[tuple[date | None, date | None]]]:
    owned: dict[int, list[tuple[date | None, date | None]]] = {}
    products = Product.objects.filter(member_id__in=member_ids)
    for member_id, bought, until in products.values_list(
        "member_id", "purchased_on", "owned_until"
    ):
        owned.setdefault(member_id, []).append((bought, until))
    return owned
