"""
What the cells of a file mean: amounts, dates, points. Strict, because a guess here is somebody's
money: `1,234`, `1e3`, `١٢٣` and `5.125` are refused, not interpreted.
"""

import re
from datetime import datetime
from decimal import Decimal

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaigns.operations import InvalidAmount
from common.errors import Invalid

AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,2})?\Z", re.ASCII)
WHOLE = re.compile(r"[0-9]{1,13}\Z", re.ASCII)
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?\Z",
    re.ASCII,
)
EARLIEST_YEAR = 1900
TEXT_MAX = 64


class InvalidMoment(Invalid):
    code = "invalid_date"
    message = _("Dates are written 2026-06-30, or with a time 2026-06-30T12:00:00+08:00.")


class InvalidPoints(Invalid):
    code = "invalid_points"
    message = _("Points are a whole number.")


def amount(text: str) -> Decimal:
    """:raises InvalidAmount: unless it is a plain number of at most two decimals, not negative"""
    if not AMOUNT.match(text):
        raise InvalidAmount
    return Decimal(text)


def points(text: str) -> int:
    """:raises InvalidPoints: unless it is a plain whole number"""
    if not WHOLE.match(text):
        raise InvalidPoints
    return int(text)


def moment(text: str) -> datetime:
    """
    Read a day (its beginning) or an ISO date-time, in the programme's zone unless it names one.

    :raises InvalidMoment: if it is neither, or before 1900
    """
    if not MOMENT.match(text):
        raise InvalidMoment
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:  # 2023-02-29
        raise InvalidMoment from error
    if at.year < EARLIEST_YEAR:
        raise InvalidMoment
    return at if at.tzinfo else at.replace(tzinfo=timezone.get_default_timezone())


def names_a_customer(text: str) -> bool:
    """Whether an organization's own number for its customer can look so."""
    return text.isprintable() and 0 < len(text) <= TEXT_MAX
