"""
Limits that all processes share: so many uses of a name in a window of time.

Each use is counted before it is judged, in one Redis transaction, so a hundred at the same instant
are a hundred. Without Redis nothing passes: what is limited here is what guessers would try.
"""

from collections.abc import Iterable, Mapping
from functools import cache

import redis
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from redis.backoff import NoBackoff
from redis.retry import Retry

from common.errors import DomainError

TIMEOUT_SECONDS = 2


class TooMany(DomainError):
    code = "too_many"
    message = _("Too many attempts. Please try again in %(retry_after)s seconds.")
    status = 429

    @property
    def headers(self) -> dict[str, str]:
        """For a client of the API."""
        return {"Retry-After": str(self.details["retry_after"])}


class Unavailable(DomainError):
    code = "unavailable"
    message = _("This does not work at the moment. Please try again in a few minutes.")
    status = 503


def consume(name: str, *, limit: int, seconds: int) -> None:
    """
    Count one use of a name; the window starts with the first one.

    :raises TooMany: if this is more than the limit, with `retry_after` in seconds
    :raises Unavailable: if Redis does not answer
    """
    try:
        with client().pipeline(transaction=True) as pipe:
            pipe.set(f"limit:{name}", 0, ex=seconds, nx=True)
            pipe.incr(f"limit:{name}")
            pipe.ttl(f"limit:{name}")
            _, used, left = pipe.execute()
    except redis.RedisError as error:
        raise Unavailable from error
    if used > limit:
        raise TooMany(retry_after=max(1, left))


def require_left(names: Mapping[str, int]) -> None:
    """
    Look whether names have uses left, without counting one: where only what fails is counted.

    :param names: by name, its limit
    :raises TooMany: if one has been used that often, with `retry_after` in seconds
    :raises Unavailable: if Redis does not answer
    """
    keys = [f"limit:{name}" for name in names]
    try:
        used = client().mget(keys)
        for key, count, limit in zip(keys, used, names.values(), strict=True):
            if int(count or 0) >= limit:
                raise TooMany(retry_after=max(1, client().ttl(key)))
    except redis.RedisError as error:
        raise Unavailable from error


def note(names: Iterable[str], *, seconds: int) -> None:
    """
    Count one use of each name without judging it; a window starts with the first one.

    :raises Unavailable: if Redis does not answer
    """
    try:
        with client().pipeline(transaction=True) as pipe:
            for name in names:
                pipe.set(f"limit:{name}", 0, ex=seconds, nx=True)
                pipe.incr(f"limit:{name}")
            pipe.execute()
    except redis.RedisError as error:
        raise Unavailable from error


@cache
def client() -> redis.Redis:
    """The process's connections to Redis."""
    return connect(settings.REDIS_URL)


def connect(url: str, *, timeout_seconds: float = TIMEOUT_SECONDS, retries: int = 1) -> redis.Redis:
    """Pooled connections that give up soon: a person is waiting for the answer."""
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        # Once more, at once: the server may have closed an idle connection. The library's own
        # default would keep people waiting for several seconds.
        retry=Retry(NoBackoff(), retries),
    )
