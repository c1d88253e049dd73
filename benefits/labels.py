"""What the fields of benefits are called in the console (see `common.schemas.labels`)."""

from django.utils.translation import gettext_lazy as _

from benefits import words
from benefits.models import Kind, OnDowngrade, Source
from common import schemas


def register() -> None:
    schemas.labels(NAMES, HELPS)
    schemas.teller("entitled", lambda value, _choices: words.entitled(value))
    for field, choices in CHOICES.items():
        schemas.labels({f"{field}={value}": name for value, name in choices})


NAMES = {
    "benefits": _("Benefits"),
    "of_tiers": _("Tier benefits"),
    "of_tiers.description": _("What it is and how to use it"),
    "of_tiers.source": _("Where it comes from"),
    "of_tiers.kind": _("Kind"),
    "of_tiers.tiers": _("Who gets it"),
    "of_tiers.tiers.*": _("Gets"),
    "of_tiers.cost": _("Cost of a delivery"),
    "of_tiers.funding": _("Who bears the cost"),
    "of_tiers.days_of_month": _("Only on these days of the month"),
    "of_tiers.lapse_days": _("Lapses after so many days"),
    "of_tiers.on_downgrade": _("After a downgrade"),
    "undo_minutes": _("Minutes to undo a delivery"),
    "of_tiers.tiers.*.month": _("How many"),
    "of_tiers.tiers.*.quarter": _("How many"),
    "of_tiers.tiers.*.year": _("How many"),
    "of_tiers.tiers.*.birthday_month": _("How many"),
    "of_tiers.tiers.*.upgrade": _("How many"),
    "of_tiers.tiers.*.pays": _("Percent of the price"),
    "of_tiers.tiers.*=month": _("So many a month"),
    "of_tiers.tiers.*=quarter": _("So many a quarter"),
    "of_tiers.tiers.*=year": _("So many a year"),
    "of_tiers.tiers.*=birthday_month": _("So many in the month of the birthday"),
    "of_tiers.tiers.*=upgrade": _("So many on reaching the tier"),
    "of_tiers.tiers.*=always": _("Always, without a count"),
    "of_tiers.tiers.*=pays": _("Pays a part of the price"),
}

HELPS = {
    "of_tiers": _("What each tier gets stands in the matrix."),
    "of_tiers.cost": _("In the programme's currency. Empty: nothing."),
    "of_tiers.funding": _("Together exactly 100 percent. Without an entry the brand pays."),
    "of_tiers.categories": _("Of a discount. Nothing chosen: every category."),
    "of_tiers.days_of_month": _("Of a discount, such as a member day. Nothing chosen: every day."),
    "of_tiers.lapse_days": _("Empty: at the end of its period."),
    "of_tiers.on_downgrade": _("Empty: what was granted stays to its last day."),
    "of_tiers.tiers.*.pays": _("85 is 15 % off, 8.5折."),
    "undo_minutes": _("Empty: 15."),
}

CHOICES = {
    "of_tiers.source": Source.choices,
    "of_tiers.kind": Kind.choices,
    "of_tiers.on_downgrade": OnDowngrade.choices,
}
