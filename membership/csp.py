"""Which Content-Security-Policy a page gets: a strict one, and a looser one for staff's console."""

from typing import Any

from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponseBase

# The console's widgets are Alpine.js, which evaluates attributes and sets styles. Only staff with
# a password get there, and what members wrote is escaped in its pages as everywhere.
CONSOLE = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}


class PolicyMiddleware(CSPMiddleware):
    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, *args, **kwargs)
        if request.path_info.startswith("/console/"):
            parts.update = {**CONSOLE, **(parts.update or {})}
        return parts
