"""
Codes of coupons: made, read as people type them, and hashed.

A code of ours is fifteen random characters of an alphabet of 32, 75 bits, and a check character.
The check is the hybrid system of ISO 7064 (MOD M+1,M; there MOD 11,10, 27,26 and 37,36) with
M = 32: it finds every wrong character and nearly every swap of two neighbors, so that a slip of the
finger is told from a code that does not exist. A partner's codes are as the partner made them.

The database holds only a keyed hash. Who steals it cannot tell a code from it, nor, lacking the
key, try codes against it.
"""

import base64
import hashlib
import os
from collections.abc import Sequence

from common.fields import blind_index

# Crockford's: without I, L, O and U, which people read as something else.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM = 15
LENGTH = RANDOM + 1
# Of a partner's code.
LENGTH_MAX = 64

_M = len(ALPHABET)
_RAW_BYTES = 10
_VALUE = {character: value for value, character in enumerate(ALPHABET)}
_FROM_BASE32 = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", ALPHABET.encode())
# What people type, wide characters and blanks included, as it was printed.
_TYPED = str.maketrans({"O": "0", "I": "1", "L": "1"})
_DIGEST_BYTES = 16


def _step(product: int, value: int) -> int:
    return ((product + value) % _M or _M) * 2 % (_M + 1)


# By what was reached and the next character's byte: a million codes are made in one go.
_STEPS = [
    [_step(product, _VALUE.get(chr(byte), 0)) for byte in range(128)] for product in range(_M + 1)
]


def make(count: int) -> list[str]:
    """Make so many codes of the system's random numbers."""
    raw = os.urandom(_RAW_BYTES * count)
    encoded = base64.b32encode(raw).translate(_FROM_BASE32)
    wide = _RAW_BYTES * 8 // 5
    parts = (encoded[start : start + RANDOM] for start in range(0, wide * count, wide))
    return [part.decode() + _check(part) for part in parts]


def _check(payload: bytes) -> str:
    product = _M
    for byte in payload:
        product = _STEPS[product][byte]
    return ALPHABET[(1 - product) % _M]


def is_ours(code: str) -> bool:
    """Whether it has the form of a code of ours, and its check character fits."""
    if len(code) != LENGTH or not all(character in _VALUE for character in code):
        return False
    return _check(code[:RANDOM].encode()) == code[RANDOM]


def read(typed: str) -> str:
    """
    A code as it is kept, of what was typed or scanned: blanks, dashes and small letters do not
    matter. What is none of ours is a partner's, in which O and 0 may be two things.
    """
    code = "".join(typed.split()).upper()
    ours = code.replace("-", "").translate(_TYPED)
    return ours if is_ours(ours) else code


def shown(code: str) -> str:
    """In groups of four, if it is ours."""
    if not is_ours(code):
        return code
    return "-".join(code[start : start + 4] for start in range(0, LENGTH, 4))


def digest(code: str) -> bytes:
    """The keyed hash by which a code is found."""
    return digests([code])[0]


def digests(codes: Sequence[str]) -> list[bytes]:
    # One key made of the installation's; the MAC of a million is then a matter of a second.
    key = blind_index("key", purpose="benefits.coupons")
    return [
        hashlib.blake2b(code.encode(), key=key, digest_size=_DIGEST_BYTES).digest()
        for code in codes
    ]
