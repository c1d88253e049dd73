"""
Wrong codes are counted, for each client, store and member: too many, and nothing is answered.

The codes are too long to be guessed; counting keeps people from trying, and tells of it. So tills
go on without Redis, as with their rate of calls.

A process that saw room somewhere need not look again for a moment, until it meets a wrong code
itself: so each process lets one wrong code more pass than there may be, and right ones cost Redis
next to nothing.
"""

import logging
import time

from benefits.operations._steps import Who
from common import limits
from common.limits import Unavailable

logger = logging.getLogger(__name__)

SECONDS = 600
PER_CLIENT, PER_STORE, PER_MEMBER = 100, 30, 10
TRUST_SECONDS = 1.0
PLACES_MAX = 10_000

# From where, and until when nothing need be looked up.
_trusted: dict[tuple[int | None, int | None, int | None], float] = {}


def require_patience(who: Who, *, member_id: int | None = None) -> None:
    """:raises common.limits.TooMany: if too many wrong codes came from there"""
    place = (who.client_id, who.store_id, member_id)
    if time.monotonic() < _trusted.get(place, 0.0):
        return
    try:
        limits.require_left(_names(who, member_id))
    except Unavailable:
        logger.warning("Redis does not answer, wrong codes of coupons are not counted")
        return
    if len(_trusted) >= PLACES_MAX:
        _trusted.clear()
    _trusted[place] = time.monotonic() + TRUST_SECONDS


def count(who: Who, *, member_id: int | None = None) -> None:
    """Note that a code was wrong."""
    forget_cached()
    try:
        limits.note(_names(who, member_id), seconds=SECONDS)
    except Unavailable:
        logger.warning("Redis does not answer, wrong codes of coupons are not counted")


def forget_cached() -> None:
    """Look anew: after a wrong code, and between tests."""
    _trusted.clear()


def _names(who: Who, member_id: int | None) -> dict[str, int]:
    """By what is counted: how many there may be."""
    found = {
        f"wrong-coupons:client:{who.client_id}": PER_CLIENT if who.client_id else 0,
        f"wrong-coupons:store:{who.store_id}": PER_STORE if who.store_id else 0,
        f"wrong-coupons:member:{member_id}": PER_MEMBER if member_id else 0,
    }
    return {name: most for name, most in found.items() if most}
