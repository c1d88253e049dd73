"""What strikes the rule check about a ladder: each looks through a whole document, as a dict."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import combinations, islice, pairwise, product
from typing import Any

from django.utils.translation import gettext as _

from common.localized import localized
from programme import checks
from programme.checks import Finding, Severity

# One way to meet a criterion: what is gathered of each measure.
Way = Mapping[str, Decimal]
# A criterion may be met in more ways than anybody wrote down: so many are looked at.
WAYS_MAX = 500
# What is counted only if some kind of activity has this group.
GROUPS = {"interactions": "interaction", "events": "event", "referrals": "referral"}


def register() -> None:
    checks.register(unreachable, harder_to_keep, shorter_life)


def unreachable(document: dict[str, Any]) -> Iterator[Finding]:
    """Tiers nobody can reach, or would pass by."""
    levels = _levels(document)
    counted = {kind["group"] for kind in document.get("activities", {}).get("kinds", [])}
    for number, level in enumerate(levels):
        if "upgrade" not in level:
            continue
        path = ("tiers", "levels", number, "upgrade")
        ways = _ways(level["upgrade"])
        if not any(_can_be_gone(way, counted) for way in ways):
            why = _("Nobody can reach “%(tier)s”: no activity counts as what it asks.")
            yield Finding(Severity.WARNING, path, why % {"tier": _name(level)})
    for (number, lower), (_number, higher) in pairwise(enumerate(levels)):
        if "upgrade" not in lower or "upgrade" not in higher:
            continue
        if all(_is_met(higher["upgrade"], way) for way in _ways(lower["upgrade"])):
            why = _("Nobody stays in “%(tier)s”: who reaches it reaches “%(higher)s” too.")
            told = {"tier": _name(lower), "higher": _name(higher)}
            yield Finding(Severity.WARNING, ("tiers", "levels", number, "upgrade"), why % told)


def harder_to_keep(document: dict[str, Any]) -> Iterator[Finding]:
    """Tiers that ask more of who has them than of who wants them."""
    for number, level in enumerate(_levels(document)):
        if "keep" not in level or "upgrade" not in level:
            continue
        if not any(_is_met(level["keep"], way) for way in _ways(level["upgrade"])):
            why = _("“%(tier)s” is harder to keep than to reach.") % {"tier": _name(level)}
            yield Finding(Severity.WARNING, ("tiers", "levels", number, "keep"), why)


def shorter_life(document: dict[str, Any]) -> Iterator[Finding]:
    """Points that live shorter after an upgrade."""
    validity = document["policies"]["validity"]
    extra = validity.get("extra_months", {}) if isinstance(validity, dict) else {}
    for lower, higher in pairwise(_levels(document)):
        if extra.get(higher["code"], 0) < extra.get(lower["code"], 0):
            why = _("Who rises from “%(lower)s” to “%(higher)s” gets points that live shorter.")
            told = {"lower": _name(lower), "higher": _name(higher)}
            yield Finding(Severity.WARNING, ("policies", "validity", "extra_months"), why % told)


def _levels(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document.get("tiers", {}).get("levels", []))


def _name(level: dict[str, Any]) -> str:
    return localized(level["names"])


def _ways(criterion: Mapping[str, Any]) -> list[Way]:
    """The least that meets a criterion, in each way there is; windows are not looked at."""
    return list(islice(_each_way(criterion), WAYS_MAX))


def _each_way(criterion: Mapping[str, Any]) -> Iterator[Way]:
    if "measure" in criterion:
        yield {criterion["measure"]: Decimal(criterion["at_least"])}
        return
    word = next(word for word in ("all", "any", "of") if word in criterion)
    parts = criterion[word]
    needed = {"all": len(parts), "any": 1}.get(word) or criterion["some"]
    for chosen in combinations(parts, needed):
        for ways in product(*(_ways(part) for part in chosen)):
            yield _together(ways)


def _together(ways: tuple[Way, ...]) -> Way:
    needed: dict[str, Decimal] = {}
    for way in ways:
        for measure, at_least in way.items():
            needed[measure] = max(at_least, needed.get(measure, at_least))
    return needed


def _is_met(criterion: Mapping[str, Any], gathered: Way) -> bool:
    """Whether what was gathered meets one of the ways."""
    return any(
        all(gathered.get(measure, 0) >= at_least for measure, at_least in way.items())
        for way in _each_way(criterion)
    )


def _can_be_gone(way: Way, counted: set[str]) -> bool:
    return all(GROUPS[measure] in counted for measure in way if measure in GROUPS)
