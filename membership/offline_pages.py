"""
What a browser keeps for when there is no network: the worker that keeps it, a page that says what
to do, and what the pages are called once they stand among a phone's apps.
"""

import hashlib
import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from membership.context import brand
from programme import contact
from programme import queries as programme

# Of the card and of the page without the network.
FILES = ("css/site.css", "js/card.js", "js/offline.js", "django_htmx/htmx-2.min.js")
GROUND = "#f3f4f7"


@require_safe
@cache_control(no_cache=True)
def worker(request: HttpRequest) -> HttpResponse:
    """The worker; another one as soon as what it keeps would be another."""
    told = {
        "offline": reverse("offline"),
        "card": reverse("card"),
        "logout": reverse("logout"),
        "files": [static(path) for path in FILES],
    }
    shown = [get_language(), *brand(request).values(), contact.contact(programme.programme())]
    version = hashlib.sha256(repr([told, shown]).encode()).hexdigest()[:16]
    context = {"told": json.dumps({"version": version, **told})}
    return render(request, "worker.js", context, content_type="text/javascript")


@require_safe
@cache_control(no_cache=True)
def offline(request: HttpRequest) -> HttpResponse:
    context = {"contact": contact.contact(programme.programme())}
    return render(request, "offline.html", context)


@require_safe
@cache_control(max_age=3600, public=True)
def manifest(request: HttpRequest) -> HttpResponse:
    """As https://www.w3.org/TR/appmanifest/ wants it."""
    told = brand(request)
    name = told["programme_name"] or _("Membership")
    content: dict[str, Any] = {
        "id": "/",
        "name": name,
        "short_name": name,
        "lang": get_language(),
        "start_url": reverse("home"),
        "scope": "/",
        "display": "standalone",
        "background_color": GROUND,
        "theme_color": told["shades"].brand,
        "icons": [
            {
                "src": reverse("icon", args=[side, told["icon_version"]]),
                "sizes": f"{side}x{side}",
                "type": "image/png",
                "purpose": purpose,
            }
            for side in (192, 512)
            for purpose in ("any", "maskable")
        ],
        "shortcuts": [{"name": _("Member code"), "url": reverse("card")}],
    }
    return JsonResponse(content, content_type="application/manifest+json")
