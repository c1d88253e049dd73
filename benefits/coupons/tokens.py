"""
What the QR code of a coupon carries: which coupon, of which batch, good on which days; signed.

A till without a network checks it with the installation's public key, takes it and reports later.
The signature (Ed25519) says that we issued the coupon, not that it is still unused: the second use
is found when it is reported. Upper-case letters and digits only, as on a member's card.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import date
from functools import cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid

PREFIX = "CP1"
_COUPON, _BATCH, _DAY, _SIGNATURE = 6, 4, 3, 64
_TOLD = _COUPON + _BATCH + 2 * _DAY


class InvalidToken(Invalid):
    code = "invalid_coupon_token"
    message = _("This is no code of a coupon of ours.")


@dataclass(frozen=True, slots=True)
class Token:
    """Both days are good ones."""

    coupon_id: int
    batch_id: int
    first_on: date
    last_on: date


def write(token: Token) -> str:
    told = b"".join(
        (
            token.coupon_id.to_bytes(_COUPON),
            token.batch_id.to_bytes(_BATCH),
            token.first_on.toordinal().to_bytes(_DAY),
            token.last_on.toordinal().to_bytes(_DAY),
        )
    )
    return PREFIX + base64.b32encode(told + _key().sign(_signed(told))).decode().rstrip("=")


def is_one(text: str) -> bool:
    """Whether it looks like a token rather than a code."""
    return len(text) > len(PREFIX) + _SIGNATURE and text.strip().upper().startswith(PREFIX)


def read(text: str) -> Token:
    """:raises InvalidToken: if we did not sign it"""
    encoded = text.strip().upper().removeprefix(PREFIX)
    try:
        content = base64.b32decode(encoded + "=" * (-len(encoded) % 8))
    except (binascii.Error, ValueError) as error:
        raise InvalidToken from error
    told, signature = content[:_TOLD], content[_TOLD:]
    try:
        _key().public_key().verify(signature, _signed(told))
    except InvalidSignature as error:
        raise InvalidToken from error
    days = [
        date.fromordinal(int.from_bytes(told[start : start + _DAY]))
        for start in (_COUPON + _BATCH, _COUPON + _BATCH + _DAY)
    ]
    coupon_id = int.from_bytes(told[:_COUPON])
    return Token(coupon_id, int.from_bytes(told[_COUPON : _COUPON + _BATCH]), *days)


def public_key() -> bytes:
    """The 32 bytes with which tills check tokens."""
    return _key().public_key().public_bytes_raw()


def key_id() -> str:
    """Says to a till that the key is another one now."""
    return hashlib.sha256(public_key()).hexdigest()[:8]


def _signed(told: bytes) -> bytes:
    return PREFIX.encode() + told


def _key() -> Ed25519PrivateKey:
    return _key_of(settings.SECRET_KEY)


@cache
def _key_of(secret: str) -> Ed25519PrivateKey:
    """Made of SECRET_KEY, so that an installation needs no further secret."""
    seed = salted_hmac("benefits.coupons.tokens", b"", secret=secret, algorithm="sha256").digest()
    return Ed25519PrivateKey.from_private_bytes(seed)
