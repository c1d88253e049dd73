"""The link by which e-mails of a kind are stopped: signed, so that nobody stops another's."""

from django.core import signing
from django.utils.translation import gettext_lazy as _

from common.errors import NotFound
from messaging.models import Channel, Purpose

_SALT = "messaging.stopping"


class UnknownLink(NotFound):
    code = "unknown_link"
    message = _("This link is not ours, or not whole.")


def token(*, number: str, purpose: Purpose, channel: Channel) -> str:
    """:param number: the member's, whom the e-mail with the link goes to"""
    return signing.dumps([number, purpose.value, channel.value], salt=_SALT)


def read(token: str) -> tuple[str, Purpose, Channel]:
    """
    The member's number, the purpose and the channel. Links do not grow old: e-mails are kept.

    :raises UnknownLink: if we did not make it
    """
    try:
        number, purpose, channel = signing.loads(token, salt=_SALT)
    except signing.BadSignature as error:
        raise UnknownLink from error
    return number, Purpose(purpose), Channel(channel)
