"""
Who is calling: the bearer token, resolved to a client, its organization and its stores.

A token costs one look-up every few seconds per process, not one per request. A revoked token or a
client switched off is refused within CACHE_SECONDS.
"""

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone
from oauth2_provider.models import get_access_token_model
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed

from partners.models import OrganizationKind, Store
from partners.queries import StoreRequired, UnknownStore

if TYPE_CHECKING:
    from rest_framework.request import Request

CACHE_SECONDS = 3.0
CACHE_SIZE_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """The client behind a request. It becomes `request.auth`."""

    client_id: int
    organization_id: int
    is_brand: bool
    scopes: frozenset[str]
    # Code → id of the stores it may post for.
    stores: dict[str, int]
    # The stores whose documents it may read, closed ones too; None: all of its organization.
    only_stores: frozenset[int] | None
    expires_at: datetime

    def store_id(self, code: str) -> int:
        """:raises UnknownStore: if there is none, or it belongs to somebody else"""
        store_id = self.stores.get(code)
        if store_id is None:
            raise UnknownStore(store=code)
        return store_id

    def store_id_if_any(self, code: str | None) -> int | None:
        """
        As `store_id`, where a document need not name one.

        :raises StoreRequired: if it names none and the client is of some stores only
        """
        if code is not None:
            return self.store_id(code)
        if self.only_stores is not None:
            raise StoreRequired
        return None

    def own(self, reference: str) -> str:
        """
        A reference of its organization's, in 32 characters: what another organization names alike
        is another thing.
        """
        named = f"{self.organization_id}:{reference}".encode()
        return hashlib.blake2b(named, digest_size=16).hexdigest()


_cache: dict[bytes, tuple[float, Caller]] = {}


class ClientAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>` of the client-credentials grant."""

    def authenticate(self, request: "Request") -> tuple[None, Caller] | None:
        keyword, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if keyword.lower() != "bearer":
            return None
        caller = _caller(token.strip().encode())
        # The same answer for an unknown, an expired and a revoked token.
        if caller is None:
            raise AuthenticationFailed
        return None, caller

    def authenticate_header(self, request: "Request") -> str:
        return 'Bearer realm="api"'


def caller(request: "Request") -> Caller:
    """The client behind a request that `HasScope` let in."""
    assert isinstance(request.auth, Caller), "a view without scopes is closed"
    return request.auth


def forget_cached() -> None:
    _cache.clear()


def _caller(token: bytes) -> Caller | None:
    digest = hashlib.sha256(token).digest()
    cached = _cache.get(digest)
    if cached is not None and time.monotonic() < cached[0]:
        caller: Caller | None = cached[1]
    else:
        caller = _look_up(digest)
        if caller is not None:
            if len(_cache) >= CACHE_SIZE_MAX:
                _cache.clear()
            _cache[digest] = (time.monotonic() + CACHE_SECONDS, caller)
    return caller if caller is not None and caller.expires_at > timezone.now() else None


def _look_up(digest: bytes) -> Caller | None:
    token = (
        get_access_token_model()
        .objects.filter(token_checksum=digest.hex())
        .select_related("application__organization")
        .first()
    )
    if token is None or token.application is None:
        return None
    client = token.application
    if not (client.is_active and client.organization.is_active):
        return None
    stores = Store.objects.filter(organization=client.organization, is_active=True)
    narrowed = list(client.stores.values_list("pk", flat=True))
    if narrowed:
        stores = stores.filter(pk__in=narrowed)
    return Caller(
        client_id=client.pk,
        organization_id=client.organization_id,
        is_brand=client.organization.kind == OrganizationKind.BRAND,
        # What the token was issued for, less what the client has lost since.
        scopes=frozenset(token.scope.split()) & frozenset(client.scopes),
        stores=dict(stores.values_list("code", "pk")),
        only_stores=frozenset(narrowed) or None,
        expires_at=token.expires,
    )
