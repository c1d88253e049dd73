"""
Candidate benefits in three dimensions, and who comes first: plain arithmetic, exact.

Every score runs from 1 to 5, and 5 is the best: of attractiveness what members want most, of
feasibility what is done most easily, of partner cost what costs the partner least.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

BEST, WORST = 5, 1
# Below so many answers a figure would tell of single people.
GROUP_MIN = 5
CENT = Decimal("0.01")


def of_choice(*, chosen: int, answers: int) -> Fraction:
    """How attractive what so many of all chose is."""
    return WORST + Fraction((BEST - WORST) * chosen, answers)


def of_stars(*, total: int, answers: int) -> Fraction:
    """:param total: all stars together"""
    return Fraction(total, answers)


def of_order(*, total: int, answers: int, options: int) -> Fraction:
    """
    :param total: all places together; the first place is 1
    :param options: how many were put in order
    """
    if options < 2:
        return Fraction(BEST)
    place = Fraction(total, answers)
    return WORST + (BEST - WORST) * (options - place) / (options - 1)


def mean(values: Sequence[Fraction]) -> Fraction:
    """Of one value at least."""
    return sum(values, Fraction(0)) / len(values)


def shown(score: Fraction | None) -> Decimal | None:
    """With two digits after the point, as it is compared and shown."""
    if score is None:
        return None
    exact = Decimal(score.numerator) / Decimal(score.denominator)
    return exact.quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Weights:
    attractiveness: int
    feasibility: int
    cost: int

    @property
    def shares(self) -> tuple[Fraction, Fraction, Fraction]:
        """Together 1."""
        each = (self.attractiveness, self.feasibility, self.cost)
        return tuple(Fraction(one, sum(each)) for one in each)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its scores; None: not known (yet)."""

    candidate_id: int
    attractiveness: Decimal | None
    feasibility: Decimal | None
    cost: Decimal | None

    @property
    def scores(self) -> tuple[Decimal | None, ...]:
        return self.attractiveness, self.feasibility, self.cost

    def total(self, weights: Weights) -> Decimal | None:
        """None where a dimension that weighs something is not known."""
        weighed = [(score, share) for score, share in zip(self.scores, weights.shares, strict=True)]
        if any(score is None and share for score, share in weighed):
            return None
        return shown(
            sum((Fraction(score) * share for score, share in weighed if score), Fraction(0))
        )


# By what two with the same total are told apart, in this order.
TOTAL, ATTRACTIVENESS, FEASIBILITY, COST, NOTHING = (
    "total", "attractiveness", "feasibility", "cost", "nothing",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ranked:
    """
    A place in the ranking; None: it cannot be ranked yet.

    :param by: by what it stands below the one before it, `NOTHING` where both share the place;
        empty for the first and for what is not ranked
    """

    scored: Scored
    total: Decimal | None
    place: int | None
    by: str


def ranked(candidates: Iterable[Scored], weights: Weights) -> list[Ranked]:
    """
    The best first. The same total: what members want more comes first, then what is more feasible,
    then what costs less; what is the same in all shares a place.
    """
    totals = [(each, each.total(weights)) for each in candidates]
    known = [(_key(each, total), each, total) for each, total in totals if total is not None]
    known.sort(key=lambda one: (tuple(-value for value in one[0]), one[1].candidate_id))
    found: list[Ranked] = []
    for nth, (key, each, total) in enumerate(known, 1):
        by = _told_apart(known[nth - 2][0], key) if nth > 1 else ""
        place = found[-1].place if by == NOTHING else nth
        found.append(Ranked(each, total, place, by))
    unknown = sorted((each for each, total in totals if total is None), key=_by_id)
    return [*found, *(Ranked(each, None, None, "") for each in unknown)]


def _by_id(scored: Scored) -> int:
    return scored.candidate_id


def _key(scored: Scored, total: Decimal) -> tuple[Decimal, ...]:
    return (total, *(score or Decimal(0) for score in scored.scores))


def _told_apart(before: Sequence[Decimal], after: Sequence[Decimal]) -> str:
    names = (TOTAL, ATTRACTIVENESS, FEASIBILITY, COST)
    found = (name for name, x, y in zip(names, before, after, strict=True) if x != y)
    return next(found, NOTHING)
