"""Campaigns in words, in the active language."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from campaigns.models import Campaign
from common.localized import localized


def names_of(version_id: int) -> Mapping[str, Mapping[str, str]]:
    """What the campaigns of a version are called in all languages, by code."""
    return dict(_names(version_id))


def listed(version_id: int, codes: Iterable[str]) -> list[str]:
    """Some campaigns of a version by their names."""
    codes = list(codes)
    names = names_of(version_id) if codes else {}
    return [localized(names[code]) if code in names else code for code in codes]


@lru_cache(maxsize=64)
def _names(version_id: int) -> tuple[tuple[str, dict[str, str]], ...]:
    """A published version never changes, so they are read once per process."""
    return tuple(Campaign.objects.filter(version_id=version_id).values_list("code", "names"))
