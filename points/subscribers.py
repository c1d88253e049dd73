from datetime import datetime
from typing import Any

from common import events
from points import operations


@events.subscribe("member.closed")
def forfeit_balance(payload: dict[str, Any]) -> None:
    operations.forfeit(
        member_id=payload["member_id"], at=datetime.fromisoformat(payload["closed_at"])
    )


@events.subscribe("member.activated")
def start_clock(payload: dict[str, Any]) -> None:
    operations.start_clock(
        member_id=payload["member_id"],
        activated_at=datetime.fromisoformat(payload["activated_at"]),
    )
