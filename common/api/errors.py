"""
Every refusal in one shape: RFC 9457 problem details with our stable `code`.

The sentences follow Accept-Language; callers program against `code`, and for a document that is
wrong in several places against `errors`, each with a JSON pointer.
"""

import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, UnreadablePostError
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.request import Request

from common import context
from common.api.parsing import BodyTooLarge, Malformed
from common.api.rendering import PROBLEM_JSON, respond
from common.errors import DomainError, Invalid, NotFound

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2

# What kind of answer a status is, for people. The code says which.
TITLES = {
    400: _("The request could not be read"),
    401: _("Not authenticated"),
    403: _("Not allowed"),
    404: _("Not found"),
    405: _("Method not allowed"),
    406: _("Not acceptable"),
    409: _("Refused"),
    411: _("Length required"),
    413: _("Too large"),
    415: _("Unsupported media type"),
    422: _("Not valid"),
    429: _("Too many requests"),
    500: _("Internal error"),
    503: _("Try again later"),
}

# The framework's own refusals under names of ours.
CODES = {
    "parse_error": "malformed",
    "authentication_failed": "invalid_token",
    "permission_denied": "not_allowed",
}


class NotValid(DomainError):
    """Query parameters that are wrong; `errors` as in a problem."""

    code = "invalid"
    message = Invalid.message
    status = 422

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__()
        self.errors = errors


def handle(exc: Exception, view_context: Mapping[str, Any]) -> HttpResponse:
    """Translate whatever a view raised. What we do not know is our fault: 500, and logged."""
    request: Request = view_context["request"]
    if isinstance(exc, DomainError):
        return refusal(exc, request)
    exc = _as_api_exception(exc)
    if isinstance(exc, exceptions.ValidationError):
        errors = list(flattened(exc.detail))
        return problem(
            request, status=422, code=Invalid.code, detail=Invalid.message, errors=errors
        )
    if isinstance(exc, exceptions.APIException):
        return problem(
            request,
            status=exc.status_code,
            code=CODES.get(_code(exc), _code(exc)),
            detail=exc.detail,
            headers=_headers(exc, view_context),
        )
    if isinstance(exc, OperationalError | InterfaceError):
        # Out of reach, locked too long or the loser of a deadlock: the same call may succeed soon.
        logger.warning("The database did not answer: %s", exc)
        return problem(
            request,
            status=503,
            code="try_again_later",
            detail=_("The system is busy. Send the same request again."),
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )
    logger.error("Unexpected error on %s", request.path, exc_info=exc)
    got_request_exception.send(sender=None, request=request._request)
    return problem(
        request,
        status=500,
        code="internal_error",
        detail=_("Something went wrong on our side."),
    )


def refusal(refused: DomainError, request: Request) -> HttpResponse:
    return problem(
        request,
        status=refused.status,
        code=refused.code,
        detail=refused.sentence,
        details=refused.details,
        errors=getattr(refused, "errors", None),
        headers=getattr(refused, "headers", None),
    )


def problem(
    request: Request,
    *,
    status: int,
    code: str,
    detail: object,
    details: Mapping[str, Any] | None = None,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Build problem details in the active language."""
    document: dict[str, Any] = {
        "type": f"/api/problems/#{code}",
        "title": str(TITLES[status]),
        "status": status,
        "code": code,
        "detail": str(detail),
        "instance": request.path,
        "request_id": context.current.get().request_id,
    }
    if details:
        document["details"] = shown(details)
    if errors:
        document["errors"] = errors
    return respond(document, status=status, content_type=PROBLEM_JSON, headers=headers)


def shown(details: Mapping[str, Any]) -> dict[str, int | str]:
    """A refusal's details as they are told: numbers stay numbers, what else is becomes text."""
    return {
        name: value if isinstance(value, int) else str(value) for name, value in details.items()
    }


def flattened(detail: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    """Turn the framework's nested errors into a flat list, each with its JSON pointer."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            at_itself = name == "non_field_errors"
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from flattened(inner, pointer if at_itself else f"{pointer}/{escaped}")
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            is_error = isinstance(inner, exceptions.ErrorDetail)
            yield from flattened(inner, pointer if is_error else f"{pointer}/{index}")
    else:
        code = getattr(detail, "code", None) or "invalid"
        yield {"pointer": pointer, "code": code, "detail": str(detail)}


def _as_api_exception(exc: Exception) -> Exception:
    if isinstance(exc, Http404):
        return exceptions.NotFound(NotFound.message)
    if isinstance(exc, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(exc, RequestDataTooBig):
        return BodyTooLarge()
    if isinstance(exc, SuspiciousOperation | UnreadablePostError):
        return Malformed()
    return exc


def _code(exc: exceptions.APIException) -> str:
    code = exc.get_codes()
    return code if isinstance(code, str) else exc.default_code


def _headers(exc: exceptions.APIException, view_context: Mapping[str, Any]) -> dict[str, str]:
    headers = {}
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(exc, "wait", None)) is not None:
        headers["Retry-After"] = str(math.ceil(wait))
    if isinstance(exc, exceptions.MethodNotAllowed):
        headers["Allow"] = ", ".join(view_context["view"].allowed_methods)
    return headers
