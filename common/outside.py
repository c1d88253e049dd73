"""
One HTTP request to a provider, and what a missing answer means.

An address may hold a token and a body personal data, so nothing of either is told in a reason.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import urllib3
from django.conf import settings

CONNECT_SECONDS = 5
# More than any answer of a provider has.
ANSWER_BYTES_MAX = 100_000
# One process talks to each provider with so many connections at most.
CONNECTIONS = 32

_pool = urllib3.PoolManager(
    num_pools=8, maxsize=CONNECTIONS, retries=False, cert_reqs="CERT_REQUIRED"
)

# Before a connection stands nothing can have arrived.
NOT_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
    urllib3.exceptions.LocationValueError,
    urllib3.exceptions.ProxyError,
)


class Away(Exception):
    """
    The other side cannot be reached, does not let us in, or takes nothing more for now.

    Nothing we asked for is at fault and surely none of it was taken.

    :param wait: before which nothing should be tried; None if nobody said
    """

    def __init__(self, reason: str, *, wait: timedelta | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Refused(Exception):
    """This will never be taken."""


class NotNow(Exception):
    """
    This was not taken, or we do not know; it may be the next time.

    :param wait: what the other side asks for; None: as ever
    """

    def __init__(self, reason: str, *, wait: timedelta | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> dict[str, Any]:
        """:raises NotNow: if it is no JSON object: the answer of something in between"""
        try:
            answer = json.loads(self.body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise NotNow(f"HTTP {self.status} without an answer")
        return answer


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    pool: urllib3.HTTPConnectionPool | None = None,
) -> Answer:
    """
    POST and read the answer. Redirects are not followed.

    :param pool: connections to use, for whom an address was checked; `url` is then a path
    :raises Away: if no connection comes about
    :raises NotNow: if the answer fails to come; it may have arrived
    """
    return _ask("POST", url, body=body, headers=headers, pool=pool)


def get(url: str, *, headers: Mapping[str, str] | None = None) -> Answer:
    """As `post`, for what is asked by an address alone."""
    return _ask("GET", url, body=None, headers=headers or {}, pool=None)


def _ask(
    method: str,
    url: str,
    *,
    body: bytes | None,
    headers: Mapping[str, str],
    pool: urllib3.HTTPConnectionPool | None,
) -> Answer:
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=settings.MESSAGING_TIMEOUT)
    try:
        answer = (pool or _pool).urlopen(
            method,
            url,
            body=body,
            headers=dict(headers),
            timeout=timeout,
            redirect=False,
            retries=False,
            preload_content=False,
        )
        try:
            content = answer.read(ANSWER_BYTES_MAX)
        finally:
            answer.release_conn()
    except NOT_SENT as error:
        raise Away(type(error).__name__) from None
    except urllib3.exceptions.HTTPError as error:
        raise NotNow(type(error).__name__) from None
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not content.startswith(b"{"):
        raise NotNow(f"HTTP {answer.status}")
    return Answer(answer.status, content, dict(answer.headers))
