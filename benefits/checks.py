"""What strikes the rule check about benefits: it looks through a whole document, as a dict."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _

from benefits import words
from benefits.matrix import ALWAYS, MONTH, PAYS, QUARTER
from common.localized import localized
from programme import checks
from programme.checks import Finding, Severity

A_YEAR = {MONTH: 12, QUARTER: 4}
WITHOUT_END = Decimal("Infinity")
WHOLE_PRICE = Decimal(100)


def register() -> None:
    checks.register(lowered_by_rising, for_nobody)


def lowered_by_rising(document: dict[str, Any]) -> Iterator[Finding]:
    """A benefit of which a higher tier gets less than the tier below it."""
    levels = document.get("tiers", {}).get("levels", [])
    for nth, benefit in enumerate(_benefits(document)):
        for lower, higher in pairwise(levels):
            before, after = (benefit["tiers"].get(level["code"]) for level in (lower, higher))
            if _worth(after) < _worth(before):
                why = _(
                    "Who rises from “%(lower)s” to “%(higher)s” gets less of “%(benefit)s”:"
                    " %(after)s instead of %(before)s."
                )
                told = {
                    "lower": localized(lower["names"]),
                    "higher": localized(higher["names"]),
                    "benefit": localized(benefit["names"]),
                    "before": words.entitled(before),
                    "after": words.entitled(after) if after else _("nothing"),
                }
                path = ("benefits", "of_tiers", nth, "tiers")
                yield Finding(Severity.WARNING, path, why % told)


def for_nobody(document: dict[str, Any]) -> Iterator[Finding]:
    """A benefit that no tier gets."""
    for nth, benefit in enumerate(_benefits(document)):
        if not benefit["tiers"]:
            why = _("No tier gets “%(benefit)s”.") % {"benefit": localized(benefit["names"])}
            yield Finding(Severity.WARNING, ("benefits", "of_tiers", nth, "tiers"), why)


def _benefits(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(document.get("benefits", {}).get("of_tiers", []))


def _worth(cell: Mapping[str, Any] | None) -> Decimal:
    """How much it is, to compare cells of one benefit: times a year, or what is taken off."""
    if not cell:
        return Decimal(0)
    ((per, value),) = cell.items()
    if per == ALWAYS:
        return WITHOUT_END
    return WHOLE_PRICE - Decimal(value) if per == PAYS else Decimal(value * A_YEAR.get(per, 1))
