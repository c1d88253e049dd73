"""A notice, a cancellation and the end of the time for paying, at once: one comes first."""

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils.timezone import localdate

from benefits.models.orders import Order, OrderStep
from benefits.models.payments import Payment, PaymentNews, PaymentTry, Refund
from benefits.nightly.orders import verify_orders, verify_stock
from benefits.operations import orders, payments
from benefits.operations.items import Price
from benefits.payments import Standing, Told
from tests.benefits.buying import AT, order, points_of, rich
from tests.benefits.paying import LATER, PRICE, follow, payment_of, placed
from tests.benefits.plan import publish
from tests.benefits.shop import listed, remaining
from tests.concurrency.racing import Racer, at_once, until_waiting

pytestmark = [pytest.mark.concurrency, pytest.mark.usefixtures("_committed")]

ORDERS = 12


def settled(payment, *, at=LATER):
    """What a notice comes to, once it is read."""
    told = Told(
        number=payment.number,
        standing=Standing.PAID,
        transaction=f"t-{payment.number}",
        amount=payment.amount,
        currency=payment.currency,
        paid_at=at,
    )
    return payments.settle(told, provider=payment.provider, at=at)


def cancelled(one):
    try:
        return orders.cancel(order_id=one.pk, why="CHANGED_MIND", at=LATER)
    except orders.WrongOrderState as refusal:
        return refusal


def nothing_is_wrong():
    found = verify_orders(day=localdate(AT)), verify_stock(day=localdate(AT))
    return [each.get("findings") for each in found] == [None, None]


def test_notice_repeat_cancellation_and_time_out_at_once_leave_one_outcome():
    publish()
    item, one = listed(pieces=ORDERS, prices=PRICE), rich(400 * ORDERS)
    for _ in range(ORDERS):
        made = placed(one, item)
        payment = payment_of(made)
        at_once(
            lambda payment=payment: settled(payment),
            lambda payment=payment: settled(payment),
            lambda made=made: cancelled(made),
            lambda: follow(LATER),
            lambda: follow(LATER),
        )

    # The money has come for each: what was not kept for an order goes back, once.
    assert set(Payment.objects.values_list("state", flat=True)) == {"PAID"}
    assert PaymentNews.objects.count() == ORDERS
    ended = Order.objects.filter(state="CANCELLED").count()
    assert Order.objects.filter(state="PAID").count() == ORDERS - ended
    follow(LATER)
    assert Refund.objects.filter(state="DONE").count() == ended
    assert OrderStep.objects.filter(kind="CANCELLED").count() == ended
    assert (points_of(one), remaining(item)) == (400 * ended, ended)
    assert nothing_is_wrong()


@pytest.mark.parametrize("locked", [True, False])
def test_who_cancels_while_the_notice_is_written_gets_the_money_back(locked, monkeypatch):
    publish()
    made = order(rich(), listed(pieces=1, prices=(Price(0, 60),)))
    if not locked:
        found = Order.objects.select_related("claim__listing")
        monkeypatch.setattr(orders, "held", lambda order_id: found.get(pk=order_id))
    second = Racer(lambda: cancelled(made))

    with transaction.atomic():
        settled(payment_of(made), at=AT)
        second.go()
        until_waiting(second)

    if locked:
        assert second.answer().state == "CANCELLED"
        assert Refund.objects.get().state == "WAITING"
        assert nothing_is_wrong()
    else:
        # Only the database's trigger stops it, and that is no answer for a member.
        with pytest.raises(DatabaseError, match="does not change"):
            second.answer()


def test_a_refund_is_asked_for_by_one_of_many_workers():
    publish()
    made = placed()
    settled(payment_of(made), at=AT)
    orders.cancel(order_id=made.pk, why="CHANGED_MIND", at=AT)
    told = at_once(*[lambda: follow(LATER)] * 5)

    assert sum(each["refunds"] for each in told) == 1
    assert (Refund.objects.get().state, Refund.objects.get().tries) == ("DONE", 1)


@pytest.mark.parametrize("locked", [True, False])
def test_two_windows_put_a_payment_in_one_way(locked, monkeypatch):
    publish()
    payment = payment_of(placed())
    if not locked:
        found = Order.objects.select_related("claim__listing")
        monkeypatch.setattr(orders, "held", lambda order_id: found.get(pk=order_id))
    second = Racer(lambda: payments._tried(payment.pk, "H5", at=AT))

    with transaction.atomic():
        first, _is_new = payments._tried(payment.pk, "NATIVE", at=AT)
        second.go()
        until_waiting(second)

    if locked:
        assert second.answer() == (first, False)
    else:
        # Only the unique index stops it, and that is no answer for a member.
        with pytest.raises(IntegrityError):
            second.answer()
    assert PaymentTry.objects.count() == 1
