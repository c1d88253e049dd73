"""Points off a bill: how many of them, for which part of it, and how long one may think better."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any

POINTS_MAX = 10_000_000
CENT = Decimal("0.01")
ALL_OF_IT = 100

BILLS_SCHEMA = {
    "type": "object",
    "properties": {
        "share": {"type": "integer", "minimum": 1, "maximum": ALL_OF_IT},
        "points_min": {"type": "integer", "minimum": 1, "maximum": POINTS_MAX},
        "points_max": {"type": "integer", "minimum": 1, "maximum": POINTS_MAX},
        "undo_minutes": {"type": "integer", "minimum": 1, "maximum": 1440},
    },
    "required": ["share"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class BillTerms:
    """
    What holds where points pay a part of a bill at a store's counter (P7).

    `share`: the percentage of the bill they may pay at most. `points_min`, `points_max`: of one
    bill. `undo_minutes`: how long the counter can give them back.
    """

    share: int
    points_min: int = 1
    points_max: int = POINTS_MAX
    undo_minutes: int = 15

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "BillTerms":
        return cls(**document)

    def most(self, bill: Decimal, *, points_per_unit: int) -> int:
        """
        How many points a bill takes at most: never so many that it would pay more than its share.

        :param bill: in the programme's currency
        :param points_per_unit: how many points are worth one unit of it
        """
        return min(int(bill * self.share * points_per_unit / ALL_OF_IT), self.points_max)


def worth(points: int, *, points_per_unit: int) -> Decimal:
    """What points take off a bill; what is less than a cent stays with the bill."""
    return (Decimal(points) / points_per_unit).quantize(CENT, rounding=ROUND_DOWN)
