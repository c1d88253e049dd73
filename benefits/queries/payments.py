"""Questions about money for orders."""

from collections.abc import Iterable

from benefits import payments
from benefits.models.items import ItemPrice
from benefits.models.orders import Order
from benefits.models.payments import Payment, PaymentNews, PaymentTry, RefundState


def payable(prices: Iterable[ItemPrice]) -> list[ItemPrice]:
    """Those that can be paid online: without somebody who takes money, points alone."""
    takes_money = payments.provider() is not None
    return [each for each in prices if takes_money or not each.cash]


def of_order(order_id: int) -> Payment | None:
    """The money of an order, with its refund if it has one."""
    return Payment.objects.select_related("refund").filter(order=order_id).first()


def open_try(payment: Payment) -> PaymentTry | None:
    """How it is put to the provider now, if it is."""
    return PaymentTry.objects.filter(payment=payment, closed_at=None).first()


def news(payment: Payment) -> list[PaymentNews]:
    """What the provider said, first to last."""
    return list(PaymentNews.objects.filter(payment=payment).order_by("pk"))


def refund_failed(order: Order) -> bool:
    payment = getattr(order, "payment", None)
    refund = getattr(payment, "refund", None)
    return refund is not None and refund.state == RefundState.FAILED
