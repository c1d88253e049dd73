"""A version's tier × benefit matrix, compiled from its rows once: versions never change."""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

from benefits.models import Kind, OnDowngrade
from common.localized import localized
from programme.policies import FundingShare, days_from

MONTH, QUARTER, YEAR = "month", "quarter", "year"
BIRTHDAY, UPGRADE = "birthday_month", "upgrade"
ALWAYS, PAYS = "always", "pays"
# In what a quota may be counted.
COUNTED = (MONTH, QUARTER, YEAR, BIRTHDAY, UPGRADE)
MONTHS_OF_A_QUARTER = 3
DEFAULT_UNDO_MINUTES = 15
WHOLE_PRICE = Decimal(100)


@dataclass(frozen=True, slots=True)
class Cell:
    """
    What a tier gets of a benefit: so many `times` per period, `ALWAYS`, or the percentage of the
    price that is paid.
    """

    per: str
    times: int = 0
    pays: Decimal | None = None

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Cell":
        ((per, value),) = document.items()
        if per == PAYS:
            return cls(per, pays=Decimal(value))
        return cls(per) if per == ALWAYS else cls(per, times=value)


@dataclass(frozen=True, slots=True)
class Period:
    """
    `key`: what a right's natural key says of it. `last`: its last day; None: it has no end.

    A birthday counts once in a calendar year, whatever month a member says it lies in.
    """

    key: str
    first: date
    last: date | None


def period_of(per: str, day: date) -> Period:
    """The period of a day; of an upgrade, that of the day on which the tier was won."""
    if per == UPGRADE:
        return Period(f"{UPGRADE}-{day}", day, None)
    if per == YEAR:
        return Period(f"{day.year}", day.replace(month=1, day=1), day.replace(month=12, day=31))
    if per == QUARTER:
        nth = (day.month - 1) // MONTHS_OF_A_QUARTER
        last_month = (nth + 1) * MONTHS_OF_A_QUARTER
        first = date(day.year, last_month - MONTHS_OF_A_QUARTER + 1, 1)
        return Period(f"{day.year}-Q{nth + 1}", first, _month_end(day.year, last_month))
    first, last = day.replace(day=1), _month_end(day.year, day.month)
    key = f"{day.year}-birthday" if per == BIRTHDAY else f"{day:%Y-%m}"
    return Period(key, first, last)


def _month_end(year: int, month: int) -> date:
    return date(year, month, monthrange(year, month)[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Benefit:
    code: str
    names: dict[str, str] = field(hash=False)
    description: dict[str, str] = field(hash=False)
    source: str
    kind: str
    cost: Decimal
    funding: tuple[FundingShare, ...]
    categories: frozenset[str]
    days: frozenset[int]
    lapse_days: int | None
    on_downgrade: str
    cells: dict[str, Cell] = field(hash=False)

    @property
    def name(self) -> str:
        return localized(self.names)

    @property
    def told(self) -> str:
        return localized(self.description)

    @property
    def ends_with_the_tier(self) -> bool:
        return self.on_downgrade == OnDowngrade.END

    def last_day(self, period: Period, *, granted_on: date) -> date | None:
        """The last good day of a right granted on a day; None: it does not lapse."""
        if self.lapse_days is not None:
            return days_from(granted_on, self.lapse_days)
        return period.last

    def is_due_on(self, day: date) -> bool:
        """Whether a discount counts on a day."""
        return not self.days or day.day in self.days


@dataclass(frozen=True)
class Matrix:
    """Benefits in their order. Falsy where a version has none."""

    version_id: int
    benefits: tuple[Benefit, ...] = ()
    undo_minutes: int = DEFAULT_UNDO_MINUTES

    def __bool__(self) -> bool:
        return bool(self.benefits)

    def find(self, code: str) -> Benefit | None:
        return self._by_code.get(code)

    def of_tier(self, level: str) -> list[tuple[Benefit, Cell]]:
        return [(each, each.cells[level]) for each in self.benefits if level in each.cells]

    def counted(self) -> list[tuple[Benefit, str, Cell]]:
        """What rights are granted of: each benefit, tier and quota."""
        return [
            (each, level, cell)
            for each in self.benefits
            for level, cell in each.cells.items()
            if cell.per in COUNTED
        ]

    @cached_property
    def _by_code(self) -> dict[str, Benefit]:
        return {each.code: each for each in self.benefits}


def compiled(version_id: int, terms: Any, rows: Iterable[Any]) -> Matrix:
    """
    :param terms: the version's `BenefitTerms`; None: it has no benefits
    :param rows: its `Benefit`s in their order
    """
    if terms is None:
        return Matrix(version_id)
    return Matrix(version_id, tuple(_benefit(row) for row in rows), terms.undo_minutes)


def _benefit(row: Any) -> Benefit:
    return Benefit(
        code=row.code,
        names=row.names,
        description=row.description,
        source=row.source,
        kind=Kind(row.kind),
        cost=row.cost,
        funding=tuple(FundingShare.parse(share) for share in row.funding),
        categories=frozenset(row.categories),
        days=frozenset(row.days),
        lapse_days=row.lapse_days,
        on_downgrade=row.on_downgrade,
        cells={level: Cell.parse(cell) for level, cell in row.tiers.items()},
    )
