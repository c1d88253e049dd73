"""
Wrong codes are counted, for each client, store and member: too many, and nothing is answered.

The codes are too long to be guessed; counting keeps people from trying, and tells of it. So tills
go on without Redis, as with their rate of calls.
"""

import logging

from benefits.operations._steps import Who
from common import limits
from common.limits import Unavailable

logger = logging.getLogger(__name__)

SECONDS = 600
PER_CLIENT, PER_STORE, PER_MEMBER = 100, 30, 10


def require_patience(who: Who, *, member_id: int | None = None) -> None:
    """:raises common.limits.TooMany: if too many wrong codes came from there"""
    try:
        limits.require_left(_names(who, member_id))
    except Unavailable:
        logger.warning("Redis does not answer, wrong codes of coupons are not counted")


def count(who: Who, *, member_id: int | None = None) -> None:
    """Note that a code was wrong."""
    try:
        limits.note(_names(who, member_id), seconds=SECONDS)
    except Unavailable:
        logger.warning("Redis does not answer, wrong codes of coupons are not counted")


def _names(who: Who, member_id: int | None) -> dict[str, int]:
    """By what is counted: how many there may be."""
    found = {
        f"wrong-coupons:client:{who.client_id}": PER_CLIENT if who.client_id else 0,
        f"wrong-coupons:store:{who.store_id}": PER_STORE if who.store_id else 0,
        f"wrong-coupons:member:{member_id}": PER_MEMBER if member_id else 0,
    }
    return {name: most for name, most in found.items() if most}
