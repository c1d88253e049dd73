"""
What a tier asks for: a tree of thresholds, each over a window of days. Pure arithmetic.

Windows are closed on both sides: from their first day to the day that is judged. A threshold that
is just reached is met.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from programme.policies import months_from

EVER = date.min
SINCE_CHANGE = "since_change"
CALENDAR_YEAR = "calendar_year"
ANNIVERSARY = "anniversary"
YEAR = 12


class Measure(models.TextChoices):
    POINTS = "points", _("Qualifying points")
    SPEND = "spend", _("Spend")
    PURCHASES = "purchases", _("Purchases")
    INTERACTIONS = "interactions", _("Interactions")
    EVENTS = "events", _("Events attended")
    REFERRALS = "referrals", _("Referrals")
    # What the member owns on the day: no window.
    PRODUCTS = "products", _("Products owned")


@dataclass(frozen=True, slots=True)
class Window:
    """Which days count: `months` back from the day that is judged, or as `kind` says."""

    kind: str
    months: int = 0

    @classmethod
    def parse(cls, document: str | Mapping[str, int]) -> "Window":
        if isinstance(document, str):
            return cls(document)
        return cls("months", document["months"])

    def first_day(self, day: date, *, period_from: date | None, joined_on: date) -> date:
        """
        :param period_from: the first day that counts since the last change of tier; None: ever
        """
        if self.kind == SINCE_CHANGE:
            return period_from or EVER
        if self.kind == CALENDAR_YEAR:
            return day.replace(month=1, day=1)
        if self.kind == ANNIVERSARY:
            return latest_anniversary(joined_on, day)
        return months_from(day, -self.months) + timedelta(days=1)

    @property
    def reach(self) -> int:
        """How many months it may look back; 0: to the last change."""
        return {SINCE_CHANGE: 0, "months": self.months}.get(self.kind, YEAR)


def latest_anniversary(joined_on: date, day: date) -> date:
    """
    The last day up to `day` on which a year since joining was full. Who joined on 29 February has
    it on the 28th in common years. Before joining, the day of joining itself.
    """
    years = max(0, day.year - joined_on.year)
    latest = months_from(joined_on, YEAR * years)
    if latest > day and years:
        latest = months_from(joined_on, YEAR * (years - 1))
    return latest


@dataclass(frozen=True, slots=True)
class Threshold:
    measure: Measure
    at_least: Decimal
    window: Window


@dataclass(frozen=True, slots=True)
class Group:
    """So many of its criteria must be met: all of them, any, or some."""

    word: str
    needed: int
    of: "tuple[Criterion, ...]"


Criterion = Threshold | Group
# What a member gathered of a measure in a window that ends on the day that is judged.
Totals = Callable[[Measure, Window], Decimal]


def parse(document: Mapping[str, Any], *, window: Window) -> Criterion:
    """
    Compile what the section's schema has accepted.

    :param window: for thresholds that name none
    """
    if "measure" in document:
        own = Window.parse(document["window"]) if "window" in document else window
        return Threshold(Measure(document["measure"]), Decimal(document["at_least"]), own)
    word = next(word for word in ("all", "any", "of") if word in document)
    of = tuple(parse(each, window=window) for each in document[word])
    needed = {"all": len(of), "any": 1}.get(word) or int(document["some"])
    return Group("some" if word == "of" else word, needed, of)


def is_met(criterion: Criterion, totals: Totals) -> bool:
    if isinstance(criterion, Threshold):
        return totals(criterion.measure, criterion.window) >= criterion.at_least
    met = 0
    for each in criterion.of:
        met += is_met(each, totals)
        if met >= criterion.needed:
            return True
    return False


def thresholds(criterion: Criterion) -> Iterator[Threshold]:
    """Every threshold of the tree, in reading order."""
    if isinstance(criterion, Threshold):
        yield criterion
        return
    for each in criterion.of:
        yield from thresholds(each)


def told(
    criterion: Criterion, totals: Totals, days: Callable[[Window], tuple[date, date]]
) -> dict[str, Any]:
    """The tree as evidence: each threshold with its window's days, its total and whether met."""
    if isinstance(criterion, Group):
        of = [told(each, totals, days) for each in criterion.of]
        needed = {"some": criterion.needed} if criterion.word == "some" else {}
        met = sum(each["met"] for each in of) >= criterion.needed
        return {"of": of, "word": criterion.word, **needed, "met": met}
    total = totals(criterion.measure, criterion.window)
    evidence: dict[str, Any] = {
        "measure": criterion.measure.value,
        "at_least": plain(criterion.at_least),
        "total": plain(total),
        "met": total >= criterion.at_least,
    }
    if criterion.measure != Measure.PRODUCTS:
        first, last = days(criterion.window)
        evidence["from"] = None if first == EVER else first.isoformat()
        evidence["until"] = last.isoformat()
    return evidence


def plain(number: Decimal) -> str:
    """10000.00 → 10000; the shortest text of the same number."""
    return f"{number.normalize():f}"
