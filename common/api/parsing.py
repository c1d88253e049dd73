"""
What comes in: one JSON document, read strictly.

A duplicate key, NaN, a lone surrogate or a NUL is refused here, so no room ever sees one. Numbers
with a point become Decimals: money never passes through a binary fraction.
"""

import codecs
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import IO, Any

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from common.api.rendering import JSON

# A single document; a purchase of 500 lines fits. Files go another way.
BODY_MAX = 64 * 1024


class BodyTooLarge(APIException):
    status_code = 413
    default_code = "body_too_large"

    def __init__(self, limit: int = BODY_MAX) -> None:
        # Filled in now, in the reader's language; at import it would be the site's.
        super().__init__(_("The body is larger than %(limit)s bytes.") % {"limit": limit})


class LengthRequired(APIException):
    status_code = 411
    default_code = "length_required"
    default_detail = _("The request needs a Content-Length header.")


class Malformed(ParseError):
    default_code = "malformed"
    default_detail = _("The body is not a JSON document.")


def require_readable(request: Request, *, limit: int = BODY_MAX) -> None:
    """
    Look at the headers before a byte of the body is read.

    :param limit: how many bytes it may have
    :raises LengthRequired: :raises BodyTooLarge: :raises Malformed: if there is no body
    """
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length and request.META.get("HTTP_TRANSFER_ENCODING"):
        raise LengthRequired
    if length and not length.isdecimal():
        raise Malformed
    if not length or int(length) == 0:
        raise Malformed
    if int(length) > limit:
        raise BodyTooLarge(limit)


class StrictJSONParser(BaseParser):
    media_type = JSON

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """:raises Malformed: if it is not one JSON document in UTF-8, read strictly"""
        require_utf8(media_type or JSON)
        return parse(stream.read())


def parse(body: bytes) -> Any:
    """
    Read a JSON document.

    :raises Malformed: if it is none, or holds what no text or number of ours may hold
    """
    # Only an escape can smuggle in what UTF-8 itself refuses.
    escaped = b"\\u" in body
    try:
        document = (_WARY if escaped else _PLAIN).decode(body.decode("utf-8"))
        if escaped and not isinstance(document, dict):
            _require_clean(document)
    # RecursionError: ten thousand brackets. ValueError: syntax, UTF-8, or a number of 5,000 digits.
    except (ValueError, RecursionError) as error:
        raise Malformed from error
    return document


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("duplicate key")
    return document


def _checked_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = _unique_pairs(pairs)
    for name, value in pairs:
        _require_clean(name)
        _require_clean(value)
    return document


def _require_clean(value: Any) -> None:
    if isinstance(value, str):
        value.encode()  # UnicodeEncodeError is a ValueError: a lone surrogate
        if "\0" in value:
            raise ValueError("NUL")
    elif isinstance(value, list):
        for item in value:
            _require_clean(item)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _decoder(pairs_hook: Callable[[list[tuple[str, Any]]], dict[str, Any]]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=pairs_hook, parse_float=Decimal, parse_constant=_no_constant
    )


_PLAIN = _decoder(_unique_pairs)
_WARY = _decoder(_checked_pairs)


@lru_cache(maxsize=100)
def require_utf8(media_type: str) -> None:
    """:raises UnsupportedMediaType: if it names another charset"""
    _, _, parameters = media_type.partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "charset" and not _is_utf8(value.strip('"')):
            raise UnsupportedMediaType(media_type)


def _is_utf8(charset: str) -> bool:
    try:
        return codecs.lookup(charset).name == "utf-8"
    except LookupError:
        return False
