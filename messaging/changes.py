"""
What rooms have written down and members are still to be told of (P10).

A room whose facts are posted too often, or by the thousand, to write a message with each declares
them here. A task walks each source in the order in which facts were recorded, some seconds behind
the postings, and says what it finds there (`operations.tell_changes`): no posting waits for it.

A source names facts by the time they were recorded: `recorded_at`, the beginning of the statement
that wrote them, by the database's clock.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

# What was brought over from elsewhere, or is replayed, is history and no news.
NEWS_DAYS = 7


class TooMany(Exception):
    """More facts than the caller wants at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    What a member is told of a fact, or of several that say the same.

    :param key: the natural name of the fact; it is said once
    """

    member_id: int
    template: str
    key: str
    variables: Mapping[str, Any]


# Facts recorded from one moment to before another, at most so many; raises TooMany.
Finder = Callable[[datetime, datetime, int | None], Sequence[Change]]

_sources: dict[str, Finder] = {}


def register(name: str, find: Finder) -> None:
    """
    Have members told of a room's facts.

    :param name: `<room>.<facts>`; where we are with them is kept under it
    :param find: what is to be said of those recorded from the first moment to before the second;
        where one statement wrote several of one member, it makes one message of those that say
        the same
    """
    assert name not in _sources, f"two sources are named {name}"
    _sources[name] = find


def rows(
    statement: str, since: datetime, until: datetime, at_most: int | None
) -> list[tuple[Any, ...]]:
    """
    Read facts, as a source does.

    :param statement: with %(since)s, %(until)s, %(news_days)s and LIMIT %(at_most)s
    :raises TooMany: if there are more than `at_most`
    """
    asked: dict[str, datetime | int | None] = {
        "since": since,
        "until": until,
        "news_days": NEWS_DAYS,
        "at_most": None if at_most is None else at_most + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        found = cursor.fetchall()
    if at_most is not None and len(found) > at_most:
        raise TooMany
    return found


def sources() -> dict[str, Finder]:
    return dict(_sources)
