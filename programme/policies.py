"""
The programme's policies: the decisions a rulebook version takes beside its rules.

Only what some room reads stands here; each is documented in docs/programme.md.
"""

import calendar
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import ceil, floor
from typing import Any

# A point that never lapses. Also the database's last day; 'infinity' cannot be read into a date.
NEVER = date.max

POLICIES_SCHEMA = {
    "type": "object",
    "properties": {
        "validity": {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {
                        "months": {"type": "integer", "minimum": 1, "maximum": 1200},
                        "until": {"enum": ["day", "month_end", "quarter_end", "year_end"]},
                    },
                    "required": ["months", "until"],
                    "additionalProperties": False,
                },
                {"const": "never"},
            ]
        },
        "rounding": {
            "type": "object",
            "properties": {
                "mode": {"enum": ["down", "half_up", "up"]},
                "per": {"enum": ["document", "line"]},
            },
            "required": ["mode", "per"],
            "additionalProperties": False,
        },
        "return_after_spending": {"enum": ["debt", "write_off", "refuse"]},
    },
    "required": ["validity", "rounding", "return_after_spending"],
    "additionalProperties": False,
}

_HALF = Fraction(1, 2)
_ROUNDING: dict[str, Callable[[Fraction], int]] = {
    "down": floor,
    "half_up": lambda exact: floor(exact + _HALF),
    "up": ceil,
}
_QUARTER = 3
_YEAR = 12


@dataclass(frozen=True, slots=True)
class Rounding:
    mode: str
    per: str

    def whole(self, exact: Fraction) -> int:
        """Round points, never negative, to a whole number: the one place where that is done."""
        return _ROUNDING[self.mode](exact)


@dataclass(frozen=True, slots=True)
class Validity:
    """How long points live. `months` None: for ever."""

    months: int | None
    until: str = "day"

    def last_day(self, earned_on: date) -> date:
        """
        Return the last day on which points earned on a day can be spent, inclusive.

        `day`: the same day n months on, or that month's last day when it has no such day
        (29 February and 12 months: 28 February). The others: the end of the month, quarter or
        year in which that day falls.
        """
        if self.months is None:
            return NEVER
        months = earned_on.year * 12 + earned_on.month - 1 + self.months
        if self.until == "month_end":
            pass
        elif self.until == "quarter_end":
            months += _QUARTER - 1 - months % _QUARTER
        elif self.until == "year_end":
            months += _YEAR - 1 - months % _YEAR
        year, month = divmod(months, 12)
        if year > NEVER.year:
            return NEVER
        month_end = calendar.monthrange(year, month + 1)[1]
        day = min(earned_on.day, month_end) if self.until == "day" else month_end
        return date(year, month + 1, day)


@dataclass(frozen=True, slots=True)
class Policies:
    validity: Validity
    rounding: Rounding
    return_after_spending: str

    @classmethod
    def parse(cls, document: dict[str, Any]) -> "Policies":
        """Read what POLICIES_SCHEMA has accepted."""
        validity = document["validity"]
        return cls(
            validity=Validity(None) if validity == "never" else Validity(**validity),
            rounding=Rounding(**document["rounding"]),
            return_after_spending=document["return_after_spending"],
        )
