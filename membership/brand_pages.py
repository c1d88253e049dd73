"""The programme's logo and icon: public, and kept by browsers for good under their own address."""

import hashlib

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from membership.colors import FALLBACK, shades
from programme import logos
from programme import queries as programme
from programme.models import Logo, Programme

YEAR = 31_536_000


def icon_version(installed: Programme | None) -> str:
    """Changes with what the icon shows."""
    shown = [installed.color, installed.logo and installed.logo.digest] if installed else []
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:12]


@require_safe
@cache_control(public=True, max_age=YEAR, immutable=True)
def logo(_request: HttpRequest, digest: str) -> HttpResponse:
    """A logo; former ones too, for pages that a browser has kept show them."""
    found = get_object_or_404(Logo, digest=digest)
    return HttpResponse(bytes(found.image), content_type="image/png")


@require_safe
@cache_control(public=True, max_age=YEAR, immutable=True)
def icon(_request: HttpRequest, side: int, version: str) -> HttpResponse:
    installed = programme.programme()
    if side not in logos.ICON_SIDES or version != icon_version(installed):
        raise Http404
    colors = shades(installed.color if installed else FALLBACK)
    shown = Logo.objects.get(pk=installed.logo.pk) if installed and installed.logo else None
    drawn = logos.icon(
        side,
        color=colors.brand,
        on_color=colors.on_brand,
        logo=bytes(shown.image) if shown else None,
    )
    return HttpResponse(drawn, content_type="image/png")
