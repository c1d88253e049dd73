"""What this room knows of a person: what of it a member is handed, and what goes with them."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from common import personal
from common.personal import Blank
from messaging import queries, wordings
from messaging.models import Choice, Follower, Problem, Reader

OUR_WORDS = ", ".join(f"'{each.value}'" for each in Problem)

personal.table("messaging_message", blank={"variables": "'{}'"}, keeps=["template", "key"])
personal.table(
    "messaging_delivery",
    of="message_id IN (SELECT id FROM messaging_message WHERE member_id = ANY(%(members)s))",
    # Servers answer with the address they refused.
    blank={"error": Blank("''", f"error IN ('', {OUR_WORDS})"), "provider_id": "''"},
    keeps=["channel", "state"],
)
personal.table("messaging_follower")
personal.table("messaging_reader")
personal.stays(
    "messaging_choice", why="What a member number refused or agreed to hear: the proof of it."
)


@personal.section(
    "messaging.messages",
    order=40,
    title=_("Messages"),
    labels={
        "at": _("when"),
        "subject": _("subject"),
        "text": _("text"),
        "read_at": _("read at"),
        "deliveries": _("deliveries"),
    },
    tables=["messaging_message", "messaging_delivery"],
)
def messages(member_id: int) -> list[dict[str, Any]]:
    told = []
    found = list(queries.inbox(member_id).prefetch_related("deliveries"))
    texts = wordings.in_the_inbox(found)
    for message in found:
        text = texts[message.pk]
        ways = [
            f"{each.get_channel_display()}: {each.get_state_display()}"
            for each in sorted(message.deliveries.all(), key=lambda one: one.pk)
        ]
        told.append(
            {
                "at": message.created_at,
                "subject": text.subject,
                "text": text.body,
                "read_at": message.read_at,
                "deliveries": ways,
            }
        )
    return told


@personal.section(
    "messaging.choices",
    order=42,
    title=_("Where I want to hear what"),
    labels={
        "at": _("when"),
        "purpose": _("purpose"),
        "channel": _("channel"),
        "wanted": _("is wanted"),
        "source": _("source"),
    },
    tables=["messaging_choice"],
)
def choices(member_id: int) -> list[dict[str, Any]]:
    return [
        {
            "at": choice.made_at,
            "purpose": choice.get_purpose_display(),
            "channel": choice.get_channel_display(),
            "wanted": choice.is_wanted,
            "source": choice.get_source_display(),
        }
        for choice in Choice.objects.filter(member_id=member_id).order_by("-pk")
    ]


@personal.section(
    "messaging.reading",
    order=44,
    title=_("How messages reach me"),
    labels={
        "language": _("language"),
        "time_zone": _("time zone"),
        "wechat": _("WeChat openid"),
        "bound_at": _("bound at"),
    },
    tables=["messaging_reader", "messaging_follower"],
)
def reading(member_id: int) -> Mapping[str, Any]:
    reader = Reader.objects.filter(member_id=member_id).first()
    follower = Follower.objects.filter(member_id=member_id).first()
    return {
        "language": reader.get_language_display() if reader else "",
        "time_zone": reader.time_zone if reader else "",
        "wechat": follower.openid if follower else "",
        "bound_at": follower.bound_at if follower else None,
    }
