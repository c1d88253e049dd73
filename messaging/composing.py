"""A message made ready for one channel: whom it goes to, in which words."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from common.fields import blind_index
from members.models import MemberStatus
from messaging import stopping, templates, wordings
from messaging.channels import Outgoing, Refused
from messaging.models import Channel, Delivery, Follower, Message, Problem, Purpose, Reader, Wording
from messaging.templates import Text
from messaging.wordings import Wordings
from programme import queries as programme

SECRET_DIGITS = 16


def compose(delivery: Delivery, worded: Wordings) -> Outgoing:
    """
    :param delivery: with `message`, its `member` and the member's `follower` selected
    :param worded: the wordings of its channel
    :raises Refused: if its member cannot be reached any more, or nobody words it now
    """
    message, channel = delivery.message, Channel(delivery.channel)
    has_ended = message.member.status == MemberStatus.CLOSED
    if has_ended and not templates.template(message.template).to_ended:
        raise Refused(Problem.MEMBERSHIP_ENDED)
    language = _language(message)
    with override(language):
        outgoing = _composed(message, channel, wordings.chosen(worded, message.template, language))
    # Staff may have had it tried from the start again: then its last error still stands there.
    first_attempt = delivery.attempts == 1 and not delivery.error
    return replace(outgoing, name=outside_name(delivery), first_attempt=first_attempt)


def sample(wording: Wording, address: str, *, name: str) -> Outgoing:
    """What a member would get, with values that nobody takes for real ones."""
    with override(wording.language):
        shown = templates.template(wording.template).samples()
        if wording.channel == Channel.EMAIL:
            return _letter(_filled(wording, shown), address, name)
        return _approved(wording, shown, address, name)


def preview(wording: Wording) -> Text:
    with override(wording.language):
        return _filled(wording, templates.template(wording.template).samples())


def name_of(key: str) -> str:
    """What a message is called outside; it tells nothing of its key."""
    return blind_index(key, purpose="messaging.message_id").hex()[:32]


def outside_name(delivery: Delivery) -> str:
    """
    What a delivery is called outside, at every attempt: a receipt leads back by it.

    Its second half cannot be guessed, and keeps two installations with one account apart.
    """
    return f"{delivery.pk}-{name_of(delivery.message.key)[:SECRET_DIGITS]}"


def _language(message: Message) -> str:
    try:
        return message.member.reader.language or settings.LANGUAGE_CODE
    except Reader.DoesNotExist:
        return settings.LANGUAGE_CODE


def _composed(message: Message, channel: Channel, wording: Wording | None) -> Outgoing:
    template, name = templates.template(message.template), name_of(message.key)
    if channel == Channel.WEBHOOK:
        return _event(message, template.fill(message.variables))
    address = _address(message, channel)
    if not address:
        raise Refused(Problem.NO_ADDRESS)
    shown = template.show(message.variables)
    if channel == Channel.EMAIL:
        text = _filled(wording, shown) if wording else template.put_in(shown)
        stop = _stop_link(message, template.purpose)
        return _letter(text, address, name, stop=stop, page=_page(message))
    if wording is None:
        raise Refused(Problem.NO_WORDING)
    return _approved(wording, shown, address, name, page=_page(message))


def _address(message: Message, channel: Channel) -> str:
    member = message.member
    if channel == Channel.EMAIL:
        return member.email
    if channel == Channel.SMS:
        return member.phone
    try:
        return member.follower.openid
    except Follower.DoesNotExist:
        return ""


def _filled(wording: Wording, shown: Mapping[str, Any]) -> Text:
    return Text(wordings.fill(wording.subject, shown), wordings.fill(wording.body, shown))


def _page(message: Message) -> str:
    """The address of the page it is about; empty: none."""
    path = templates.page_of(message.template, message.variables)
    return settings.SITE_URL + path if path else ""


def _stop_link(message: Message, purpose: Purpose) -> str:
    """Where e-mails of this kind end with one click; security has no end."""
    if purpose == Purpose.SECURITY:
        return ""
    token = stopping.token(number=message.member.number, purpose=purpose, channel=Channel.EMAIL)
    return settings.SITE_URL + reverse("messaging:stop", args=[token])


def _letter(text: Text, address: str, name: str, *, stop: str = "", page: str = "") -> Outgoing:
    inbox = settings.SITE_URL + reverse("messaging:inbox")
    foot = [_("All messages: %(address)s") % {"address": inbox}, str(programme.programme() or "")]
    headers = {}
    if stop:
        foot.insert(1, _("No more e-mails of this kind: %(address)s") % {"address": stop})
        # RFC 8058: the mail program asks with a POST; to look at the link stops nothing.
        headers = {
            "List-Unsubscribe": f"<{stop}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    return Outgoing(
        name=name,
        address=address,
        subject=text.subject,
        body="\n\n".join(filter(None, [text.body, page, *foot])),
        headers=headers
        | {
            # The same at every attempt: servers and readers see that it is one e-mail, if we died
            # before we could note that the first attempt had worked.
            "Message-ID": f"<{name}@{urlsplit(settings.SITE_URL).hostname}>",
            "Auto-Submitted": "auto-generated",
        },
    )


def _approved(
    wording: Wording, shown: Mapping[str, Any], address: str, name: str, *, page: str = ""
) -> Outgoing:
    return Outgoing(
        name=name,
        address=address,
        provider_template=wording.provider_template,
        parameters=wordings.parameters(wording, shown),
        headers={"url": page or settings.SITE_URL + reverse("messaging:inbox")},
    )


def _event(message: Message, text: Text) -> Outgoing:
    """What the brand's own system is told: enough to show it in an app, nobody's name or phone."""
    return Outgoing(
        name=name_of(message.key),
        parameters={
            "type": "message.created",
            "timestamp": message.created_at.isoformat(),
            "data": {
                "member": message.member.number,
                "template": message.template,
                "variables": message.variables,
                "subject": text.subject,
                "body": text.body,
            },
        },
    )
