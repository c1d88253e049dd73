from typing import Any

from django.conf import settings
from django.http import HttpRequest

from membership.colors import FALLBACK, shades
from programme import queries as programme


def brand(_request: HttpRequest) -> dict[str, Any]:
    """The programme's name and colours, and whether this is a sandbox, for every page."""
    current = programme.programme()
    return {
        "programme_name": str(current) if current else "",
        "shades": shades(current.color if current else FALLBACK),
        # Each in its own language, whatever the page speaks.
        "languages": settings.LANGUAGES,
        "is_sandbox": settings.SANDBOX,
    }
