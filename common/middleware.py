import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from common import context

SAFE_ID = re.compile(r"[\w.-]{8,64}\Z", re.ASCII)


class RequestIdMiddleware:
    """Give each request a name that its answer, its log lines and its audit rows carry."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if SAFE_ID.match(given) else uuid.uuid4().hex
        # Only a proxy we run sits in front of us; it replaces REMOTE_ADDR (docs/operations.md).
        token = context.current.set(
            context.RequestContext(request_id=request_id, ip=request.META.get("REMOTE_ADDR") or None)
        )
        try:
            response = self.get_response(request)
        finally:
            context.current.reset(token)
        response["X-Request-Id"] = request_id
        return response
