"""A message made ready for one channel: whom it goes to, in which words."""

from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from common.fields import blind_index
from members.models import MemberStatus
from messaging import templates
from messaging.channels import Outgoing, Refused
from messaging.models import Delivery, Message, Problem
from programme import queries as programme


def compose(delivery: Delivery) -> Outgoing:
    """
    :param delivery: with `message` and its `member` selected
    :raises Refused: if its member cannot be reached any more
    """
    message = delivery.message
    if message.member.status == MemberStatus.CLOSED:
        raise Refused(Problem.MEMBERSHIP_ENDED)
    return _letter(message, first_attempt=delivery.attempts == 1)


def name_of(key: str) -> str:
    """What a message is called outside; it tells nothing of its key."""
    return blind_index(key, purpose="messaging.message_id").hex()[:32]


def _letter(message: Message, *, first_attempt: bool) -> Outgoing:
    if not message.member.email:
        raise Refused(Problem.NO_ADDRESS)
    # Members cannot choose a language for e-mails yet.
    with override(settings.LANGUAGE_CODE):
        text = templates.template(message.template).fill(message.variables)
        installed = programme.programme()
        inbox = settings.SITE_URL + reverse("messaging:inbox")
        foot = [_("All messages: %(address)s") % {"address": inbox}, str(installed or "")]
    name = name_of(message.key)
    return Outgoing(
        name=name,
        address=message.member.email,
        subject=text.subject,
        body="\n\n".join([text.body, *foot]),
        first_attempt=first_attempt,
        headers={
            # The same at every attempt: servers and readers see that it is one e-mail, if we died
            # before we could note that the first attempt had worked.
            "Message-ID": f"<{name}@{urlsplit(settings.SITE_URL).hostname}>",
            "Auto-Submitted": "auto-generated",
        },
    )
