"""
The base of every REST view: the manners, so that a view only translates.

Order: method, answer format, who is calling, how often, whether they may, what they sent.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header
from rest_framework.exceptions import (
    MethodNotAllowed,
    NotAcceptable,
    NotAuthenticated,
    PermissionDenied,
)
from rest_framework.views import APIView

from common.api import errors, idempotency
from common.api.parameters import NoParameters, Parameters
from common.api.parsing import BODY_MAX, require_readable
from common.api.rendering import JSON, PROBLEM_JSON, add_headers
from common.api.request import Request
from common.errors import DomainError, NotFound

ANY_METHOD = {"GET", "HEAD", "POST"}
ANY_FORMAT = {"", "*/*", JSON}


class ApiView(APIView):
    """
    Name `scopes` per method; a method without one is closed.

    It is a view of the framework to whoever looks at it, such as the schema. How it answers is its
    own: the framework's way is made for more formats, logins and kinds of content than we have, and
    cost half of a till's request.
    """

    http_method_names = ["get", "head", "post"]
    # Where several are named, one of them lets in, and the view looks at what is asked for.
    scopes: Mapping[str, str | tuple[str, ...]] = {}
    # Bytes of a body.
    body_max = BODY_MAX
    # Whether an Idempotency-Key keeps the answer, in one transaction with all that was done.
    keeps_answers = True
    # What may be asked in the address, per method; nothing unless named.
    parameters: dict[str, type[Parameters]] = {}
    query: dict[str, Any]
    # Where the answer to a POST leads, for the schema.
    links: dict[str, Any] = {}

    def dispatch(self, request: HttpRequest, *_args: Any, **kwargs: Any) -> HttpResponse:
        self.headers: dict[str, str] = {}
        self.request = asked = Request(request, self.parser_classes)
        with translation.override(language_of(asked.META.get("HTTP_ACCEPT_LANGUAGE", ""))):
            try:
                self._admit(asked)
                response = self._answer(asked, kwargs)
            except Exception as exc:  # noqa: BLE001 - `errors.handle` knows them, or logs them
                response = self.handle_exception(exc)
            return self._finished(response)

    def _admit(self, request: Request) -> None:
        """Everything that is decided before a byte of the body is read."""
        if request.method not in ANY_METHOD or not hasattr(self, request.method.lower()):
            raise MethodNotAllowed(request.method)
        if request.META.get("HTTP_ACCEPT", "") not in ANY_FORMAT:
            self._require_acceptable(request)
        self._authenticate(request)
        self.check_throttles(request)
        self._require_permission(request)
        parameters = self.parameters.get(request.method, NoParameters)
        if parameters is not NoParameters or request.META.get("QUERY_STRING"):
            self.query = parameters.read_query(request.GET)
        if request.method == "POST":
            require_readable(request, limit=self.body_max)

    def _authenticate(self, request: Request) -> None:
        for authentication in self.authentication_classes:
            found = authentication().authenticate(request)
            if found is not None:
                request.user, request.auth = found
                return

    def _require_permission(self, request: Request) -> None:
        for permission in self.permission_classes:
            if not permission().has_permission(request, self):
                if request.auth is None:
                    raise NotAuthenticated
                raise PermissionDenied(
                    getattr(permission, "message", None), getattr(permission, "code", None)
                )

    def _answer(self, request: Request, kwargs: dict[str, Any]) -> HttpResponse:
        answer = partial(getattr(self, request.method.lower()), request, **kwargs)
        key = request.META.get("HTTP_IDEMPOTENCY_KEY")
        if key is None or request.method != "POST" or not self.keeps_answers:
            return answer()
        return idempotency.once(request, key, partial(self._refused_or, answer))

    def _refused_or(self, answer: Callable[[], HttpResponse]) -> HttpResponse:
        """A refusal is an answer too: it is kept under the key, in the same transaction."""
        try:
            return answer()
        except DomainError as refused:
            if refused.status != idempotency.KEEP_REFUSALS:
                raise
            return errors.refusal(refused, self.request)

    def _require_acceptable(self, request: Request) -> None:
        accepts = request._request.accepts
        if not (accepts(JSON) or accepts(PROBLEM_JSON)):
            raise NotAcceptable

    def _finished(self, response: HttpResponse) -> HttpResponse:
        headers = {
            "Cache-Control": "no-store",
            "Vary": "Accept-Language, Authorization",
            "Content-Language": translation.get_language(),
            **self.headers,
        }
        if response.status_code != HTTPStatus.NOT_MODIFIED:
            headers["Content-Length"] = str(len(response.content))
        add_headers(response, headers)
        return response


class NoSuchResource(ApiView):
    """What stands where no route leads: a problem document, not a page."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    schema = None  # not part of the contract

    def _admit(self, request: Request) -> None:
        raise NotFound


@lru_cache(maxsize=1000)
def language_of(accept_language: str) -> str:
    """The best of our languages for an Accept-Language header; without one, the default."""
    for tag, _ in parse_accept_lang_header(accept_language.lower()):
        if tag == "*":
            break
        try:
            return translation.get_supported_language_variant(tag)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE
