"""
The short way to the REST API.

A till's request needs no session, form token, page policy, login or language cookie. With all of
MIDDLEWARE and the pages' routes before it, half of the time of a request that asks no database went
there; so it gets a name, the headers that keep browsers safe, and its view.
"""

from typing import Any

from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import get_resolver

from common.middleware import RequestIdMiddleware, SameSecurityMiddleware


class ShortWay(BaseHandler):
    """What a handler of Django's must do otherwise; also under the tests' client."""

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's
        self._routes = get_resolver("membership.api_urls")
        # Each answers whatever goes wrong further in.
        view: Any = convert_exception_to_response(self._view)
        secured: Any = convert_exception_to_response(SameSecurityMiddleware(view))
        self._middleware_chain = RequestIdMiddleware(secured)

    def _view(self, request: HttpRequest) -> HttpResponseBase:
        match = request.resolver_match = self._routes.resolve(request.path_info)
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        return response


class ApiHandler(ShortWay, WSGIHandler):
    """As the WSGI server calls it."""
