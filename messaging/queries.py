"""Questions about what was sent."""

import redis
from django.db.models import QuerySet

from common import limits
from messaging import challenges
from messaging.models import SandboxCode


def phone_asked(challenge: str) -> str:
    """
    The phone a challenge went to; empty when the challenge is over.

    :raises limits.Unavailable: without Redis
    """
    try:
        return challenges.phone_of(challenge)
    except redis.RedisError as error:
        raise limits.Unavailable from error


def latest_sandbox_codes(limit: int) -> QuerySet[SandboxCode]:
    """What would have gone out by SMS, newest first."""
    return SandboxCode.objects.order_by("-sent_at", "-pk")[:limit]
