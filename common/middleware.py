import ipaddress
import re
import uuid
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware

from common import context
from common.api.rendering import add_headers

# As psycopg2 and PostgreSQL say it.
NUL_IN_TEXT = "cannot contain NUL"
NUL_IN_JSON = "\\u0000 cannot be converted to text"
SAFE_ID = re.compile(r"[\w.-]{8,64}\Z", re.ASCII)


class RequestIdMiddleware:
    """Give each request a name that its answer, its log lines and its audit rows carry."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if SAFE_ID.match(given) else uuid.uuid4().hex
        if settings.BEHIND_PROXY:
            request.META["REMOTE_ADDR"] = _address_before_the_proxy(request)
        token = context.current.set(
            context.RequestContext(
                request_id=request_id, ip=request.META.get("REMOTE_ADDR") or None
            )
        )
        try:
            response = self.get_response(request)
        finally:
            context.current.reset(token)
        add_headers(response, {"X-Request-Id": request_id})
        return response


class SameSecurityMiddleware(SecurityMiddleware):
    """Django's, for answers that all get the same: asked once, and not header by header."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        self._headers: dict[bool, dict[str, str]] = {}

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        secure = request.is_secure()
        if secure not in self._headers:
            empty = HttpResponse(headers={"Content-Type": ""})
            del empty["Content-Type"]
            self._headers[secure] = dict(super().process_response(request, empty).items())
        add_headers(response, self._headers[secure])
        return response


class NulMiddleware:
    """
    A text with the character NUL that got as far as the database, which keeps none, is a bad
    request: no keyboard types it, so pages need no words for it. What was begun is rolled back.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, _request: HttpRequest, exception: Exception) -> None:
        if (isinstance(exception, ValueError) and NUL_IN_TEXT in str(exception)) or (
            isinstance(exception, DataError) and NUL_IN_JSON in str(exception)
        ):
            raise BadRequest from exception


def _address_before_the_proxy(request: HttpRequest) -> str:
    """
    Who called the proxy: the last of X-Forwarded-For, which is the one the proxy itself added.

    Those before it are what the caller claims. Without it every visitor would seem to be the proxy,
    and share one limit of one-time codes and of wrong passwords.
    """
    last = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(last))
    except ValueError:
        return str(request.META.get("REMOTE_ADDR", ""))
