"""Members hear of rights that are about to lapse."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import connection, transaction

from benefits import messages
from messaging import operations as messaging
from messaging.operations import ToSend

# So long before its last day a right that nobody has used is told of.
WARN_DAYS = 7

# What was granted for less time than that is told of as it is granted.
LAPSING = """
    SELECT r.member_id, r.version_id, r.benefit, count(*)
    FROM benefits_right AS r JOIN members_member AS m ON m.id = r.member_id
    WHERE r.member_id BETWEEN %(low)s AND %(high)s AND r.state = 'GRANTED'
        AND r.last_on = %(last)s AND r.granted_on < %(day)s AND m.status = 'ACTIVE'
    GROUP BY r.member_id, r.version_id, r.benefit
    ORDER BY r.member_id, min(r.id)
"""


@transaction.atomic
def warn_of_lapse(*, low: int, high: int, day: date, at: datetime) -> int:
    """
    Tell members low … high which rights they can use for a week more. Repeating says nothing twice.

    :returns: how many members
    """
    last = last_day_told_on(day)
    asked: dict[str, int | date] = {"low": low, "high": high, "day": day, "last": last}
    with connection.cursor() as cursor:
        cursor.execute(LAPSING, asked)
        rows = cursor.fetchall()
    wanted = list(_messages(rows, last))
    if wanted:
        messaging.send_many(template=messages.LAPSING, messages=wanted, at=at)
    return len(wanted)


def last_day_told_on(day: date) -> date:
    """The last day of the rights that are told of on a day."""
    return day + timedelta(days=WARN_DAYS)


def _messages(rows: list[tuple[Any, ...]], last: date) -> Iterator[ToSend]:
    for member_id, group in groupby(rows, itemgetter(0)):
        yield ToSend(
            member_id=member_id,
            key=f"{messages.LAPSING}:{member_id}:{last}",
            variables={"rights": [each[1:] for each in group], "last_day": last},
        )
