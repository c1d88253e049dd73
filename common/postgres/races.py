"""Transactions that lost a race for locks: the same work may succeed a moment later."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)

ATTEMPTS_MAX = 6
FIRST_PAUSE_SECONDS = 0.05

# PostgreSQL's codes for: deadlock, serialization failure, lock not got in time.
LOST = {"40P01", "40001", "55P03"}


def was_lost(error: Exception) -> bool:
    """Whether the database undid a transaction because of others, not for what it did."""
    return getattr(error.__cause__, "pgcode", None) in LOST


def until_won(
    work: Callable[[], T],
    *,
    lost: Callable[[Exception], bool] = was_lost,
    until: float | None = None,
) -> T:
    """
    Do a piece of work that is a transaction of its own; again, if it lost a race, after a pause.

    :param lost: which errors are worth another try
    :param until: begin no other try after this moment of `time.monotonic`
    :raises Exception: what the last try raised
    """
    for attempt in range(1, ATTEMPTS_MAX):
        try:
            return work()
        except Exception as error:
            pause = FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
            if not lost(error) or (until is not None and time.monotonic() + pause > until):
                raise
            logger.warning("A transaction is tried again: %s", error)
            time.sleep(pause)
    return work()
