"""
The base of every REST view: the manners, so that a view only translates.

Order: method, answer format, who is calling, how often, whether they may, what they sent.
"""

from functools import lru_cache, partial
from http import HTTPMethod, HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header
from rest_framework.exceptions import NotAcceptable
from rest_framework.request import Request
from rest_framework.views import APIView

from common.api import errors, idempotency
from common.api.parameters import NoParameters, Parameters
from common.api.parsing import require_readable
from common.api.rendering import JSON, PROBLEM_JSON
from common.errors import DomainError, NotFound

ANY_FORMAT = {"", "*/*", JSON}


class ApiView(APIView):
    """Name `scopes` per method; a method without one is closed."""

    http_method_names = ["get", "head", "post"]
    scopes: dict[str, str] = {}
    # What may be asked in the address, per method; nothing unless named.
    parameters: dict[str, type[Parameters]] = {}
    query: dict[str, Any]
    # Where the answer to a POST leads, for the schema.
    links: dict[str, Any] = {}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """As the framework's, with the key around what changes something."""
        self.args, self.kwargs = args, kwargs
        self.headers: dict[str, str] = {}
        with translation.override(language_of(request.headers.get("Accept-Language", ""))):
            self.request = self.initialize_request(request, *args, **kwargs)
            try:
                self.initial(self.request, *args, **kwargs)
                response = self._answer()
            except Exception as exc:  # noqa: BLE001 - `errors.handle` knows them, or logs them
                response = self.handle_exception(exc)
            return self.finalize_response(self.request, response)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        assert request.method is not None, "the server has read it"
        if request.method not in self.allowed_methods:
            self.http_method_not_allowed(request)
        if request.META.get("HTTP_ACCEPT", "") not in ANY_FORMAT:
            self._require_acceptable(request)
        self.perform_authentication(request)
        self.check_throttles(request)
        self.check_permissions(request)
        parameters = self.parameters.get(request.method, NoParameters)
        if parameters is not NoParameters or request.META.get("QUERY_STRING"):
            self.query = parameters.read_query(request.GET)
        if request.method == HTTPMethod.POST:
            require_readable(request)

    def finalize_response(  # type: ignore[override]  # rendered already
        self, request: Request, response: HttpResponse, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        headers = response.headers
        headers.setdefault("Cache-Control", "no-store")
        if response.status_code != HTTPStatus.NOT_MODIFIED:
            headers["Content-Length"] = str(len(response.content))
        headers["Vary"] = "Accept-Language, Authorization"
        headers["Content-Language"] = translation.get_language()
        for name, value in self.headers.items():
            headers[name] = value
        return response

    def _answer(self) -> HttpResponse:
        handler = getattr(self, str(self.request.method).lower())
        answer = partial(handler, self.request, *self.args, **self.kwargs)
        if self.request.method == HTTPMethod.POST:
            return idempotency.once(self.request, partial(self._refused_or, answer))
        return answer()

    def _refused_or(self, answer: partial[HttpResponse]) -> HttpResponse:
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


class NoSuchResource(ApiView):
    """What stands where no route leads: a problem document, not a page."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    schema = None  # not part of the contract

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.headers = {}
        with translation.override(language_of(request.headers.get("Accept-Language", ""))):
            self.request = self.initialize_request(request)
            return self.finalize_response(self.request, errors.refusal(NotFound(), self.request))


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
