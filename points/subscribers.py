from datetime import datetime
from typing import Any

from common import events
from points import operations


@events.subscribe("member.closed")
def forfeit_balance(payload: dict[str, Any]) -> None:
    operations.forfeit(
        member_id=payload["member_id"], at=datetime.fromisoformat(payload["closed_at"])
    )
