"""A version's ladder, compiled from its rows once: versions never change."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from common.localized import localized
from programme.policies import months_from
from tiers import criteria
from tiers.criteria import SINCE_CHANGE, Criterion, Measure, Window

ONE_LEVEL = "one_level"
EARNED = "earned"
TO_BASE = "base"
SINCE_LAST_CHANGE = Window(SINCE_CHANGE)


@dataclass(frozen=True, slots=True)
class Validity:
    months: int
    until: str = "day"

    def last_day(self, day: date) -> date:
        """The last day of the months that follow a day."""
        return months_from(day, self.months, self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    code: str
    position: int
    names: dict[str, str] = field(hash=False)
    color: str
    upgrade: Criterion | None = None
    # The upgrade criterion unless the rulebook names another; None: nothing keeps it.
    keep: Criterion | None = None
    validity: Validity | None = None
    # An upgrade is proposed, and staff decide.
    approval: bool = False
    application: Criterion | None = None

    @property
    def name(self) -> str:
        return localized(self.names)

    @property
    def criteria(self) -> Iterator[Criterion]:
        yield from (each for each in (self.upgrade, self.keep, self.application) if each)


@dataclass(frozen=True)
class Ladder:
    """Levels, lowest first; the first is everybody's. Falsy where a programme has no tiers."""

    version_id: int
    levels: tuple[Level, ...] = ()
    window: Window = SINCE_LAST_CHANGE
    downgrade: str = ONE_LEVEL
    grace_days: int = 0
    minimum_stay_days: int = 0
    warn_days: tuple[int, ...] = ()
    # Level codes by the name of the product that starts there.
    products: dict[str, str] = field(default_factory=dict, hash=False)

    def __bool__(self) -> bool:
        return bool(self.levels)

    @property
    def base(self) -> Level:
        return self.levels[0]

    def level(self, code: str | None) -> Level:
        """The base for None, and for a code this version does not have."""
        return self._by_code.get(code or "", self.base)

    def find(self, code: str) -> Level | None:
        return self._by_code.get(code)

    def above(self, level: Level) -> tuple[Level, ...]:
        """Highest first."""
        return self.levels[: level.position : -1]

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """Every window a criterion asks about, once each."""
        asked = {
            each.window: None
            for level in self.levels
            for criterion in level.criteria
            for each in criteria.thresholds(criterion)
            if each.measure != Measure.PRODUCTS
        }
        return tuple(asked)

    @cached_property
    def counts_products(self) -> bool:
        return any(
            each.measure == Measure.PRODUCTS
            for level in self.levels
            for criterion in level.criteria
            for each in criteria.thresholds(criterion)
        )

    @cached_property
    def _by_code(self) -> dict[str, Level]:
        return {level.code: level for level in self.levels}


def compiled(version_id: int, terms: Any, rows: Any, products: dict[str, str]) -> Ladder:
    """
    :param terms: the version's `LadderTerms`; None: it has no tiers
    :param rows: its `Level`s, lowest first
    """
    if terms is None:
        return Ladder(version_id)
    window = Window.parse(terms.window)
    return Ladder(
        version_id,
        levels=tuple(_level(row, window) for row in rows),
        window=window,
        downgrade=terms.downgrade,
        grace_days=terms.grace_days,
        minimum_stay_days=terms.minimum_stay_days,
        warn_days=tuple(terms.warn_days),
        products=products,
    )


def _level(row: Any, window: Window) -> Level:
    def criterion(document: Any) -> Criterion | None:
        return criteria.parse(document, window=window) if document else None

    upgrade = criterion(row.upgrade)
    return Level(
        code=row.code,
        position=row.position,
        names=row.names,
        color=row.color,
        upgrade=upgrade,
        keep=criterion(row.keep) or upgrade,
        validity=Validity(**row.validity) if row.validity else None,
        approval=row.approval,
        application=criterion(row.application),
    )
