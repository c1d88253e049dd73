"""The other decisions: each one's shape in the programme file, and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor
from typing import Any

from common.localized import TEXT_PATTERN
from programme.policies._days import NEVER, days_from, months_from

# As many as an entry can hold (`points.operations.POINTS_MAX`).
POINTS = {"type": "integer", "minimum": 1, "maximum": 1_000_000_000_000}
WHOLE = 10_000  # basis points

_HALF = Fraction(1, 2)
_ROUNDING: dict[str, Callable[[Fraction], int]] = {
    "down": floor,
    "half_up": lambda exact: floor(exact + _HALF),
    "up": ceil,
}

ROUNDING_SCHEMA = {
    "type": "object",
    "properties": {
        "mode": {"enum": list(_ROUNDING)},
        "per": {"enum": ["document", "line"]},
    },
    "required": ["mode", "per"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Rounding:
    mode: str
    per: str

    def whole(self, exact: Fraction) -> int:
        """Round points, never negative, to a whole number: the one place where that is done."""
        return _ROUNDING[self.mode](exact)


_WAIT = {
    "days": {"type": "integer", "minimum": 0, "maximum": 366},
    "event": {"const": True},
}

VESTING_SCHEMA = {
    "type": "object",
    "properties": {
        **_WAIT,
        "categories": {
            "type": "object",
            "propertyNames": {"pattern": r"^[a-z][a-z0-9_-]{0,31}\Z", "choices": "categories"},
            "additionalProperties": {
                "type": "object",
                "properties": _WAIT,
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
            "minProperties": 1,
            "maxProperties": 200,
        },
    },
    "oneOf": [{"required": ["days"]}, {"required": ["event"]}],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Vest:
    """
    When earned points become spendable.

    Not `pending`: at once. Pending with `on`: at the beginning of that day. Pending without: when
    the ledger is told so.
    """

    pending: bool
    on: date | None = None


AT_ONCE = Vest(pending=False)
BY_EVENT = Vest(pending=True)


@dataclass(frozen=True, slots=True)
class Vesting:
    # Days after the purchase, 0: at once; None: by an event.
    days: int | None = 0
    categories: Mapping[str, int | None] = field(default_factory=dict, hash=False)

    @classmethod
    def parse(cls, document: dict[str, Any]) -> "Vesting":
        categories = document.get("categories", {})
        return cls(
            document.get("days"),
            {category: wait.get("days") for category, wait in categories.items()},
        )

    def vests_on(self, earned_on: date, category: str = "") -> Vest:
        """`category`: of the line; a purchase without lines has none."""
        days = self.categories.get(category, self.days)
        if days is None:
            return BY_EVENT
        return Vest(pending=True, on=days_from(earned_on, days)) if days else AT_ONCE


NOTICES_SCHEMA = {
    "type": "object",
    "properties": {
        "before": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "months": {"type": "integer", "minimum": 1, "maximum": 12},
                    "days": {"type": "integer", "minimum": 1, "maximum": 366},
                },
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
            "minItems": 1,
            "maxItems": 10,
            "uniqueItems": True,
        },
        "required": {"type": "boolean"},
        "extension_days": {"type": "integer", "minimum": 1, "maximum": 366},
    },
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Lead:
    """How long before their last day a member is told that points lapse."""

    months: int = 0
    days: int = 0

    def __str__(self) -> str:
        """2m, 30d"""
        return f"{self.months}m" if self.months else f"{self.days}d"

    def latest(self, day: date) -> date:
        """Return the latest last day whose notice is due by a day: the other way round."""
        latest = days_from(months_from(day, self.months), self.days)
        # Months differ in length, so the way back may miss by some days.
        while self.day(latest) > day:
            latest = days_from(latest, -1)
        while latest < NEVER and self.day(days_from(latest, 1)) <= day:
            latest = days_from(latest, 1)
        return latest

    def day(self, last_day: date) -> date:
        """Return the day the notice is due; NEVER for points that never lapse."""
        if last_day == NEVER:
            return NEVER
        return days_from(months_from(last_day, -self.months), -self.days)


@dataclass(frozen=True, slots=True)
class Notices:
    """Notices of expiry; if `required`, without one the last day moves by `extension_days`."""

    before: tuple[Lead, ...] = (Lead(days=30), Lead(days=7))
    required: bool = False
    extension_days: int = 30

    @classmethod
    def parse(cls, document: dict[str, Any]) -> "Notices":
        written = dict(document)
        if "before" in written:
            written["before"] = tuple(Lead(**lead) for lead in written["before"])
        return cls(**written)


TRANSFERS_SCHEMA = {
    "type": "object",
    "properties": {
        "limits": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "days": {"type": "integer", "minimum": 1, "maximum": 366},
                    "count": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
                    "points": POINTS,
                },
                "required": ["days"],
                "minProperties": 2,
                "additionalProperties": False,
            },
            "minItems": 1,
            "maxItems": 10,
        },
    },
    "required": ["limits"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class TransferLimit:
    """What one giver may give away within any `days` days on end; None: as much as they like."""

    days: int
    count: int | None = None
    points: int | None = None


class Joining(StrEnum):
    """Who decides whether somebody becomes a member: nobody, the brand's staff, or dealers' too."""

    OPEN = "open"
    APPROVED_BY_BRAND = "approved_by_brand"
    APPROVED_BY_DEALER = "approved_by_dealer"


FUNDING_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "payer": {
                "type": "string",
                "pattern": r"^[-a-zA-Z0-9_]{1,50}\Z",
                "choices": "payers",
            },
            "share": {
                "type": "string",
                "pattern": r"^(?!0+(\.0+)?\Z)[0-9]{1,3}(\.[0-9]{1,2})?\Z",
            },
            "budget": {
                "type": "string",
                "minLength": 1,
                "maxLength": 64,
                "pattern": TEXT_PATTERN,
            },
        },
        "required": ["payer", "share"],
        "additionalProperties": False,
    },
    "minItems": 1,
    "maxItems": 20,
}


@dataclass(frozen=True, slots=True)
class FundingShare:
    """
    Who pays for earned points, and how many of 10,000 parts.

    `payer`: BRAND, STORE (the organization of the store where they were earned) or an
    organization's code. `budget`: which of the payer's pots, in its own words.
    """

    BRAND = "brand"
    STORE = "store"

    payer: str
    basis_points: int
    budget: str = ""

    @classmethod
    def parse(cls, document: dict[str, str]) -> "FundingShare":
        basis_points = int(Decimal(document["share"]) * 100)
        return cls(document["payer"], basis_points, document.get("budget", ""))
