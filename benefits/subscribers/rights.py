"""Rights follow what members do and become elsewhere."""

from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.timezone import localdate

from benefits import operations
from common import events
from tiers.models import Decision


@events.subscribe("member.joined")
def welcome(payload: dict[str, Any]) -> None:
    if payload["active"]:
        _begin(payload["member_id"], payload["joined_at"])


@events.subscribe("members.joined")
def welcome_many(payload: dict[str, Any]) -> None:
    """Those whom a file brought, some hundreds at once."""
    now = timezone.now()
    ids = [member_id for member_id, _at in payload["members"]]
    operations.grant(member_ids=ids, day=localdate(now), at=now)


@events.subscribe("member.activated")
def begin(payload: dict[str, Any]) -> None:
    _begin(payload["member_id"], payload["activated_at"])


@events.subscribe("member.profile_changed")
def know_the_birthday(payload: dict[str, Any]) -> None:
    at = datetime.fromisoformat(payload["at"])
    operations.grant(member_ids=[payload["member_id"]], day=localdate(at), at=at)


def _begin(member_id: int, since: str) -> None:
    """Who joined long ago, by a file or a paper form, gets what is of today: no lapsed rights."""
    at = max(datetime.fromisoformat(since), timezone.now())
    operations.begin(member_id=member_id, day=localdate(at), at=at)


@events.subscribe("member.closed")
def end(payload: dict[str, Any]) -> None:
    operations.end_all(
        member_id=payload["member_id"], at=datetime.fromisoformat(payload["closed_at"])
    )


@events.subscribe("tier.upgraded")
def win_tier(payload: dict[str, Any]) -> None:
    """A tier may have been won by what became known later: what it gives, it gives from now on."""
    at = Decision.objects.get(pk=payload["decision_id"]).decided_at
    operations.win_tier(
        member_id=payload["member_id"],
        won_on=date.fromisoformat(payload["on"]),
        day=localdate(at),
        at=at,
    )


@events.subscribe("tier.downgraded")
def lose_tier(payload: dict[str, Any]) -> None:
    at = Decision.objects.get(pk=payload["decision_id"]).decided_at
    operations.lose_tier(member_id=payload["member_id"], day=localdate(at), at=at)


@events.subscribe("account.merged")
def have_once(payload: dict[str, Any]) -> None:
    _follow(payload)


@events.subscribe("account.unmerged")
def give_back(payload: dict[str, Any]) -> None:
    _follow(payload)


def _follow(payload: dict[str, Any]) -> None:
    at = datetime.fromisoformat(payload["at"])
    operations.follow_merge(
        member_id=payload["member_id"], into_id=payload["into_id"], at=at, day=localdate(at)
    )
