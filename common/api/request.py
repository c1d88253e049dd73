"""
What a view is told of a request.

The framework's own Request can negotiate, carry forms and files, and ask several ways to log in; to
make one costs more than to check a whole purchase. Ours is one, so that all that expects one works,
and carries what one parser of the view reads.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from rest_framework import request as framework
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser

_UNREAD = object()


class Request(framework.Request):
    """Made from Django's request. `auth` is set by who authenticates it."""

    method: str
    auth: Any = None
    user: Any = None
    _stream: Any = framework.Empty

    def __init__(self, request: HttpRequest, parsers: Sequence[type[BaseParser]]) -> None:
        self._request = request
        self.META = request.META
        self.method = request.method or ""
        self.path = request.path
        self._parsers = tuple(parsers)
        self._document: Any = _UNREAD

    @property
    def data(self) -> Any:
        """
        What was sent, read when it is first asked for.

        :raises UnsupportedMediaType: if no parser of the view reads it; and what the parser raises
        """
        if self._document is _UNREAD:
            parser = _parser_of(self._parsers, self.content_type)
            self._document = parser().parse(self.stream, self.content_type)
        return self._document


@lru_cache(maxsize=100)
def _parser_of(parsers: tuple[type[BaseParser], ...], content_type: str) -> type[BaseParser]:
    named = content_type.partition(";")[0].strip().lower()
    for parser in parsers:
        if parser.media_type == named:
            return parser
    raise UnsupportedMediaType(content_type)
