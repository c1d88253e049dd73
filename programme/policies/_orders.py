"""Orders: how many days each may wait in a state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_DAYS = {"type": "integer", "minimum": 1, "maximum": 366}

ORDERS_SCHEMA = {
    "type": "object",
    "properties": {
        "pick_days": _DAYS,
        "send_days": _DAYS,
        "collect_days": _DAYS,
        "arrive_days": _DAYS,
        "return_days": _DAYS,
        "decide_days": _DAYS,
    },
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """
    How many days an order may wait before it is late, or goes on by itself (B4).

    Late, once staff or the store had so long: `pick_days` to pick what is paid; `send_days` to send
    what is picked, or have it ready; `collect_days` for the member to collect it; `decide_days` to
    decide a return asked for. By itself: taken for received `arrive_days` after it was sent; closed
    `return_days` after it was received, until when a return can be asked for.
    """

    pick_days: int = 3
    send_days: int = 3
    collect_days: int = 30
    arrive_days: int = 15
    return_days: int = 15
    decide_days: int = 7

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "OrderTerms":
        return cls(**document)
