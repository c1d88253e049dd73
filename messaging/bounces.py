"""
What mail servers tell afterwards of an e-mail they took: a delivery status notification (RFC 3464)
in a letter of its own to the sender's mailbox. It says for each recipient what became of the
e-mail, and returns its headers, whose Message-ID leads back to the delivery.
"""

import email
import email.policy
import re
from email.message import EmailMessage, Message
from typing import Any, cast

from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from messaging.receipts import Receipt

# More than a notification with the headers, or the whole, of one of our e-mails ever has.
BYTES_MAX = 1_000_000
ADDRESS = re.compile(r"[^\s<>@:;\"']+@[^\s<>@:;\"']+")
# What became of it, as far as it is final: "delayed" is not, and of "relayed" and "expanded" nobody
# will hear more.
FINAL = {"failed": False, "delivered": True}


class NotABounce(Invalid):
    code = "not_a_bounce"
    message = _("This letter does not tell what became of an e-mail.")


def read(letter: bytes) -> list[Receipt]:
    """
    What a notification says of one of our e-mails: nothing while the servers still try.

    :param letter: as it came, with its headers
    :raises NotABounce: if it is another kind of letter, or does not say which e-mail it is about
    """
    if len(letter) > BYTES_MAX:
        raise NotABounce
    told = email.message_from_bytes(letter, policy=email.policy.default)
    parts = {part.get_content_type(): part for part in told.walk()}
    if "message/delivery-status" not in parts:
        raise NotABounce
    name = _name(parts)
    for fields in _recipients(parts["message/delivery-status"]):
        action = str(fields.get("Action", "")).strip().lower()
        if action in FINAL:
            # We send to one recipient each: the first word is the last.
            return [Receipt(name, "", "" if FINAL[action] else _why(fields))]
    return []


def _recipients(part: Message) -> list[Message]:
    """The groups of fields of a status, without the first: that tells of the server."""
    groups = part.get_payload()
    return cast("list[Message]", groups[1:]) if isinstance(groups, list) else []


def _name(parts: dict[str, EmailMessage]) -> str:
    """Our name for the delivery: what stands before the @ of the returned Message-ID."""
    if "message/rfc822" in parts:
        returned: Any = parts["message/rfc822"].get_payload(0)
    elif "text/rfc822-headers" in parts:
        returned = email.message_from_string(parts["text/rfc822-headers"].get_content())
    else:
        raise NotABounce
    found = re.search(r"<([^@<>\s]+)@", str(returned.get("Message-ID", "")))
    if found is None:
        raise NotABounce
    return found[1]


def _why(fields: Message) -> str:
    """Status and the server's words. They may name the address, which is sealed data."""
    words = " ".join(str(fields.get("Diagnostic-Code", "")).split())
    return ADDRESS.sub("***", f"{fields.get('Status', '')} {words}".strip() or "failed")
