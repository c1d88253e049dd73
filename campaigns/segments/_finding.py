"""Who is in a segment, and how many."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Max, Min, QuerySet

from campaigns.models import Segment
from campaigns.segments._compiling import Statement, compiled, listed
from members.models import Member

# How long somebody who builds a segment waits for its size.
PATIENCE_SECONDS = 2
# After that it is estimated from so many stretches of so many members.
STRETCHES = 10
STRETCH_MEMBERS = 1000
QUERY_CANCELED = "57014"


@dataclass(frozen=True, slots=True)
class Size:
    """`looked_at`: of how many members it was estimated; 0: counted."""

    members: int
    looked_at: int = 0


def statement(segment: Segment, *, day: date, among: tuple[int, int] | None = None) -> Statement:
    if segment.is_kept:
        return listed(segment.pk, day=day, among=among)
    return compiled(segment.definition, day=day, among=among)


def size(
    definition: Mapping[str, Any], *, day: date, patience_seconds: int = PATIENCE_SECONDS
) -> Size:
    """How many fit a valid definition: counted, or estimated where counting takes too long."""
    return _size(compiled(definition, day=day), definition, patience_seconds)


def size_of(segment: Segment, *, day: date, patience_seconds: int = PATIENCE_SECONDS) -> Size:
    """As `size`, of a segment. A kept list is counted."""
    found = statement(segment, day=day)
    return _size(found, None if segment.is_kept else segment.definition, patience_seconds)


def _size(found: Statement, definition: Mapping[str, Any] | None, patience_seconds: int) -> Size:
    if definition is None:
        return Size(_count(found))
    try:
        with _patience(patience_seconds):
            return Size(_count(found))
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", "") != QUERY_CANCELED:
            raise
    return _estimated(definition, found.day)


def _estimated(definition: Mapping[str, Any], day: date) -> Size:
    """From stretches of neighbours spread over all members: each is found by indexes alone."""
    ends = Member.objects.aggregate(low=Min("pk"), high=Max("pk"))
    low, span = ends["low"], ends["high"] - ends["low"] + 1
    step = max(STRETCH_MEMBERS, span // STRETCHES)
    found = looked_at = 0
    for start in range(low, low + span, step):
        among = (start, min(start + STRETCH_MEMBERS, low + span) - 1)
        found += _count(compiled(definition, day=day, among=among))
        looked_at += among[1] - among[0] + 1
    return Size(found * span // looked_at, looked_at)


def _count(found: Statement) -> int:
    with connection.cursor() as cursor:
        cursor.execute(found.select("count(*)"), found.params)
        return int(cursor.fetchone()[0])


@contextmanager
def _patience(seconds: int) -> Iterator[None]:
    """Let the database give up a statement that takes longer."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        usual = cursor.fetchone()[0]
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds}s"])
        yield
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [usual])


def member_ids(
    segment: Segment,
    *,
    day: date,
    among: tuple[int, int] | None = None,
    limit: int | None = None,
) -> list[int]:
    """Who is in a segment on a day, in the order in which they joined."""
    found = statement(segment, day=day, among=among)
    tail = "ORDER BY m.id" if limit is None else f"ORDER BY m.id LIMIT {found.param(limit)}"
    with connection.cursor() as cursor:
        cursor.execute(found.select("m.id", tail), found.params)
        return [member_id for (member_id,) in cursor.fetchall()]


def members(segment: Segment, *, day: date, limit: int) -> QuerySet[Member]:
    """The first of those in a segment, with their stores."""
    ids = member_ids(segment, day=day, limit=limit)
    return Member.objects.filter(pk__in=ids).select_related("enrolling_store").order_by("pk")
