"""
`Idempotency-Key`: the answer first given under a key is given again, and nothing happens twice.

The lock, the look, the deed and the stored answer are one transaction. A crash leaves either all of
it or nothing, never a stuck key; and a deed that was rolled back leaves no answer behind.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from common.api.rendering import JSON, PROBLEM_JSON
from common.api.request import Request
from common.errors import DomainError
from common.postgres.calls import first_row

# 1 to 255 printable characters, bare or as a quoted string (RFC 9651).
KEY = r'^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-~]([ -~]{0,253}[!-~])?)$'
_KEY = re.compile(KEY)

KEEP_REFUSALS = 409


class InvalidKey(DomainError):
    code = "invalid_idempotency_key"
    message = _("An Idempotency-Key has 1 to 255 printable ASCII characters.")
    status = 400


class KeyReused(DomainError):
    code = "idempotency_key_reused"
    message = _("This Idempotency-Key was used for another request.")
    status = 422


class InFlight(DomainError):
    code = "idempotency_in_flight"
    message = _("A request with this Idempotency-Key is being worked on.")
    headers = {"Retry-After": "1"}


def once(request: Request, given: str, answer: Callable[[], HttpResponse]) -> HttpResponse:
    """
    Answer a request, or give the answer it got before under the key it was given.

    `answer` runs inside the transaction. Successes and business refusals (409) are kept; anything
    else it raises undoes the transaction and leaves the key free for the corrected request.

    :raises InvalidKey: :raises KeyReused: :raises InFlight: if so
    """
    key = _unquoted(given)
    caller: Any = request.auth
    client_id: int = caller.client_id
    fingerprint = _fingerprint(request)
    try:
        with transaction.atomic(durable=True):
            earlier = _lock_and_look(client_id, key)
            if earlier is not None:
                return _replay(earlier, fingerprint)
            response = answer()
            if _is_kept(response):
                _store(client_id, key, fingerprint, response)
            return response
    except IntegrityError as error:
        # The other request committed between our snapshot and our lock: the next try finds it.
        if "common_idempotency_once" not in str(error):
            raise
        raise InFlight from error


# One round trip. Not waiting for the lock keeps a till from queueing behind its own first attempt.
LOCK_AND_LOOK = """
    SELECT pg_try_advisory_xact_lock(%s), record.fingerprint, record.status, record.body
    FROM (VALUES (1)) AS one LEFT JOIN common_idempotencyrecord AS record
        ON record.client_id = %s AND record.key = %s
"""

STORE = """
    INSERT INTO common_idempotencyrecord (client_id, key, fingerprint, status, body, created_at)
    VALUES (%s, %s, %s, %s, %s, now())
"""

_Earlier = tuple[bytes, int, bytes]


def _lock_and_look(client_id: int, key: str) -> _Earlier | None:
    digest = hashlib.sha256(f"{client_id}:{key}".encode()).digest()
    lock = int.from_bytes(digest[:8], signed=True)
    row = first_row(LOCK_AND_LOOK, (lock, client_id, key))
    assert row is not None, "a row whether or not there is a record"
    locked, fingerprint, status, body = row
    if fingerprint is not None:
        return bytes(fingerprint), status, bytes(body)
    if not locked:
        raise InFlight
    return None


def _replay(earlier: _Earlier, fingerprint: bytes) -> HttpResponse:
    first, status, body = earlier
    if first != fingerprint:
        raise KeyReused
    return HttpResponse(
        body,
        status=status,
        content_type=JSON if status < 400 else PROBLEM_JSON,
        headers={"Idempotent-Replayed": "true"},
    )


def _is_kept(response: HttpResponse) -> bool:
    return response.status_code < 300 or response.status_code == KEEP_REFUSALS


def _store(client_id: int, key: str, fingerprint: bytes, response: HttpResponse) -> None:
    with connection.cursor() as cursor:
        cursor.execute(STORE, (client_id, key, fingerprint, response.status_code, response.content))


def _fingerprint(request: Request) -> bytes:
    head = f"{request.method}\n{request.path}\n".encode()
    return hashlib.sha256(head + request._request.body).digest()


def _unquoted(given: str) -> str:
    if not _KEY.fullmatch(given):
        raise InvalidKey
    if given.startswith('"'):
        return re.sub(r"\\(.)", r"\1", given[1:-1])
    return given
