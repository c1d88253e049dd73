"""
Telling members of what rooms have written down (`messaging.changes`), span after span of time.

A span's messages and how far we are commit together: a worker that is killed has done nothing, and
the next does it anew. One worker at a time is at a source. A message's key names the fact, so even
a span walked twice says nothing twice.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from django.db import connection, transaction

from messaging import changes
from messaging.changes import Finder, TooMany
from messaging.models import Telling
from messaging.operations._messages import ToSend, send_many

logger = logging.getLogger(__name__)
Clock = Callable[[], datetime]

# A transaction may have read the clock and not yet be seen.
BEHIND = timedelta(seconds=2)
# A span grows while little is found in it; one that holds too much is cut.
FIRST_SPAN, SHORTEST = timedelta(seconds=10), timedelta(milliseconds=10)
AT_ONCE = 10_000

# What was recorded before this has been committed, or never will be: nobody's transaction is older.
# A statement of its own, before the facts are read: who has left the list then is seen now.
SETTLED = """
    SELECT least(clock_timestamp() - make_interval(secs => %s), min(xact_start))
    FROM pg_stat_activity
    WHERE datname = current_database() AND usename = session_user
        AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def tell_changes(*, clock: Clock, seconds: float = 20, behind: timedelta = BEHIND) -> int:
    """
    Tell members of what was recorded since the last time, for at most some seconds.

    :param behind: how old a fact is at least
    :returns: how many messages it came to
    """
    end = clock() + timedelta(seconds=seconds)
    settled = _settled(behind)
    said = 0
    for name, find in changes.sources().items():
        try:
            said += _walk(name, find, settled, clock, end)
        except Exception:
            # The others' members need not wait until somebody has mended this one.
            logger.exception("Members are not told of %s", name)
    return said


def _walk(name: str, find: Finder, settled: datetime, clock: Clock, end: datetime) -> int:
    said, span = 0, FIRST_SPAN
    while clock() < end:
        try:
            found = _tell(name, find, span, settled, at=clock())
        except TooMany:
            span /= 2
            continue
        if found is None:
            break
        said += found
        if found * 4 < AT_ONCE:
            span *= 2
    return said


@transaction.atomic(durable=True)
def _tell(
    name: str, find: Finder, span: timedelta, settled: datetime, *, at: datetime
) -> int | None:
    """How many messages the next span of time came to; None if there is none, or it is taken."""
    begin = settled - timedelta(days=changes.NEWS_DAYS)
    Telling.objects.get_or_create(source=name, defaults={"until": begin})
    held = Telling.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=name).first()
    if held is None or held.until >= settled:
        return None
    until = min(held.until + span, settled)
    found = find(held.until, until, AT_ONCE if span > SHORTEST else None)
    by_template = attrgetter("template")
    for template, group in groupby(sorted(found, key=by_template), by_template):
        messages = [
            ToSend(member_id=change.member_id, key=change.key, variables=change.variables)
            for change in group
        ]
        send_many(template=template, messages=messages, at=at)
    held.until = until
    held.save(update_fields=["until"])
    return len(found)


def _settled(behind: timedelta) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute(SETTLED, [behind.total_seconds()])
        settled: datetime = cursor.fetchone()[0]
    return settled
