"""What the ledger hears."""

from datetime import UTC, datetime

import pytest

from common import events
from common.models import OutboxEvent
from members import operations as members
from points import queries
from points.models import Entry
from tests.factories import identity, lot, member

pytestmark = pytest.mark.django_db

CLOSED_AT = datetime(2026, 6, 20, 4, tzinfo=UTC)


def test_who_leaves_forfeits_once_however_often_it_is_told():
    who = member()
    lot(identity(who), 100)
    members.close(member_id=who.pk, closed_at=CLOSED_AT, by=None, reason="moved away")
    assert queries.balance(who.pk) == 100

    events.deliver_waiting(now=datetime.now(UTC))
    closed = OutboxEvent.objects.filter(
        name="member.closed", subscriber="points.subscribers.forfeit_balance"
    )
    assert closed.exclude(delivered_at=None).update(delivered_at=None) == 1
    assert events.deliver_waiting(now=datetime.now(UTC)) == 1

    forfeit = Entry.objects.get(kind="FORFEIT")
    assert (forfeit.points, forfeit.balance_after, forfeit.effective_at) == (-100, 0, CLOSED_AT)


def test_who_leaves_without_points_loses_none():
    who = member()
    members.close(member_id=who.pk, closed_at=CLOSED_AT, by=None, reason="")

    events.deliver_waiting(now=datetime.now(UTC))

    assert not Entry.objects.exists()
    assert not OutboxEvent.objects.filter(delivered_at=None).exists()
