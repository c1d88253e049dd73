"""Where members live, in the words they or their stores wrote: offered to whoever asks for one."""

from typing import Literal

from django.core.cache import cache

from members.models import Member

# A million members take a good part of a second, and new places are rare.
KEPT_SECONDS = 600
PLACES_MAX = 2000


def known(field: Literal["province", "city"]) -> list[str]:
    """Every province or city some member has, in order; a new one within ten minutes."""
    key = f"members.places.{field}"
    places: list[str] | None = cache.get(key)
    if places is None:
        found = Member.objects.exclude(**{field: ""}).values_list(field, flat=True)
        places = list(found.distinct().order_by(field)[:PLACES_MAX])
        cache.set(key, places, KEPT_SECONDS)
    return places
