from typing import Any

from django.http import HttpRequest

from programme import queries as programme


def brand(request: HttpRequest) -> dict[str, Any]:
    """The programme's name and colour, for every page."""
    return {"programme": programme.programme()}
