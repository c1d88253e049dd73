"""Saying something to some of many members: plans, never the clock."""

import json
import re

import pytest
from django.db import connection

from messaging.models import Delivery, Message
from messaging.operations import _messages
from tests.factories import wording
from tests.factories.messaging import LAPSING
from tests.factories.points import NOON
from tests.performance.seeding import seed_members

pytestmark = [pytest.mark.django_db, pytest.mark.perf]
CHUNK = 500


def test_a_chunk_of_messages_reads_no_table_of_members_from_end_to_end():
    seed_members(50_000)
    wording()
    chunk = range(10_000, 10_000 + CHUNK)
    variables = json.dumps({"points": 1, "last_day": "2026-12-31"})

    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN ANALYZE " + _messages.SEND,
            {
                "template": LAPSING,
                "at": NOON,
                "purpose": "ACCOUNT",
                "is_security": False,
                "needs_consent": False,
                "goes_unasked": True,
                "to_ended": False,
                "leaves": True,
                "to_unproven": False,
                "by_sms": True,
                "by_wechat": True,
                "by_webhook": True,
                "member_ids": list(chunk),
                "keys": [f"k{n}" for n in chunk],
                "variables": [variables] * CHUNK,
            },
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert Message.objects.exclude(delivered_at=None).count() == CHUNK
    assert Delivery.objects.count() == 3 * CHUNK
    scanned = re.findall(r"Seq Scan on (\w+)", plan)
    assert set(scanned) <= {"messaging_wording", "messaging_follower"}, plan
