"""Questions about benefits: what tiers get, and which rights a member has."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from django.db import connection
from django.db.models import BigIntegerField, F, Func, Q, QuerySet, Value

from benefits import matrix as matrices
from benefits.matrix import ALWAYS, PAYS, Benefit, Cell, Matrix
from benefits.models import OPEN, PAST, BenefitTerms, Kind, Right, Step
from benefits.models import Benefit as BenefitRow
from programme import queries as programme
from tiers import queries as tiers

NO_BENEFITS = Matrix(0)


@lru_cache(maxsize=64)
def matrix(version_id: int) -> Matrix:
    """The matrix of a published version, compiled once. Falsy where it has no benefits."""
    return matrices.compiled(
        version_id,
        BenefitTerms.objects.filter(version=version_id).first(),
        BenefitRow.objects.filter(version=version_id).order_by("position"),
    )


def matrix_on(day: date) -> Matrix:
    """The matrix that judges a day; an empty one where there was no rulebook."""
    try:
        return matrix(programme.rulebook_on(day).id)
    except programme.NoRulebook:
        return NO_BENEFITS


GUESTS = "SELECT points_guests(%s)"


class Guests(Func):
    """
    As `guests_of`, within the query that asks by it: `filter(member_id__in=Guests(member_id))`.
    """

    template = "(SELECT unnest(points_guests(%(expressions)s)))"
    output_field = BigIntegerField()

    def __init__(self, member_id: int) -> None:
        super().__init__(Value(member_id, output_field=BigIntegerField()))


def guests_of(member_id: int) -> list[int]:
    """A member, and whoever was merged into the member: their rights are the member's."""
    with connection.cursor() as cursor:
        cursor.execute(GUESTS, (member_id,))
        return list(cursor.fetchone()[0])


def rights(member_id: int) -> QuerySet[Right]:
    """Every right of a member, those of who was merged into them included; first to lapse first."""
    found = Right.objects.filter(member_id__in=Guests(member_id)).select_related("store")
    return found.order_by(F("last_on").asc(nulls_last=True), "benefit", "period", "ordinal")


def usable(found: QuerySet[Right], day: date) -> QuerySet[Right]:
    """Of rights, those that can be booked or delivered on a day."""
    return found.filter(is_usable(day))


def is_usable(day: date) -> Q:
    return (Q(last_on=None) | Q(last_on__gte=day)) & Q(state__in=OPEN)


def left(member_id: int, right: Right, day: date) -> int | None:
    """How many more of a right's benefit can be used; None where it is not counted."""
    if right.on_demand:
        return None
    return usable(rights(member_id).filter(benefit=right.benefit), day).count()


def used(member_id: int) -> QuerySet[Right]:
    """What a member had, or should have had, latest first, with what they say of it."""
    found = Right.objects.filter(member_id__in=Guests(member_id), state__in=PAST)
    return found.select_related("store", "rating").order_by("-delivered_at", "-pk")


def benefit_of(right: Right) -> Benefit | None:
    """As the version that granted it describes it."""
    return matrix(right.version_id).find(right.benefit)


def steps(right_ids: Collection[int]) -> QuerySet[Step]:
    """What happened to rights, earliest first."""
    found = Step.objects.filter(right_id__in=right_ids).order_by("right_id", "nth")
    return found.select_related("actor", "client", "store")


# --- For the member, the clerk and the till ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """A benefit as a member has it on a day. `left`: None where it is not counted."""

    benefit: Benefit
    # What the member's tier gets of it; None: only rights of an earlier tier or a compensation.
    cell: Cell | None
    left: int | None
    rights: tuple[Right, ...]

    @property
    def next_last_day(self) -> date | None:
        """Until when the right that lapses first is good."""
        return self.rights[0].last_on if self.rights else None


def offers(member_id: int, day: date) -> list[Offer]:
    """What a member has on a day: what the tier gets, and what is left of what was granted."""
    found = usable(rights(member_id), day)
    return offered(found, level=tiers.level_code_on(member_id, day), day=day)


def offered(found: Iterable[Right], *, level: str | None, day: date) -> list[Offer]:
    """
    As `offers`, where the caller has read what it is made of.

    :param found: the rights that can be used on the day, first to lapse first
    """
    present = matrix_on(day)
    cells = {each.code: cell for each, cell in present.of_tier(level)} if level else {}
    by_benefit: dict[str, list[Right]] = {}
    for right in found:
        by_benefit.setdefault(right.benefit, []).append(right)
    return [*_offers(present.benefits, cells, by_benefit), *_of_old(present, by_benefit)]


def _offers(
    benefits: Iterable[Benefit], cells: dict[str, Cell], by_benefit: dict[str, list[Right]]
) -> Iterable[Offer]:
    for benefit in benefits:
        cell, found = cells.get(benefit.code), by_benefit.get(benefit.code, [])
        if cell is None and not found:
            continue
        is_counted = cell is None or cell.per not in (ALWAYS, PAYS)
        yield Offer(benefit, cell, len(found) if is_counted else None, tuple(found))


def _of_old(present: Matrix, by_benefit: dict[str, list[Right]]) -> Iterable[Offer]:
    """Rights to what the present version does not know any more."""
    for code, found in by_benefit.items():
        benefit = benefit_of(found[0])
        if present.find(code) is None and benefit is not None:
            yield Offer(benefit, None, len(found), tuple(found))


def discounts_on(member_id: int, day: date) -> list[tuple[Benefit, Cell]]:
    """What a member's tier takes off at the till on a day, of whatever categories; best first."""
    level = tiers.level_code_on(member_id, day)
    found = [
        (benefit, cell)
        for benefit, cell in (matrix_on(day).of_tier(level) if level else ())
        if benefit.kind == Kind.DISCOUNT and benefit.is_due_on(day)
    ]
    return sorted(found, key=lambda each: each[1].pays or 0)


def best_discount(
    found: Iterable[tuple[Benefit, Cell]], *, category: str
) -> tuple[Benefit, Cell] | None:
    """Of `discounts_on`, the one that counts for lines of a category; discounts never add up."""
    return next(
        (each for each in found if not each[0].categories or category in each[0].categories), None
    )
