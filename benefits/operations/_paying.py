"""
The rows of money that go with an order: written within the order's own transactions, behind its
lock. Nothing here talks to a provider: `operations.payments` does, outside of any transaction.
"""

import secrets
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from benefits import payments
from benefits.models.orders import Order
from benefits.models.payments import Payment, PaymentState, Refund, RefundState
from common.errors import DomainError
from programme import queries as programme

RANDOM_BYTES = 4
# Points stay set aside for longer than money is waited for: the provider may be out of reach when
# it is asked for the last time.
PATIENCE = timedelta(days=1)


class CostsMoney(DomainError):
    code = "costs_money"
    message = _("What costs money cannot be ordered online yet.")


def require_provider() -> payments.Provider:
    """:raises CostsMoney: unless somebody takes money for us, in the programme's currency"""
    found = payments.provider()
    if found is None or currency() not in found.currencies:
        raise CostsMoney
    return found


def currency() -> str:
    installed = programme.programme()
    return installed.currency if installed else "CNY"


def deadline(at: datetime) -> datetime:
    return at + timedelta(minutes=settings.PAYMENT_MINUTES)


def open_payment(order: Order, amount: Decimal, *, at: datetime) -> Payment:
    until = deadline(at)
    return Payment.objects.create(
        order=order,
        provider=require_provider().name,
        # Other installations may share the merchant's account.
        number=f"{order.number}P{secrets.token_hex(RANDOM_BYTES)}",
        amount=amount,
        currency=currency(),
        until=until,
        state=PaymentState.WAITING,
        due_at=until,
    )


def not_wanted(order: Order, *, at: datetime) -> None:
    """
    The order has ended before the money came, or after: no more is taken, and what was paid goes
    back.
    """
    payment = Payment.objects.filter(order=order).first()
    if payment is None:
        return
    if payment.state == PaymentState.PAID:
        give_back(payment, at=at)
    elif payment.state == PaymentState.WAITING:
        payment.state, payment.due_at = PaymentState.CLOSED, at
        payment.save(update_fields=["state", "due_at"])


def give_back(payment: Payment, *, at: datetime) -> None:
    """Have all of a payment given back, once."""
    Refund.objects.get_or_create(
        payment=payment,
        defaults={
            "number": f"{payment.number}R",
            "amount": payment.amount,
            "state": RefundState.WAITING,
            "made_at": at,
            "due_at": at,
        },
    )
