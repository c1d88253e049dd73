"""
E-mails over SMTP, and what the server's answer means for one.

The server answers the recipient, so what it says may name the address, which is sealed data: every
reason is told without it.
"""

import re
import smtplib
from contextlib import suppress

from django.conf import settings
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend

from members import masking
from messaging.channels.port import Away, NotNow, Outgoing, Refused

PERMANENT = 500


class Letters:
    """The connection to the mail server, for many e-mails one after the other."""

    at_once = 1

    def __init__(self) -> None:
        self._backend: BaseEmailBackend = mail.get_connection()

    def open(self) -> None:
        """Connect, unless we are."""
        try:
            self._backend.open()
        except OSError as error:
            raise Away(_reason(error)) from error

    def close(self) -> None:
        with suppress(OSError):
            self._backend.close()

    def send(self, outgoing: Outgoing) -> str:
        """The Message-ID of an e-mail, which is among its headers."""
        letter = mail.EmailMessage(
            subject=" ".join(outgoing.subject.split()),
            body=outgoing.body.rstrip() + "\n",
            # The envelope's sender; the reader sees the other.
            from_email=settings.EMAIL_RETURN_PATH,
            to=[outgoing.address],
            headers={"From": settings.DEFAULT_FROM_EMAIL, **outgoing.headers},
        )
        try:
            if not self._backend.send_messages([letter]):
                raise smtplib.SMTPException("not taken")
        except OSError as error:  # what smtplib raises is of this kind too
            address = re.compile(re.escape(outgoing.address), re.IGNORECASE)
            reason = address.sub(masking.email(outgoing.address), _reason(error))
            if _is_final(error):
                raise Refused(reason) from None
            self.close()
            raise NotNow(reason) from None
        except Exception:
            # Who knows what the server still expects to hear.
            self.close()
            raise
        return outgoing.headers["Message-ID"]


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
