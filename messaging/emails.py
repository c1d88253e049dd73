"""
One e-mail over SMTP, and what the server's answer means for it.

The server answers the recipient, so what it says may name the address, which is sealed data: every
reason is told without it.
"""

import re
import smtplib
from contextlib import suppress
from urllib.parse import urlsplit

from django.conf import settings
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from common.fields import blind_index
from members import masking
from members.models import MemberStatus
from messaging import templates
from messaging.models import Message, Problem
from programme import queries as programme

PERMANENT = 500


class NoConnection(Exception):
    """The mail server cannot be reached or does not let us in. No message is at fault."""


class Refused(Exception):
    """This e-mail will never be taken."""


class NotNow(Exception):
    """This e-mail was not taken, or we do not know; it may be the next time."""


class Mailbox:
    """The connection to the mail server, for many e-mails one after the other."""

    def __init__(self) -> None:
        self._backend: BaseEmailBackend = mail.get_connection()

    def open(self) -> None:
        """
        Connect, unless we are.

        :raises NoConnection: if that fails
        """
        try:
            self._backend.open()
        except OSError as error:
            raise NoConnection(_reason(error)) from error

    def close(self) -> None:
        with suppress(OSError):
            self._backend.close()

    def put(self, letter: mail.EmailMessage) -> None:
        """:raises OSError: of smtplib's kinds, if it is not taken"""
        if not self._backend.send_messages([letter]):
            raise smtplib.SMTPException("not taken")


def send(message: Message, mailbox: Mailbox) -> str:
    """
    Send a message to its member's address and return the Message-ID.

    :param message: with `member` selected
    :raises Refused: :raises NotNow: see there
    """
    member = message.member
    if not member.email:
        raise Refused(Problem.NO_ADDRESS)
    if member.status == MemberStatus.CLOSED:
        raise Refused(Problem.MEMBERSHIP_ENDED)
    letter = _letter(message, member.email)
    try:
        mailbox.put(letter)
    except OSError as error:  # what smtplib raises is of this kind too
        address = re.compile(re.escape(member.email), re.IGNORECASE)
        reason = address.sub(masking.email(member.email), _reason(error))
        raise (Refused if _is_final(error) else NotNow)(reason) from None
    return letter.extra_headers["Message-ID"]


def _letter(message: Message, address: str) -> mail.EmailMessage:
    # Members cannot choose a language for e-mails yet.
    with override(settings.LANGUAGE_CODE):
        text = templates.template(message.template).fill(message.variables)
        installed = programme.programme()
        body = "\n\n".join(
            [
                text.body,
                _("All messages: %(address)s")
                % {"address": settings.SITE_URL + reverse("messaging:inbox")},
                str(installed or ""),
            ]
        )
    return mail.EmailMessage(
        subject=" ".join(text.subject.split()),
        body=body.rstrip() + "\n",
        to=[address],
        headers={
            # The same at every attempt: servers and readers see that it is one e-mail, if we died
            # before we could note that the first attempt had worked.
            "Message-ID": f"<{_name(message.key)}@{urlsplit(settings.SITE_URL).hostname}>",
            "Auto-Submitted": "auto-generated",
        },
    )


def _name(key: str) -> str:
    return blind_index(key, purpose="messaging.message_id").hex()[:32]


def _is_final(error: OSError) -> bool:
    """Whether the server will not take this e-mail, however often it is asked."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= PERMANENT for code, _said in error.recipients.values())
    # Not a sender who is refused: that is our settings' fault, not this e-mail's.
    return isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= PERMANENT


def _reason(error: OSError) -> str:
    """What went wrong, in the server's words if it said any."""
    said: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        [(code, said)] = error.recipients.values()
    elif isinstance(error, smtplib.SMTPResponseException):
        code, said = error.smtp_code, error.smtp_error
    else:
        return f"{type(error).__name__}: {error}"
    return f"{code} {said.decode(errors='replace') if isinstance(said, bytes) else said}"
