"""
A message as a signed POST to the brand's own system, by Standard Webhooks 1.0.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

The name is resolved once and the connection goes to an address that was looked at: neither a name
of our own network nor one that changes its mind in between reaches inside.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import socket
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit

import urllib3
from django.conf import settings
from django.utils import timezone

from common import outside
from messaging.channels.port import Away, NotNow, Outgoing, Refused

SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
PORTS = {443, 8443}
# Nobody may keep us longer, whatever they ask for.
LONGEST_WAIT = timedelta(hours=24)
# Addresses that stand for another one, which could be inside: NAT64, 6to4, Teredo.
STAND_INS = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "2002::/16", "2001::/32")]


class Webhook:
    """`send` may be called by many threads at once."""

    at_once = 16

    def open(self) -> None:
        if not settings.WEBHOOK_URL:
            raise Away("no webhook")
        self._url = urlsplit(settings.WEBHOOK_URL)
        self._pool = _connections(self._url)

    def close(self) -> None:
        if hasattr(self, "_pool"):
            self._pool.close()

    def send(self, outgoing: Outgoing) -> str:
        """`outgoing.name`, which the receiver sees again if it is repeated."""
        body = json.dumps(outgoing.parameters, ensure_ascii=False).encode()
        at = timezone.now()
        headers = {
            "Host": self._url.netloc.rpartition("@")[2],
            "Content-Type": "application/json",
            "webhook-id": outgoing.name,
            "webhook-timestamp": str(int(at.timestamp())),
            # Several secrets while the receiver learns a new one.
            "webhook-signature": " ".join(
                sign(secret, name=outgoing.name, at=at, body=body)
                for secret in settings.WEBHOOK_SECRETS
            ),
        }
        path = self._url.path or "/"
        if self._url.query:
            path += f"?{self._url.query}"
        answer = outside.post(path, body=body, headers=headers, pool=self._pool)
        _look_at(answer)
        return outgoing.name


def sign(secret: str, *, name: str, at: datetime, body: bytes) -> str:
    """:param secret: `whsec_` and the key in base64"""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = b".".join([name.encode(), str(int(at.timestamp())).encode(), body])
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _look_at(answer: outside.Answer) -> None:
    status = answer.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    reason = f"HTTP {status}"
    wait = _retry_after(answer)
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        raise Away(reason, wait=wait or timedelta(minutes=1))
    if status == HTTPStatus.GONE:
        raise Refused(reason)
    # All else may be mended on the other side: redirects, 401, 404, a bug of theirs.
    raise NotNow(reason, wait=wait)


def _retry_after(answer: outside.Answer) -> timedelta | None:
    given = {name.lower(): value for name, value in answer.headers.items()}.get("retry-after", "")
    if not (given.isascii() and given.isdigit()):
        return None
    return min(timedelta(seconds=min(int(given), 10**9)), LONGEST_WAIT)


def _connections(url: SplitResult) -> urllib3.HTTPConnectionPool:
    """
    Connections to the address behind a URL.

    :raises Away: if we do not go there
    """
    inside = settings.WEBHOOK_ALLOW_PRIVATE
    port = url.port or (443 if url.scheme == "https" else 80)
    if not inside and (url.scheme != "https" or port not in PORTS):
        raise Away("the webhook must be https on port 443 or 8443")
    try:
        found = socket.getaddrinfo(url.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Away(f"the webhook's name is not known: {type(error).__name__}") from None
    addresses = [str(address[0]) for *_, address in found]
    # One bad apple: a name that answers with both is up to no good.
    if not inside and not all(is_outside(address) for address in addresses):
        raise Away("the webhook's address is not a public one")
    host = addresses[0]
    if url.scheme != "https":
        return urllib3.HTTPConnectionPool(host, port, maxsize=Webhook.at_once, block=True)
    return urllib3.HTTPSConnectionPool(
        host,
        port,
        maxsize=Webhook.at_once,
        block=True,
        cert_reqs="CERT_REQUIRED",
        server_hostname=url.hostname,
        assert_hostname=url.hostname,
    )


def is_outside(address: str) -> bool:
    """Whether an address is on the public Internet, and not one that stands for another."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return False
        if any(ip in net for net in STAND_INS):
            return False
    return ip.is_global and not ip.is_multicast
