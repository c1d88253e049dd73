"""The night and the day at once."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from campaigns import operations as campaigns
from common import events
from common.models import OutboxEvent
from members import operations as members
from points import operations, queries
from points.models import Entry, Lot
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.factories import identity, lot, member, source
from tests.factories.points import NOON
from tests.points.returning import give_back

pytestmark = pytest.mark.concurrency

LAPSED, DAY = date(2026, 6, 30), date(2026, 7, 1)
JULY = NOON.replace(month=7)


def test_earning_while_the_night_sweeps_loses_nothing(of):
    lot(of, 100, expires_on=LAPSED)

    sweep = Racer(lambda: operations.expire(low=of.id, high=of.id, on=DAY))
    with transaction.atomic():
        lot(of, 50)
        sweep.go()
        until_waiting(sweep)

    assert sweep.answer() == (1, 1, 100)
    assert queries.balance(of.id) == 50
    assert dict(Lot.objects.values_list("seq", "remaining")) == {2: 50}
    assert Entry.objects.get(kind="EXPIRE").balance_after == 50


def test_the_night_takes_only_what_a_late_redemption_left(of):
    """The sweep had found the lot before it had to wait; it must look again."""
    lot(of, 100, expires_on=LAPSED)

    sweep = Racer(lambda: operations.expire(low=of.id, high=of.id, on=DAY))
    with transaction.atomic():
        operations.redeem(member=of, points=70, at=NOON, reference="R", source=source())
        sweep.go()
        until_waiting(sweep)

    assert sweep.answer() == (1, 1, 30)
    assert queries.balance(of.id) == 0


SWEEP_AS_ONE_STATEMENT = """
    WITH account AS (
        SELECT member_id FROM points_account WHERE member_id = %(member)s FOR NO KEY UPDATE
    ), due AS (
        SELECT l.* FROM points_lot AS l JOIN account USING (member_id) WHERE expires_on < %(day)s
    ), gone AS (
        DELETE FROM points_lot AS l USING due AS d
        WHERE (l.member_id, l.expires_on, l.seq) = (d.member_id, d.expires_on, d.seq)
    )
    UPDATE points_account AS a SET balance = a.balance - due.remaining, seq = a.seq + 1
    FROM due WHERE a.member_id = due.member_id RETURNING due.remaining
"""


def test_a_sweep_in_one_statement_would_take_what_was_spent(of, breaks_the_ledger):
    """The control of the test before."""
    lot(of, 100, expires_on=LAPSED)

    def one_statement():
        with connection.cursor() as cursor:
            cursor.execute(SWEEP_AS_ONE_STATEMENT, {"member": of.id, "day": DAY})
            return cursor.fetchall()

    sweep = Racer(one_statement)
    with transaction.atomic():
        operations.redeem(member=of, points=70, at=NOON, reference="R", source=source())
        sweep.go()
        until_waiting(sweep)

    assert sweep.answer() == [(100,)]
    assert queries.balance(of.id) == -70


def test_a_return_and_a_redemption_of_the_same_points(of):
    campaigns.post_purchase(purchase=_purchase(of), now=NOON)

    returning = Racer(lambda: give_back("P1", "100.00", reference="B1"))
    with transaction.atomic():
        operations.redeem(member=of, points=10, at=NOON, reference="R", source=source())
        returning.go()
        until_waiting(returning)

    assert returning.answer().posting.balance_after == -10
    assert queries.balance(of.id) == -10


def _purchase(of):
    return campaigns.Purchase(
        member=of, reference="P1", at=NOON, amount=Decimal("100.00"), source=source()
    )


def test_two_deliverers_deliver_each_event_once():
    leaving = [member() for _ in range(6)]
    for who in leaving:
        lot(identity(who), 10)
        members.close(member_id=who.pk, closed_at=JULY, by=None, reason="")

    delivered = at_once(*[lambda: events.deliver_waiting(now=_soon())] * 3)

    # Of each that it joined, which two hear, and that it left, which three hear.
    assert sum(delivered) == OutboxEvent.objects.count() == 6 * (2 + 3)
    assert set(OutboxEvent.objects.values_list("attempts", flat=True)) == {1}
    assert Entry.objects.filter(kind="FORFEIT").count() == 6


def _soon():
    return timezone.now() + timedelta(minutes=1)


@pytest.mark.parametrize("in_order", [True, False])
def test_an_import_chunk_and_the_night(in_order):
    """
    In the order of member ids one waits for the other; against it, the database ends the deadlock.

    Whoever loses finds nothing written and may try again: the importer does.
    """
    of = sorted((identity(), identity()), key=lambda one: one.id)
    for one in of:
        lot(one, 10, expires_on=LAPSED)
    first, second = of if in_order else reversed(of)

    sweep = Racer(lambda: operations.expire(low=of[0].id, high=of[1].id, on=DAY))
    lost = False
    try:
        with transaction.atomic():
            lot(first, 5)
            sweep.go()
            until_waiting(sweep)
            lot(second, 5)
    except OperationalError:
        lost = True
    swept = sweep.answer(may_fail=True)

    deadlocked = lost or isinstance(swept, OperationalError)
    assert deadlocked is not in_order
    posted = 0 if lost else 5
    left = posted if not isinstance(swept, OperationalError) else 10 + posted
    assert [queries.balance(one.id) for one in of] == [left, left]
