"""Questions about what was said and sent."""

import redis
from django.db.models import QuerySet

from common import limits
from messaging import challenges, models
from messaging.channels import sms
from messaging.models import (
    REFUSABLE,
    Channel,
    Choice,
    Delivery,
    DeliveryState,
    Follower,
    Message,
    Purpose,
    Reader,
    SandboxCode,
    Wording,
)

# A badge tells no more than “99+”.
UNREAD_COUNTED = 100


def inbox(member_id: int, *, before: int | None = None) -> QuerySet[Message]:
    """
    What was said to a member, newest first.

    :param before: only messages older than the one with this id
    """
    messages = Message.objects.filter(member_id=member_id)
    if before is not None:
        messages = messages.filter(pk__lt=before)
    return messages.order_by("-pk")


def unread_count(member_id: int) -> int:
    """How many messages a member has not read, counted up to UNREAD_COUNTED."""
    return Message.objects.filter(member_id=member_id, read_at=None)[:UNREAD_COUNTED].count()


def failed_deliveries() -> QuerySet[Delivery]:
    """What was refused or given up."""
    return Delivery.objects.filter(state__in=[DeliveryState.FAILED, DeliveryState.DEAD])


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


# What members may choose about.
CHOSEN = [(purpose, channel) for purpose in models.CHOSEN for channel in REFUSABLE]


def choices(member_id: int) -> dict[tuple[Purpose, Channel], bool]:
    """Where a member wants to hear what, by purpose and channel; unasked as `goes_unasked`."""
    made = Choice.objects.filter(member_id=member_id).order_by("pk")
    latest = {
        (purpose, channel): is_wanted
        for purpose, channel, is_wanted in made.values_list("purpose", "channel", "is_wanted")
    }
    return {pair: latest.get(pair, goes_unasked(pair[0])) for pair in CHOSEN}


def goes_unasked(purpose: Purpose) -> bool:
    """Whether messages leave the house for a member who has chosen nothing."""
    return purpose not in models.ASKED_FOR


def reader(member_id: int) -> Reader:
    """How a member reads; where nothing was chosen, empty."""
    return Reader.objects.filter(pk=member_id).first() or Reader(pk=member_id)


def follower(member_id: int) -> Follower | None:
    """As whom WeChat tells a member something; None: nobody was bound."""
    return Follower.objects.filter(pk=member_id).first()


def can_text(template: str) -> bool:
    """Whether there is a provider of text messages, and words for a template it approved."""
    worded = Wording.objects.filter(template=template, channel=Channel.SMS)
    return sms.provider() is not None and worded.exists()
