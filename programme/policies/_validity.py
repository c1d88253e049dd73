"""
How long points live.

A point's life ends by its own last day, or by the account's, on which everything lapses together:
a programme has the one or the other, never both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, ClassVar

from programme.policies._days import NEVER, UNTIL, day_of_year, months_from

# The kinds of entry that may count as activity (`points.EntryKind`).
ACTIVITIES = ["EARN", "REDEEM", "TRANSFER_OUT", "TRANSFER_IN", "ADJUST"]
ACTIVITIES_DEFAULT = ["EARN", "REDEEM"]

_MONTHS = {"type": "integer", "minimum": 1, "maximum": 1200}
_YEARS = {"type": "integer", "minimum": 1, "maximum": 100}
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z"
_SHAPES: list[dict[str, Any]] = [
    {
        "properties": {
            "months": _MONTHS,
            "until": {"enum": UNTIL},
            "extra_months": {
                "type": "object",
                "propertyNames": {"pattern": r"^[a-z][a-z0-9-]{0,49}\Z", "choices": "tiers"},
                "additionalProperties": _MONTHS,
                "minProperties": 1,
                "maxProperties": 50,
            },
        },
        "required": ["months", "until"],
    },
    {
        "properties": {
            "date": {
                "type": "string",
                "format": "date",
                "pattern": _DATE,
            }
        },
        "required": ["date"],
    },
    {
        "properties": {
            "day_of_year": {"type": "string", "pattern": r"^[0-9]{2}-[0-9]{2}\Z"},
            "years": _YEARS,
        },
        "required": ["day_of_year", "years"],
    },
    {"properties": {"cycle_years": _YEARS}, "required": ["cycle_years"]},
    {
        "properties": {
            "inactive_months": _MONTHS,
            "until": {"enum": UNTIL},
            "counts": {
                "type": "array",
                "items": {"enum": ACTIVITIES},
                "minItems": 1,
                "uniqueItems": True,
            },
        },
        "required": ["inactive_months", "until"],
    },
]

# Chosen by the key that names it, not `oneOf`: a refusal then says what is wrong in the one that
# was meant, instead of “not valid under any”.
VALIDITY_SCHEMA: dict[str, Any] = {"const": "never"}
for _shape in reversed(_SHAPES):
    VALIDITY_SCHEMA = {
        "if": {"type": "object", "required": _shape["required"][:1]},
        "then": _shape | {"additionalProperties": False},
        "else": VALIDITY_SCHEMA,
    }


@dataclass(frozen=True, slots=True)
class Validity:
    """Points live for ever. Each other rule says what it ends."""

    # Whether every counted activity moves the account's last day.
    rolls: ClassVar[bool] = False

    @property
    def asks_tier(self) -> bool:
        """Whether points of some tiers live longer."""
        return False

    @staticmethod
    def parse(document: Any) -> "Validity":
        """Read what VALIDITY_SCHEMA has accepted, and whose days there are."""
        match document:
            case {"months": months, "until": until}:
                return ForMonths(months, until, document.get("extra_months", {}))
            case {"date": day}:
                return UntilDate(date.fromisoformat(day))
            case {"day_of_year": day, "years": years}:
                month, day = map(int, day.split("-"))
                return UntilDayOfYear(month, day, years)
            case {"cycle_years": years}:
                return Cycle(years)
            case {"inactive_months": months, "until": until}:
                counted = document.get("counts", ACTIVITIES_DEFAULT)
                return Inactivity(months, until, frozenset(counted))
        return Validity()

    def last_day(self, earned_on: date, *, tier: str = "") -> date:
        """
        Return the last day on which points earned on a day can be spent, inclusive.

        `tier`: the code of the member's tier, of those that have extra time. NEVER where only the
        account's last day ends them.
        """
        return NEVER

    def account_last_day(self, on: date) -> date | None:
        """
        Return the day after which everything on the account lapses; None: nothing ends together.

        `on`: the day of the account's first points (also of the first after everything lapsed),
        and, if it `rolls`, of each entry that `counts`.
        """
        return None

    def counts(self, kind: str) -> bool:
        """Whether an entry of this kind is activity that keeps the account alive."""
        return False


@dataclass(frozen=True, slots=True)
class ForMonths(Validity):
    months: int
    until: str = "day"
    # By tier code.
    extra_months: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def asks_tier(self) -> bool:
        return bool(self.extra_months)

    def last_day(self, earned_on: date, *, tier: str = "") -> date:
        return months_from(earned_on, self.months + self.extra_months.get(tier, 0), self.until)

    def shortest_days(self) -> int:
        """The days of the shortest life there is, whenever the points are earned."""
        four_years = (date(2024, 1, 1) + timedelta(days=n) for n in range(4 * 365 + 1))
        return min((self.last_day(day) - day).days for day in four_years)


@dataclass(frozen=True, slots=True)
class UntilDate(Validity):
    """One day for all; what is earned later lapses with its own day, never before it is there."""

    day: date

    def last_day(self, earned_on: date, *, tier: str = "") -> date:
        return max(self.day, earned_on)


@dataclass(frozen=True, slots=True)
class UntilDayOfYear(Validity):
    """To the n-th such day on or after the day they were earned. 29 February: see `day_of_year`."""

    month: int
    day: int
    years: int

    def last_day(self, earned_on: date, *, tier: str = "") -> date:
        passed = day_of_year(earned_on.year, self.month, self.day) < earned_on
        year = earned_on.year + self.years - (not passed)
        return day_of_year(year, self.month, self.day) if year <= NEVER.year else NEVER


@dataclass(frozen=True, slots=True)
class Cycle(Validity):
    """From the first point to the end of the n-th calendar year, its own being the first."""

    years: int

    def account_last_day(self, on: date) -> date | None:
        year = on.year + self.years - 1
        return date(year, 12, 31) if year <= NEVER.year else NEVER


@dataclass(frozen=True, slots=True)
class Inactivity(Validity):
    """Everything lapses n months after the latest activity."""

    rolls: ClassVar[bool] = True

    months: int
    until: str = "day"
    kinds: frozenset[str] = frozenset(ACTIVITIES_DEFAULT)

    def account_last_day(self, on: date) -> date | None:
        return months_from(on, self.months, self.until)

    def counts(self, kind: str) -> bool:
        return kind in self.kinds
