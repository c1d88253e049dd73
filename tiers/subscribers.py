from datetime import datetime
from typing import Any

from common import events
from members.queries import identity_of
from tiers import operations


@events.subscribe("member.product_bound")
def start_by_products(payload: dict[str, Any]) -> None:
    operations.start_by_products(
        member=identity_of(payload["member_id"]), at=datetime.fromisoformat(payload["bound_at"])
    )


@events.subscribe("account.merged")
def keep_the_higher(payload: dict[str, Any]) -> None:
    _follow(payload)


@events.subscribe("account.unmerged")
def take_it_back(payload: dict[str, Any]) -> None:
    _follow(payload)


def _follow(payload: dict[str, Any]) -> None:
    operations.follow_merge(
        member_id=payload["member_id"],
        into_id=payload["into_id"],
        at=datetime.fromisoformat(payload["at"]),
    )
