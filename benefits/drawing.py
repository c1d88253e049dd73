"""
The recipe of a draw: which prize a number wins. Pure arithmetic that anybody can repeat from the
revealed seed; docs/draws.md has the same in a few lines that need nothing of ours.
"""

import hashlib
import hmac
from collections.abc import Sequence
from itertools import count

PARTS = 1_000_000
# Of 64 bits, what is above the last whole multiple of PARTS would favor small results.
FAIR_BELOW = 2**64 - 2**64 % PARTS


def commitment(seed: str) -> str:
    """What is published of a seed before anybody draws: SHA-256, in hexadecimal."""
    return hashlib.sha256(seed.encode()).hexdigest()


def result(seed: str, code: str, number: int) -> int:
    """
    What the nth draw came to: 0 … 999,999, each as likely as any other.

    It depends on the seed, the code and the number, and on nothing about who draws.
    """
    for attempt in count():
        told = f"{code}:{number}:{attempt}".encode()
        digest = hmac.digest(seed.encode(), told, "sha256")
        value = int.from_bytes(digest[:8], "big")
        if value < FAIR_BELOW:
            return value % PARTS
    raise AssertionError  # the loop has no end


def level(result: int, odds: Sequence[int]) -> int | None:
    """Which prize level a result hits, by the odds of each in parts of a million; None: none."""
    upper = 0
    for nth, parts in enumerate(odds):
        upper += parts
        if result < upper:
            return nth
    return None


def given(hit: int | None, left: Sequence[int], consolation: int | None) -> int | None:
    """
    Which prize level is given for the one that was hit: that one while there are any, then the
    consolation while there are any, then none. Who hit none gets none.

    :param left: how many of each level are left
    """
    if hit is None:
        return None
    if left[hit]:
        return hit
    return consolation if consolation is not None and left[consolation] else None
