"""Questions about the rulebook."""

import time
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from programme import documents, sections
from programme.models import Programme, Version
from programme.policies import Policies

# A newly published version reaches every process within this time. Published ones never change.
CACHE_SECONDS = 5.0
# Until when it certainly has, slow clocks and all.
KNOWN_EVERYWHERE = timedelta(minutes=1)

# What a programme may leave out.
OPTIONAL = ("contact", "questions")


class NoRulebook(Invalid):
    code = "no_rulebook"
    message = _("No rulebook was valid on %(day)s.")


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A published version, ready to judge by. Rooms cache their compiled rules by its id."""

    id: int
    number: int
    valid_from: date
    policies: Policies


@dataclass(slots=True)
class _Cache:
    until: float = 0.0
    rulebooks: tuple[Rulebook, ...] = ()
    programme_until: float = 0.0
    programme: Programme | None = None


_cache = _Cache()


def rulebook_on(day: date) -> Rulebook:
    """
    Return the rulebook that judges what happened on a day.

    :raises NoRulebook: if the first version starts later, or none is published
    """
    rulebooks = _published()
    index = bisect_right(rulebooks, day, key=lambda rulebook: rulebook.valid_from)
    if index == 0:
        raise NoRulebook(day=day)
    return rulebooks[index - 1]


def rulebooks() -> tuple[Rulebook, ...]:
    """Every published version, by its first day."""
    return _published()


def rulebook(version_id: int) -> Rulebook:
    """
    Return the rulebook that judged something, whatever was published since.

    :raises NoRulebook: if that version is not published
    """
    for rulebook in _published():
        if rulebook.id == version_id:
            return rulebook
    raise NoRulebook(day="")


def forget_cached() -> None:
    """Read everything anew at the next question, in this process."""
    _cache.until = _cache.programme_until = 0.0


def programme() -> Programme | None:
    """The installed programme: its name and colour are on every page. Not for writing."""
    now = time.monotonic()
    if now >= _cache.programme_until:
        found = Programme.objects.select_related("logo").defer("logo__image")
        _cache.programme = found.first()
        _cache.programme_until = now + CACHE_SECONDS
    return _cache.programme


def points_per_unit() -> int:
    """
    How many points are worth one unit of the programme's currency.

    :raises NoRulebook: if nothing is installed
    """
    current = programme()
    if current is None:
        raise NoRulebook(day="")
    return current.points_per_currency_unit


def export(version: Version) -> dict[str, Any]:
    """Return a version with all its rooms' sections, as `operations.load` reads it."""
    programme = Programme.objects.get()
    return {
        "format": documents.FORMAT,
        "programme": {
            "code": programme.code,
            "names": programme.names,
            "currency": programme.currency,
            "points_per_currency_unit": programme.points_per_currency_unit,
            "color": programme.color,
            **{name: told for name in OPTIONAL if (told := getattr(programme, name))},
        },
        "valid_from": version.valid_from.isoformat(),
        "note": version.note,
        "policies": version.policies,
        **{
            section.name: content
            for section in sections.all_sections()
            if (content := section.dump(version)) != section.default
        },
    }


def newest_version() -> Version | None:
    """The version published last, whenever it begins: what a draft follows."""
    return Version.objects.exclude(published_at=None).order_by("-number").first()


def earliest_first_day(at: datetime) -> date:
    """
    The first day a version published now can have: one that has not begun, and will not have begun
    before every process knows the version (CACHE_SECONDS).
    """
    return localdate(at + KNOWN_EVERYWHERE) + timedelta(days=1)


def next_free_day(at: datetime) -> date:
    """The earliest first day on which no version begins."""
    day = earliest_first_day(at)
    later = Version.objects.exclude(published_at=None).filter(valid_from__gte=day)
    taken = set(later.values_list("valid_from", flat=True))
    while day in taken:
        day += timedelta(days=1)
    return day


def _published() -> tuple[Rulebook, ...]:
    now = time.monotonic()
    if now >= _cache.until:
        _cache.rulebooks = tuple(
            Rulebook(row.pk, row.number, row.valid_from, Policies.parse(row.policies))
            for row in Version.objects.exclude(published_at=None).order_by("valid_from")
        )
        _cache.until = now + CACHE_SECONDS
    return _cache.rulebooks
