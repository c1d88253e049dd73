"""Who turns out to be one person has answered once."""

from typing import Any

from benefits.operations import surveys
from common import events


@events.subscribe("account.merged")
def answer_once(payload: dict[str, Any]) -> None:
    _count(payload)


@events.subscribe("account.unmerged")
def answer_each(payload: dict[str, Any]) -> None:
    _count(payload)


def _count(payload: dict[str, Any]) -> None:
    surveys.count_once(member_id=payload["member_id"], into_id=payload["into_id"])
