import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "membership.settings")

pages = get_wsgi_application()

from membership.api_handler import ApiHandler  # noqa: E402 - the apps are ready now

api = ApiHandler()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Send dealers' systems past what only pages need (membership/api_handler.py)."""
    serve = api if environ.get("PATH_INFO", "").startswith("/api/v1/") else pages
    return serve(environ, start_response)
