"""What is judged, and what the rules may ask about it."""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

# A purchase without lines is one line that belongs to no category.
NO_CATEGORY = ""


@dataclass(frozen=True, slots=True)
class Line:
    number: str
    category: str
    amount: Decimal
    product: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """
    What rules may ask besides the lines, as it was when the purchase was made.

    Only what the rules of a version ask is looked up; all else has its default.
    """

    # Of the purchase, in the programme's zone.
    day: date
    # The member's standing before the purchase; None without a ladder.
    tier: str | None = None
    # "day": it is the member's birthday; "month": it is in that month; "": neither, or not known.
    birthday: str = ""
    first_purchase: bool = False
    # Those categories of this purchase the member had bought before.
    bought_before: frozenset[str] = frozenset()
    store: str = ""
    # The organization of the store.
    dealer: str = ""
    channel: str = ""

    def as_json(self) -> dict[str, Any]:
        """All but the day, as far as it says anything: with it a return is judged once more."""
        told: dict[str, Any] = {
            name: value
            for name in ("tier", "birthday", "first_purchase", "store", "dealer", "channel")
            if (value := getattr(self, name))
        }
        if self.bought_before:
            told["bought_before"] = sorted(self.bought_before)
        return told

    @classmethod
    def read(cls, told: Mapping[str, Any], *, day: date) -> "Facts":
        """The other way round."""
        bought_before = frozenset(told.get("bought_before", ()))
        return cls(**{**told, "day": day, "bought_before": bought_before})


def birthday_on(birthday: date | None, day: date) -> str:
    """What `Facts.birthday` is. Who was born on 29 February has it on the 28th in common years."""
    if birthday is None or birthday.month != day.month:
        return ""
    return "day" if day == nth_of_its_month(day, birthday.day) else "month"


def nth_of_its_month(day: date, n: int) -> date:
    """The n-th of the month a day is in; its last day, if it has no such day."""
    return day.replace(day=min(n, calendar.monthrange(day.year, day.month)[1]))
