"""
The code on a member's card: whose it is and when it was made, signed.

A till scans it instead of typing a phone. Whoever looks over a shoulder or keeps a picture of it
has a code that is soon of no use; nobody can make one without our key. It stands by itself: nothing
of it is stored, so showing it costs no write and reading it needs nothing but the member.

It is upper-case letters and digits only: the QR code stays small, and a scanner that types what it
reads gets it right whatever the keyboard's language is.
"""

import base64
import binascii
import hmac
import os
from datetime import UTC, datetime, timedelta

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError, Invalid

# Minutes rather than seconds: a phone that loses the network in the shop still has a good one.
GOOD_FOR = timedelta(minutes=5)
# The page shows a new one as often.
RENEWED_AFTER = timedelta(minutes=1)
# How far the clocks of two of our machines may differ.
SKEW = timedelta(seconds=30)

# Says to a scanner that it is one of ours, and of which form.
PREFIX = "MC1"
_ID, _SECONDS, _NONCE, _MAC = 6, 5, 8, 16
LENGTH = len(PREFIX) + (_ID + _SECONDS + _NONCE + _MAC) * 8 // 5


class InvalidCard(Invalid):
    code = "invalid_card"
    message = _("This is no code of a member's card.")


class CardExpired(DomainError):
    code = "card_expired"
    message = _("This code is out of date. Ask the member to show a new one.")


def code(member_id: int, *, at: datetime) -> str:
    """Make a code of a member's card; each is another one."""
    seconds = int(at.timestamp())
    told = member_id.to_bytes(_ID) + seconds.to_bytes(_SECONDS) + os.urandom(_NONCE)
    return PREFIX + base64.b32encode(told + _mac(told)).decode()


def read(text: str, *, at: datetime) -> int:
    """
    Return the id of the member whose card it is.

    :raises InvalidCard: if we did not make it
    :raises CardExpired: if that was longer ago than GOOD_FOR
    """
    text = text.strip().upper()
    if len(text) != LENGTH or not text.startswith(PREFIX):
        raise InvalidCard
    try:
        content = base64.b32decode(text.removeprefix(PREFIX))
    except (binascii.Error, ValueError) as error:
        raise InvalidCard from error
    told, mac = content[:-_MAC], content[-_MAC:]
    if not hmac.compare_digest(mac, _mac(told)):
        raise InvalidCard
    made_at = datetime.fromtimestamp(int.from_bytes(told[_ID : _ID + _SECONDS]), UTC)
    if made_at > at + SKEW:
        raise InvalidCard
    if at >= made_at + GOOD_FOR:
        raise CardExpired
    return int.from_bytes(told[:_ID])


def _mac(told: bytes) -> bytes:
    """Under a key of SECRET_KEY that signs nothing else."""
    return salted_hmac("members.cards", told, algorithm="sha256").digest()[:_MAC]
