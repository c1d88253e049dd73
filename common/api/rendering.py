"""Answers as bytes, made once: documents are typed structures, JSON never holds NaN."""

from collections.abc import Mapping
from typing import Any

import msgspec
from django.http import HttpResponse
from rest_framework.renderers import BaseRenderer

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"

_encoder = msgspec.json.Encoder(decimal_format="string")


class Answer(msgspec.Struct):
    """A document we answer with. Its fields are its schema (`common.api.schema`)."""


def render(document: Any) -> bytes:
    """Write a document as JSON: decimals as text, times with their offset."""
    return _encoder.encode(document)


def respond(
    document: Any,
    *,
    status: int = 200,
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    return HttpResponse(
        render(document), status=status, content_type=content_type, headers=dict(headers or {})
    )


def add_headers(response: HttpResponse, headers: Mapping[str, str]) -> None:
    """
    Set headers whose names and values we made ourselves: ASCII, without line breaks.

    To look for what cannot be there, header by header, costs more than to make the answer.
    """
    response.headers._store.update({name.lower(): (name, headers[name]) for name in headers})


class Renderer(BaseRenderer):
    """Tells the schema what we answer with; the views render by `respond`."""

    media_type = JSON
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return render(data)
