"""What the fields of the ladder are called in the console (see `common.schemas.labels`)."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from common import schemas
from common.localized import localized
from tiers import words
from tiers.criteria import Measure


def register() -> None:
    schemas.labels(NAMES, HELPS)
    schemas.teller("criterion", lambda value, _choices: words.criterion(value))
    schemas.source("tiers", _levels, label=_("Tier"))
    schemas.labels({f"measure={value}": name for value, name in Measure.choices})


def _levels(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for level in document.get("tiers", {}).get("levels", ()):
        yield level["code"], localized(level["names"])


NAMES = {
    "tiers": _("Tiers"),
    "levels": _("Levels"),
    "upgrade": _("To reach it"),
    "keep": _("To keep it"),
    "application": _("To apply for it"),
    "approval": _("Staff decide upgrades"),
    "levels.validity": _("Is valid"),
    "measure": _("What is measured"),
    "at_least": _("At least"),
    "=measure": _("One condition"),
    "=all": _("All conditions"),
    "=any": _("Any one condition"),
    "=some": _("Some conditions"),
    "all": _("Conditions"),
    "any": _("Conditions"),
    "some": _("How many of them"),
    "some.of": _("Conditions"),
    "upgrade.of": _("Conditions"),
    "keep.of": _("Conditions"),
    "application.of": _("Conditions"),
    "window": _("Counted in"),
    "window=since_change": _("Since the last change of tier"),
    "window=calendar_year": _("The calendar year"),
    "window=anniversary": _("The member's year"),
    "window=months": _("The latest months"),
    "downgrade": _("Who does not keep a tier"),
    "downgrade=one_level": _("Falls one tier"),
    "downgrade=earned": _("Falls to the tier that was earned"),
    "downgrade=base": _("Falls to the lowest tier"),
    "grace_days": _("Days of grace"),
    "minimum_stay_days": _("Days at least in a tier"),
    "warn_days": _("Days before its end a member is warned"),
    "tiers.products": _("Tier that comes with a product"),
    "products.name": _("Product"),
    "products.level": _("Tier"),
}

HELPS = {
    "levels": _("The lowest first; it asks for nothing and never ends."),
    "keep": _("Nothing chosen: as to reach it."),
    "levels.validity": _("Empty: for ever."),
    "tiers.window": _("Where a condition names none."),
    "warn_days": _("With commas between, such as 60, 30, 7."),
}
