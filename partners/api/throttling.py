"""
How often a client may ask: so many requests in a window of time, over all processes.

Requests are counted before they are answered. So that a till's request does not wait for Redis each
time, a process takes a hundredth of the limit at once and hands it out by itself; what it does not
use by the end of the window lapses. Together the processes never hand out more than the limit.

Without Redis nothing is limited: members at a till matter more (docs/api.md).
"""

import logging
import math
import time
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

import redis
from django.conf import settings
from rest_framework.throttling import BaseThrottle

from common import limits
from partners.api.authentication import Caller

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)

SHARE = 100
TIMEOUT_SECONDS = 0.25
# How long a process leaves Redis alone after it did not answer.
PAUSE_SECONDS = 5.0
SECONDS = {"sec": 1, "min": 60, "hour": 3600}


@dataclass(slots=True)
class _Allotment:
    """What this process may still hand out of a window, and what the others have not taken."""

    window: int = -1
    own: int = 0
    rest: int = 0


class ClientThrottle(BaseThrottle):
    """The rate of API_RATE, such as `6000/min`, for each client."""

    _allotments: dict[int, _Allotment] = {}
    _lock = Lock()
    _paused_until = 0.0

    def allow_request(self, request: "Request", view: "APIView", calls: int = 1) -> bool:
        """Count a request, or one that does the work of several as so many: all of them or none."""
        caller = request.auth
        if not isinstance(caller, Caller):
            return True
        limit, seconds = rate()
        now = time.time()
        window = int(now // seconds)
        self.left_seconds = seconds - now % seconds
        with self._lock:
            allotment = self._allotments.setdefault(caller.client_id, _Allotment())
            if allotment.window != window:
                allotment.window, allotment.own, allotment.rest = window, 0, limit
            missing = calls - allotment.own
            if missing > 0 and allotment.rest > 0:
                self._take(allotment, caller.client_id, limit, seconds, missing)
            allowed = allotment.own >= calls
            allotment.own -= calls if allowed else 0
            left = allotment.own + allotment.rest
        view.headers |= {
            "RateLimit-Policy": f'"client";q={limit};w={seconds}',
            "RateLimit": f'"client";r={left};t={math.ceil(self.left_seconds)}',
        }
        return allowed

    def wait(self) -> float:
        return self.left_seconds

    def _take(
        self, allotment: _Allotment, client_id: int, limit: int, seconds: int, missing: int
    ) -> None:
        share = max(1, limit // SHARE, missing)
        if time.monotonic() < ClientThrottle._paused_until:
            allotment.own += share
            return
        key = f"api-rate:{client_id}:{seconds}:{allotment.window}"
        try:
            with connection().pipeline(transaction=False) as pipe:
                pipe.incrby(key, share)
                pipe.expire(key, 2 * seconds)
                taken, _ = pipe.execute()
        except redis.RedisError as error:
            logger.warning("Redis does not answer, clients are not limited: %s", error)
            ClientThrottle._paused_until = time.monotonic() + PAUSE_SECONDS
            allotment.own += share
            return
        allotment.own += max(0, min(share, limit - (taken - share)))
        allotment.rest = max(0, limit - taken)


def forget_counted() -> None:
    """Begin anew in this process."""
    ClientThrottle._allotments.clear()
    ClientThrottle._paused_until = 0.0
    rate.cache_clear()


@cache
def rate() -> tuple[int, int]:
    count, _, unit = settings.API_RATE.partition("/")
    return int(count), SECONDS[unit]


@cache
def connection() -> redis.Redis:
    # No second try: the pause above is the patience we have.
    return limits.connect(settings.REDIS_URL, timeout_seconds=TIMEOUT_SECONDS, retries=0)
