"""Benefits in words, in the active language."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from benefits.matrix import ALWAYS, BIRTHDAY, MONTH, QUARTER, UPGRADE, WHOLE_PRICE, YEAR, Cell
from benefits.models.items import Handover, ItemLimit
from common.amounts import money
from programme import queries as programme

TENTH = 10
CURRENCY = "CNY"


def entitled(document: Mapping[str, Any]) -> str:
    """{"month": 2} → “2 a month”; {"pays": "85"} → “15 % off”, in Chinese 8.5折."""
    return cell(Cell.parse(document))


def cell(told: Cell) -> str:
    if told.per == ALWAYS:
        return _("always")
    if told.pays is not None:
        return discount(told.pays)
    return str(_TIMES[told.per] % {"count": told.times})


# Lazily, in the active language; Chinese and English need no plural here.
_TIMES = {
    MONTH: gettext_lazy("%(count)s a month"),
    QUARTER: gettext_lazy("%(count)s a quarter"),
    YEAR: gettext_lazy("%(count)s a year"),
    BIRTHDAY: gettext_lazy("%(count)s in the month of the birthday"),
    UPGRADE: gettext_lazy("%(count)s on reaching the tier"),
}


def discount(pays: Decimal) -> str:
    """Of the percentage of the price that is paid."""
    # In Chinese one says what is paid, in tenths (8.5折); elsewhere what is taken off.
    is_chinese = (get_language() or "").startswith("zh")
    number = pays / TENTH if is_chinese else WHOLE_PRICE - pays
    return _("%(number)s %% off") % {"number": f"{number.normalize():f}"}


def price(points: int, cash: Decimal) -> str:
    """1000 and 20.50 → “1,000 points + 20.50 yuan”."""
    of_points = ngettext("%(shown)s point", "%(shown)s points", points)
    told = of_points % {"shown": number_format(points, use_l10n=True, force_grouping=True)}
    if not cash:
        return told
    installed = programme.programme()
    amount = money(cash, installed.currency if installed else CURRENCY)
    return f"{told} + {amount}" if points else amount


FOR_OTHER_TIERS = gettext_lazy("For other tiers")
SOLD_OUT = gettext_lazy("Sold out")


def left(pieces: int) -> str:
    return ngettext("Only %(count)s left", "Only %(count)s left", pieces) % {"count": pieces}


def on_sale_from(at: datetime) -> str:
    return _("From %(time)s") % {"time": date_format(localtime(at), "SHORT_DATETIME_FORMAT")}


def limit(each: ItemLimit) -> str:
    """“At most 2 a month”."""
    told = {"count": each.count, "period": each.get_period_display()}
    return _("At most %(count)s %(period)s") % told


def handover(code: str) -> str:
    return str(Handover(code).label)
