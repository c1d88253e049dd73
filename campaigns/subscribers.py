"""What members do elsewhere brings them gifts and completes their tasks."""

from datetime import date, datetime
from typing import Any

from campaigns import gifts, steps, surveys
from campaigns.models import GiftOccasion, TaskStep
from common import events
from points.queries import start_of_day


@events.subscribe("member.joined")
def welcome(payload: dict[str, Any]) -> None:
    member_id, at = payload["member_id"], datetime.fromisoformat(payload["joined_at"])
    gifts.give(member_id=member_id, occasion=GiftOccasion.JOINED, at=at)
    steps.take(member_id=member_id, step=TaskStep.JOINED, at=at)
    if payload["active"]:
        _activated(member_id, at)
    steps.complete_profile(member_id=member_id, at=at)


@events.subscribe("members.joined")
def welcome_many(payload: dict[str, Any]) -> None:
    """Those whom a file brought, some hundreds at once. Of them nothing is known but that."""
    people = [(member_id, datetime.fromisoformat(at)) for member_id, at in payload["members"]]
    for occasion in (GiftOccasion.JOINED, GiftOccasion.ACTIVATED):
        gifts.give_many(people=people, occasion=occasion)
    for step in (TaskStep.JOINED, TaskStep.ACTIVATED):
        for member_id, at in people:
            steps.take(member_id=member_id, step=step, at=at)


@events.subscribe("member.activated")
def reward_activation(payload: dict[str, Any]) -> None:
    _activated(payload["member_id"], datetime.fromisoformat(payload["activated_at"]))


def _activated(member_id: int, at: datetime) -> None:
    gifts.give(member_id=member_id, occasion=GiftOccasion.ACTIVATED, at=at)
    steps.take(member_id=member_id, step=TaskStep.ACTIVATED, at=at)


@events.subscribe("member.product_bound")
def reward_binding(payload: dict[str, Any]) -> None:
    member_id, at = payload["member_id"], datetime.fromisoformat(payload["bound_at"])
    gifts.give(member_id=member_id, occasion=GiftOccasion.PRODUCT_BOUND, at=at)
    steps.take(member_id=member_id, step=TaskStep.PRODUCT_BOUND, at=at)


@events.subscribe("member.profile_changed")
def reward_profile(payload: dict[str, Any]) -> None:
    at = datetime.fromisoformat(payload["at"])
    steps.complete_profile(member_id=payload["member_id"], at=at)


@events.subscribe("survey.answered")
def reward_answer(payload: dict[str, Any]) -> None:
    if payload["activity"]:
        surveys.answered(
            survey_id=payload["survey_id"],
            member_id=payload["member_id"],
            activity=payload["activity"],
            at=datetime.fromisoformat(payload["at"]),
        )


@events.subscribe("tier.upgraded")
def reward_upgrade(payload: dict[str, Any]) -> None:
    at = start_of_day(date.fromisoformat(payload["on"]))
    steps.take(member_id=payload["member_id"], step=TaskStep.UPGRADED, at=at)
