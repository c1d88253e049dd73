"""
The short way to the REST API.

A till's request needs no session, form token, page policy, login or language cookie. With all of
MIDDLEWARE and the pages' routes before it, half of the time of a request that asks no database went
there; so it passes API_MIDDLEWARE and the API's routes only.
"""

from typing import Any

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string


class ShortWay(BaseHandler):
    """What a handler of Django's must do otherwise; also under the tests' client."""

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        innermost: Any = self._get_response  # type: ignore[attr-defined]  # Django's; the stubs lack it
        chain = convert_exception_to_response(innermost)
        for path in reversed(settings.API_MIDDLEWARE):
            chain = convert_exception_to_response(import_string(path)(chain))
        self._middleware_chain = chain

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        request.urlconf = "membership.api_urls"
        return super().get_response(request)


class ApiHandler(ShortWay, WSGIHandler):
    """As the WSGI server calls it."""
