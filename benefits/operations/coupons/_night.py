"""What the night does with coupons, range by range."""

import json
from datetime import date, datetime

from django.db import connection

from benefits.operations.coupons._messages import LAPSING
from messaging import operations as messaging

# What a till holds at the moment it is using: the next night finds what was not used after all.
LAPSE = """
    UPDATE benefits_coupon
    SET state = 'LAPSED', reserved_until = NULL, store_id = NULL, receipt = ''
    WHERE id IN (
        SELECT id FROM benefits_coupon
        WHERE id BETWEEN %(low)s AND %(high)s
            AND state IN ('OPEN', 'RESERVED') AND last_on < %(day)s
        ORDER BY id
        FOR NO KEY UPDATE SKIP LOCKED
    )
"""

LAPSING_SOON = """
    SELECT coupon.id, coupon.member_id, batch.names, coupon.last_on
    FROM benefits_coupon AS coupon
    JOIN benefits_couponbatch AS batch ON batch.id = coupon.batch_id
    WHERE coupon.member_id BETWEEN %(low)s AND %(high)s
        AND coupon.state IN ('OPEN', 'RESERVED')
        AND coupon.last_on = %(day)s::date + batch.remind_days::integer
        AND batch.state IN ('RUNNING', 'ENDED')
    ORDER BY coupon.id
"""


def lapse(*, low: int, high: int, day: date) -> int:
    """Let coupons lapse whose last day was before `day`, by id. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(LAPSE, {"low": low, "high": high, "day": day})
        return int(cursor.rowcount)


def remind(*, low: int, high: int, day: date, at: datetime) -> int:
    """
    Tell members of the coupons of which so many days are left as their batch names, each once.

    :param low: of members, as is `high`
    :returns: how many messages
    """
    with connection.cursor() as cursor:
        cursor.execute(LAPSING_SOON, {"low": low, "high": high, "day": day})
        found = cursor.fetchall()
    told = messaging.send_many(
        template=LAPSING,
        messages=[
            messaging.ToSend(
                member_id=member_id,
                key=f"coupon-ends:{coupon_id}",
                variables={"coupon": json.loads(names), "last_day": last_on},
            )
            for coupon_id, member_id, names, last_on in found
        ],
        at=at,
    )
    return len(told)
