"""Benefits in words, in the active language."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from benefits.matrix import ALWAYS, BIRTHDAY, MONTH, QUARTER, UPGRADE, WHOLE_PRICE, YEAR, Cell

TENTH = 10


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
