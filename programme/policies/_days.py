"""Arithmetic with days, months and the calendar's own end."""

import calendar
from datetime import date

# A point that never lapses. Also the database's last day; 'infinity' cannot be read into a date.
NEVER = date.max

UNTIL = ["day", "month_end", "quarter_end", "year_end"]

_QUARTER = 3
_YEAR = 12


def months_from(day: date, months: int, until: str = "day") -> date:
    """
    Return the day `months` (which may be negative) from a day; NEVER when the calendar ends first.

    `day`: the same day of that month, or its last when it has no such day (29 February and 12
    months: 28 February), as PostgreSQL adds an interval. The others: the last day of the month,
    quarter or year in which that is.
    """
    month = day.year * _YEAR + day.month - 1 + months
    if until == "quarter_end":
        month += _QUARTER - 1 - month % _QUARTER
    elif until == "year_end":
        month += _YEAR - 1 - month % _YEAR
    year, month = divmod(month, _YEAR)
    if year > NEVER.year:
        return NEVER
    if year < date.min.year:
        return date.min
    month_end = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, month_end) if until == "day" else month_end)


def days_from(day: date, days: int) -> date:
    """Return the day `days` (which may be negative) from a day, within the calendar."""
    ordinal = day.toordinal() + days
    return date.fromordinal(min(max(ordinal, date.min.toordinal()), NEVER.toordinal()))


def day_of_year(year: int, month: int, day: int) -> date:
    """Return that day of a year; 29 February is the 28th in common years."""
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))
