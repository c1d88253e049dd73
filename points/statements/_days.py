"""Days, and the credits of some days, as a reader is told of them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from django.utils.formats import date_format
from django.utils.timezone import localdate, localtime
from django.utils.translation import ngettext, pgettext

from points.models import Entry
from points.statements._around import Around

# How many credits a sentence names before it counts the others.
NAMED = 4


def day(value: date) -> str:
    """A day as the active language writes it."""
    return date_format(value, "DATE_FORMAT")


def moment(value: datetime) -> str:
    return date_format(localtime(value), "DATETIME_FORMAT")


def taken(entry: Entry) -> list[tuple[int, int]]:
    """What an entry took of which credit."""
    shares = zip(entry.lot_seq or (), entry.lot_points or (), strict=True)
    return [(seq, -points) for seq, points in shares if points < 0]


def credits_of(lots: Iterable[tuple[int, int]], of: Entry, around: Around) -> str:
    """
    Tell which points these were, by the day they came in: “15 June 2026 (40), 3 July 2026 (20)”.

    Empty if nothing is known of them.
    """
    by_day: dict[date, int] = {}
    for seq, points in lots:
        credit = around.entries.get((of.member_id, seq))
        if credit is None:
            return ""
        came_on = localdate(credit.effective_at)
        by_day[came_on] = by_day.get(came_on, 0) + points
    named = list(by_day.items())
    if len(named) > NAMED:
        named = named[: NAMED - 1]
    told = [
        pgettext("points of a day", "%(day)s (%(points)s)")
        % {"day": day(came_on), "points": f"{points:,}"}
        for came_on, points in named
    ]
    if others := list(by_day.values())[len(named) :]:
        told.append(
            ngettext(
                "%(count)s other day (%(points)s)", "%(count)s other days (%(points)s)", len(others)
            )
            % {"count": len(others), "points": f"{sum(others):,}"}
        )
    return listed(told)


def listed(parts: Sequence[str]) -> str:
    return pgettext("between the parts of a list", ", ").join(parts)
