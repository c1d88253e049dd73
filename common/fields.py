"""
Encrypted columns, of text and of bytes, and the blind index of text.

Each value is sealed with AES-256-GCM under the first key of FIELD_KEYS, bound to its column, and
stored as `<key id>:<base64 of nonce and ciphertext>`. Older keys of the list still open what they
sealed; `manage.py rotate_field_keys` seals it anew. What must be found by equality has a keyed
hash beside it (`blind_index`), because ciphertext is different each time.
"""

import base64
import hmac
import os
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

NONCE_BYTES = 12
KEY_BYTES = 32


def seal(text: str, *, column: str) -> str:
    """Encrypt under the newest key. `column` must be given again to open it."""
    return seal_bytes(text.encode(), column=column)


def seal_bytes(raw: bytes, *, column: str) -> str:
    """As `seal`, of what is no text, such as a picture."""
    key_id, cipher = next(iter(_ciphers(tuple(settings.FIELD_KEYS)).items()))
    return _sealed(raw, key_id, cipher, column.encode())


def seal_many(texts: Sequence[str | None], *, column: str) -> list[str | None]:
    """As `seal`, for a column of many rows. What is empty stays so."""
    key_id, cipher = next(iter(_ciphers(tuple(settings.FIELD_KEYS)).items()))
    bound = column.encode()
    return [text and _sealed(text.encode(), key_id, cipher, bound) for text in texts]


def _sealed(opened: bytes, key_id: str, cipher: AESGCM, column: bytes) -> str:
    nonce = os.urandom(NONCE_BYTES)
    raw = nonce + cipher.encrypt(nonce, opened, column)
    return f"{key_id}:{base64.b64encode(raw).decode()}"


def unseal(stored: str, *, column: str) -> str:
    """
    Decrypt what `seal` made.

    :raises ImproperlyConfigured: as `unseal_bytes`, or if it is no text
    """
    try:
        return unseal_bytes(stored, column=column).decode()
    except UnicodeDecodeError as error:
        raise ImproperlyConfigured(f"A value of {column} is no text") from error


def unseal_bytes(stored: str, *, column: str) -> bytes:
    """
    Decrypt what `seal_bytes` or `seal` made.

    :raises ImproperlyConfigured: if its key is not among FIELD_KEYS, or the value was tampered with
    """
    key_id, colon, encoded = stored.partition(":")
    if not colon:
        # Not quoted in the message: what was never sealed must not end in a log.
        raise ImproperlyConfigured(f"A value of {column} is not sealed")
    cipher = _ciphers(tuple(settings.FIELD_KEYS)).get(key_id)
    if cipher is None:
        raise ImproperlyConfigured(f"FIELD_KEYS lacks the key {key_id!r} that sealed {column}")
    try:
        raw = base64.b64decode(encoded, validate=True)
        return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], column.encode())
    except (InvalidTag, ValueError) as error:
        raise ImproperlyConfigured(f"A value of {column} does not open with its key") from error


def newest_key_id() -> str:
    return next(iter(_ciphers(tuple(settings.FIELD_KEYS))))


def blind_index(value: str, *, purpose: str) -> bytes:
    """Return a keyed hash by which equal values are found without being readable."""
    key = _decoded_key(settings.FIELD_INDEX_KEY, name="FIELD_INDEX_KEY")
    return hmac.digest(key, f"{purpose}\0{value}".encode(), "sha256")


@cache
def _ciphers(field_keys: tuple[str, ...]) -> dict[str, AESGCM]:
    ciphers = {}
    for item in field_keys:
        key_id, _, encoded = item.partition(":")
        if not key_id or key_id in ciphers:
            raise ImproperlyConfigured("Each of FIELD_KEYS needs an id of its own")
        ciphers[key_id] = AESGCM(_decoded_key(encoded, name="FIELD_KEYS"))
    if not ciphers:
        raise ImproperlyConfigured("FIELD_KEYS needs at least one key")
    return ciphers


@cache
def _decoded_key(encoded: str, *, name: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not base64") from error
    if len(key) != KEY_BYTES:
        raise ImproperlyConfigured(f"{name} must be {KEY_BYTES} bytes, base64")
    return key


class EncryptedTextField(models.TextField):
    """Text that is readable in Python and sealed in the database. Cannot be searched or ordered."""

    def get_prep_value(self, value: Any) -> str | None:
        text = super().get_prep_value(value)
        return text if text in (None, "") else seal(text, column=self._column)

    def from_db_value(self, value: str | None, *_context: object) -> str | None:
        return value if value in (None, "") else unseal(str(value), column=self._column)

    def sealed(self, texts: Sequence[str | None]) -> list[str | None]:
        """As `get_prep_value`, for many rows."""
        return seal_many(texts, column=self._column)

    def get_lookup(self, lookup_name: str) -> Any:
        # An equality test against a fresh ciphertext can never be true: refuse it loudly.
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None

    @property
    def _column(self) -> str:
        return f"{self.model._meta.db_table}.{self.column}"


if TYPE_CHECKING:
    _TextOfBytes = models.TextField[bytes, bytes]
else:
    _TextOfBytes = models.TextField


class EncryptedBytesField(_TextOfBytes):
    """Bytes, such as a picture, that are sealed in the database as text is."""

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else seal_bytes(bytes(value), column=self._column)

    def from_db_value(self, value: str | None, *_context: object) -> bytes | None:
        return None if value is None else unseal_bytes(value, column=self._column)

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None

    @property
    def _column(self) -> str:
        return f"{self.model._meta.db_table}.{self.column}"
