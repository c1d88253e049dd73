"""How far somebody is, ready to be drawn: what a tier asks for, as bars beneath their headings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from programme.policies import NEVER
from tiers import criteria, words
from tiers.criteria import EVER, Criterion, Measure
from tiers.ladders import Ladder, Level
from tiers.queries import Progress, Stand, Step

Tree = Mapping[str, Any]
FULL = 100


def asked(criterion: Criterion) -> str:
    """“10,000 qualifying points, or a spend of 5,000.00”, of whomever."""
    nobody = criteria.told(
        criterion, totals=lambda *_of: Decimal(0), days=lambda _window: (EVER, EVER)
    )
    return words.wanted(nobody)


def percent(tree: Tree) -> int:
    """
    How much of a criterion is met, 0 to 100. Below 100 until it is met.

    Of criteria that are all needed, their mean; of those any of which is enough, the furthest.
    """
    if tree["met"]:
        return FULL
    return max(0, int(_part(tree) * FULL))


def _part(tree: Tree) -> Decimal:
    if "measure" in tree:
        return min(Decimal(1), Decimal(tree["total"]) / Decimal(tree["at_least"]))
    parts = sorted((_part(each) for each in tree["of"]), reverse=True)
    needed = {"all": len(parts), "any": 1}.get(tree["word"]) or tree["some"]
    return sum(parts[:needed], Decimal(0)) / needed


@dataclass(frozen=True, slots=True)
class Bar:
    """One threshold and what was gathered of it."""

    name: str
    line: str
    missing: str
    percent: int
    is_met: bool


@dataclass(frozen=True, slots=True)
class Need:
    """What a criterion asks for: a bar, or several needs under a heading."""

    bar: Bar | None
    heading: str
    of: "tuple[Need, ...]"


def need(tree: Tree) -> Need:
    if "measure" in tree:
        bar = Bar(
            name=str(Measure(tree["measure"]).label),
            line=words.gathered(tree)[0],
            missing=words.missing(tree),
            percent=percent(tree),
            is_met=tree["met"],
        )
        return Need(bar, "", ())
    return Need(None, _heading(tree), tuple(need(each) for each in tree["of"]))


def _heading(tree: Tree) -> str:
    if len(tree["of"]) == 1:
        return ""
    if tree["word"] == "all":
        return _("All of these are needed")
    if tree["word"] == "any":
        return _("One of these is enough")
    return ngettext(
        "%(count)s of these is needed", "%(count)s of these are needed", tree["some"]
    ) % {"count": tree["some"]}


@dataclass(frozen=True, slots=True)
class Way:
    """The way to a tier, or to keep one."""

    level: Level
    percent: int
    missing: str
    need: Need


def way(step: Step | None) -> Way | None:
    if step is None:
        return None
    tree = step.evidence
    return Way(step.level, percent(tree), words.missing(tree), need(tree))


@dataclass(frozen=True, slots=True)
class Rung:
    """A level of the ladder as somebody who stands on it sees it."""

    level: Level
    asks: str
    is_mine: bool
    is_below: bool


def rungs(ladder: Ladder, stand: Stand) -> list[Rung]:
    """Highest first, as a ladder is drawn."""
    mine = stand.level.position
    return [
        Rung(
            level,
            asks=asked(level.upgrade) if level.upgrade else "",
            is_mine=level.position == mine,
            is_below=level.position < mine,
        )
        for level in reversed(ladder.levels)
    ]


class Picture:
    """All of a member's progress that a page shows."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.stand = progress.stand
        self.keep_by = progress.keep_by
        self.projected = progress.projected

    @cached_property
    def upgrade(self) -> Way | None:
        return way(self._progress.upgrade)

    @cached_property
    def keep(self) -> Way | None:
        return way(self._progress.keep)

    @cached_property
    def applications(self) -> list[Way]:
        return [found for step in self._progress.applications if (found := way(step))]

    @property
    def falls_on(self) -> date | None:
        return None if self._progress.falls_on == NEVER else self._progress.falls_on

    @property
    def falls(self) -> bool:
        """Whether the earned tier is lost at its end as things stand."""
        return self.projected.position < self.stand.earned.position

    @property
    def falls_soon(self) -> bool:
        """Whether that is near enough to be said before anybody asks."""
        if not self.falls or self.falls_on is None:
            return False
        return (self.falls_on - self._progress.day).days <= self._progress.near_days
