"""Coupons end with a membership."""

from datetime import datetime
from typing import Any

from benefits.operations import coupons as operations
from common import events


@events.subscribe("member.closed")
def revoke_coupons(payload: dict[str, Any]) -> None:
    operations.revoke_all(
        member_id=payload["member_id"], at=datetime.fromisoformat(payload["closed_at"])
    )
