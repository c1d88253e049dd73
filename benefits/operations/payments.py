"""
Money for orders: asked for, heard of, looked after, given back.

A provider is asked outside of any transaction; what it says is written behind the order's lock, so
of a notice, a cancellation and the end of the time for paying one comes first and the others see
it. Whoever wants to know what became of a payment asks the provider before anything is given up:
a notice may have been lost.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from benefits import payments as providers
from benefits.models.orders import Order, OrderState
from benefits.models.payments import (
    TROUBLE_MAX,
    Payment,
    PaymentNews,
    PaymentState,
    PaymentTry,
    PaymentWay,
    Refund,
    RefundState,
    Verdict,
)
from benefits.operations import _paying, orders
from benefits.payments import Asked, Back, BackState, Provider, Standing, Told
from common import audit
from common.errors import DomainError, NotFound
from common.models import User
from common.outside import Away, NotNow, Refused

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]
# How many are taken at once, and for how long nobody else takes them.
TAKEN_AT_ONCE = 20
LEASE = timedelta(minutes=2)
# How long after its time was over an order is kept for a provider that does not answer.
WAITS_FOR_WORD = timedelta(hours=1)
# What leads from a phone's browser into WeChat is good for five minutes there. A sheet is for one
# payer, who comes anew by the same way: so another WeChat on the phone does not stay locked out.
GOOD_FOR = {PaymentWay.H5: timedelta(minutes=4), PaymentWay.JSAPI: timedelta(0)}
# For so long nobody else's question ends what a member began on the own phone.
LEFT_ALONE = timedelta(minutes=5)
# A refund that is on its way, or was not taken, is asked after again: sooner at first.
AGAIN_AFTER = timedelta(minutes=1)
AGAIN_AT_MOST = timedelta(hours=6)


class UnknownPayment(NotFound):
    code = "unknown_payment"
    message = _("There is no such payment.")


class NotPayableNow(DomainError):
    code = "not_payable"
    message = _("This order cannot be paid now.")


class WayNotOffered(DomainError):
    code = "payment_way_not_offered"
    message = _("It cannot be paid in this way.")


class ProviderAway(DomainError):
    code = "payment_provider_away"
    message = _("The payment provider does not answer. Try again in a moment.")
    status = 503


class RefundNotFailed(DomainError):
    code = "refund_not_failed"
    message = _("This refund has not failed.")


# --- Asking for it --------------------------------------------------------------------------------


def begin(
    *, order_id: int, at: datetime, way: str = PaymentWay.NATIVE, payer_ip: str = "",
    openid: str = "",
) -> PaymentTry:  # fmt: skip
    """
    Have the provider ask for the money: there is then an address that a phone opens. Of two ways
    one is closed before the other is opened, so that nobody pays twice.

    :param way: one of `ways`
    :param payer_ip: where the payer's browser is
    :param openid: who the payer is to WeChat; a must for `JSAPI`
    :raises UnknownPayment: :raises NotPayableNow: if it is not waited for any more
    :raises WayNotOffered: if the provider has no such way
    :raises ProviderAway: if the provider cannot say now
    """
    payment = _open(order_id, at)
    provider = providers.named(payment.provider)
    if provider is None:
        raise ProviderAway
    if way not in provider.ways or (way == PaymentWay.JSAPI and not openid):
        raise WayNotOffered
    try:
        one, is_new = _tried(payment.pk, way, at=at)
        if not is_new and (one.way != way or _is_stale(one, at)):
            _withdraw(one, provider, at=at)
            one, is_new = _tried(payment.pk, way, at=at)
            if one.way != way:
                # Somebody else was quicker, in another window.
                raise ProviderAway
        if not one.address:
            _put(one, provider, _asked(payment, one, payer_ip, openid))
    except Refused as refusal:
        # Such as: it is paid already. Who looks after it next will see.
        _note(payment, str(refusal))
        raise NotPayableNow from refusal
    except (Away, NotNow) as trouble:
        _note(payment, str(trouble))
        raise ProviderAway from trouble
    return one


def ways(payment: Payment) -> frozenset[str]:
    """In which ways it can be paid."""
    provider = providers.named(payment.provider)
    return frozenset() if provider is None else provider.ways


def link(one: PaymentTry, *, at: datetime) -> str:
    """What leads from a phone's browser into WeChat; empty when it is over, or was none."""
    return one.address if one.way == PaymentWay.H5 and not _is_stale(one, at) else ""


def is_on_own_phone(payment: Payment, *, at: datetime) -> bool:
    """The member has just gone into WeChat: whoever asks for a code would close that."""
    one = PaymentTry.objects.filter(payment=payment, closed_at=None).first()
    return one is not None and one.way != PaymentWay.NATIVE and at < one.begun_at + LEFT_ALONE


def sheet(one: PaymentTry) -> Mapping[str, str]:
    """What WeChat's browser wants to ask for the money: empty unless it is put to it so."""
    provider = providers.named(one.payment.provider)
    if provider is None or one.way != PaymentWay.JSAPI or not one.address:
        return {}
    return provider.sheet(one.address)


def _open(order_id: int, at: datetime) -> Payment:
    found = Payment.objects.select_related("order__claim__listing")
    payment = found.filter(order=order_id).first()
    if payment is None:
        raise UnknownPayment
    if payment.state != PaymentState.WAITING or at >= payment.until:
        raise NotPayableNow
    return payment


@transaction.atomic
def _tried(payment_id: int, way: str, *, at: datetime) -> tuple[PaymentTry, bool]:
    """
    The one that is open, of whichever way; else a new one, written before anybody is asked. And
    whether it is new.
    """
    _order, payment = _held(payment_id)
    if payment.state != PaymentState.WAITING:
        raise NotPayableNow
    earlier = list(PaymentTry.objects.filter(payment=payment).order_by("nth"))
    if earlier and earlier[-1].closed_at is None:
        return earlier[-1], False
    nth = len(earlier) + 1
    number = payment.number if nth == 1 else f"{payment.number}-{nth}"
    made = PaymentTry.objects.create(
        payment=payment, nth=nth, way=way, number=number, begun_at=at
    )  # fmt: skip
    return made, True


def _is_stale(one: PaymentTry, at: datetime) -> bool:
    good_for = GOOD_FOR.get(PaymentWay(one.way))
    return good_for is not None and at >= one.begun_at + good_for


def _put(one: PaymentTry, provider: Provider, asked: Asked) -> None:
    address = provider.begin(asked)
    still = PaymentTry.objects.filter(pk=one.pk, closed_at=None)
    if not still.update(address=address):
        # Withdrawn meanwhile, in another window: two must not be open.
        provider.close(one.number)
        raise NotPayableNow
    Payment.objects.filter(pk=one.payment_id).update(trouble="")
    one.address = address


def _withdraw(one: PaymentTry, provider: Provider, *, at: datetime) -> None:
    """
    Let nobody pay it so any more.

    :raises NotPayableNow: if it is paid: then the payment is settled
    """
    told = _shut(one.number, provider)
    if told.standing == Standing.PAID:
        settle(told, provider=provider.name, at=at, was_asked=True)
        raise NotPayableNow
    PaymentTry.objects.filter(pk=one.pk, closed_at=None).update(closed_at=at)


def _shut(number: str, provider: Provider) -> Told:
    """How it stood when nobody could pay it any more."""
    told = provider.ask(number)
    if told.standing == Standing.OPEN:
        # Refused if it was paid just now: then it is asked again.
        provider.close(number)
    return told


def _asked(payment: Payment, one: PaymentTry, payer_ip: str, openid: str) -> Asked:
    claim = payment.order.claim
    with override(settings.LANGUAGE_CODE):
        title = f"{claim.listing.name} ×{claim.quantity}"
    notice = reverse("benefits:payment_notice", args=[payment.provider])
    page = reverse("benefits:order_pay", args=[payment.order_id])
    return Asked(
        number=one.number,
        way=one.way,
        title=title,
        amount=payment.amount,
        currency=payment.currency,
        until=payment.until,
        notify_url=settings.SITE_URL + notice,
        return_url=settings.SITE_URL + page,
        payer_ip=payer_ip,
        openid=openid,
    )


# --- Hearing of it --------------------------------------------------------------------------------


def heard(
    *, provider: str, headers: Mapping[str, str], body: bytes, at: datetime
) -> Verdict | None:
    """
    Take a provider's notice. Safe to repeat.

    :returns: what came of it; None if it is about nothing of ours to do
    :raises NotGenuine: unless it is signed by the provider
    :raises UnknownPayment: if there is no such provider or payment
    """
    found = providers.named(provider)
    if found is None:
        raise UnknownPayment
    told = found.read(headers, body, at=at)
    return None if told is None else settle(told, provider=provider, at=at)


@transaction.atomic
def settle(told: Told, *, provider: str, at: datetime, was_asked: bool = False) -> Verdict:
    """
    Note that a payment is paid: the order is; if it does not wait any more, the money goes back.

    :param was_asked: we asked for it, rather than being told
    :raises UnknownPayment: if there is none of this number
    """
    assert told.standing == Standing.PAID, "nothing else settles anything"
    is_named = Q(number=told.number) | Q(tries__number=told.number)
    found = Payment.objects.filter(is_named, provider=provider).values_list("pk", flat=True).first()
    if found is None:
        raise UnknownPayment
    order, payment = _held(found)
    verdict = _judged(payment, told, order, at)
    _, is_new = PaymentNews.objects.get_or_create(
        payment=payment,
        transaction=told.transaction,
        verdict=verdict,
        defaults={
            "amount": told.amount,
            "currency": told.currency,
            "was_asked": was_asked,
            "at": told.paid_at or at,
        },
    )
    if is_new and verdict in (Verdict.OTHER_AMOUNT, Verdict.SECOND):
        logger.critical("payment %s was refused: %s", payment.number, verdict)
    return verdict


def _held(payment_id: int) -> tuple[Order, Payment]:
    """An order and its payment, read behind the order's lock."""
    order = orders.held(Payment.objects.values_list("order", flat=True).get(pk=payment_id))
    return order, Payment.objects.get(pk=payment_id)


def _judged(payment: Payment, told: Told, order: Order, at: datetime) -> Verdict:
    if payment.state == PaymentState.PAID:
        if told.transaction != payment.transaction:
            return Verdict.SECOND
        first = PaymentNews.objects.filter(payment=payment, transaction=told.transaction)
        return Verdict(first.order_by("pk").values_list("verdict", flat=True)[0])
    if (told.amount, told.currency) != (payment.amount, payment.currency):
        return Verdict.OTHER_AMOUNT
    verdict = Verdict.TAKEN if _is_taken(order, at) else Verdict.LATE
    payment.state, payment.transaction = PaymentState.PAID, told.transaction
    payment.paid_at, payment.due_at, payment.trouble = told.paid_at or at, None, ""
    payment.save(update_fields=["state", "transaction", "paid_at", "due_at", "trouble"])
    if verdict == Verdict.LATE:
        _paying.give_back(payment, at=at)
    return verdict


def _is_taken(order: Order, at: datetime) -> bool:
    if order.state != OrderState.PLACED:
        return False
    try:
        with transaction.atomic():
            orders.money_came(order, at=at)
    except DomainError as refusal:
        # Somebody gave the points back meanwhile, or what they ordered is all given out.
        logger.warning("order %s is paid and cannot be had: %s", order.number, refusal.code)
        orders.run_out(orders.held(order.pk), at=at)
        return False
    return True


def pay_in_sandbox(*, number: str, at: datetime) -> Payment:
    """
    Say that a payment is paid with nobody's money.

    :raises UnknownPayment: if there is none of the sandbox
    """
    if not settings.SANDBOX:
        raise UnknownPayment
    payment = Payment.objects.filter(number=number, provider=providers.Sandbox.name).first()
    if payment is None:
        raise UnknownPayment
    told = Told(
        number=number,
        standing=Standing.PAID,
        transaction=f"sandbox-{number}",
        amount=payment.amount,
        currency=payment.currency,
        paid_at=at,
    )
    settle(told, provider=payment.provider, at=at)
    return payment


# --- Looking after it -----------------------------------------------------------------------------


def follow(*, clock: Clock) -> dict[str, int]:
    """
    Look after what is due: orders whose time for paying is over, payments nobody wants any more,
    refunds. Many may do this at once; whoever is killed is made up for when the lease is over.

    :returns: how many payments and refunds were looked at
    """
    counted = {"payments": 0, "refunds": 0}
    while taken := _take_due(Payment, clock()):
        for payment_id in taken:
            _follow_payment(payment_id, clock)
        counted["payments"] += len(taken)
    while taken := _take_due(Refund, clock()):
        for refund_id in taken:
            _follow_refund(refund_id, clock)
        counted["refunds"] += len(taken)
    return counted


TAKE_DUE = """
    UPDATE {table} SET due_at = %(until)s WHERE id IN (
        SELECT id FROM {table} WHERE due_at <= %(at)s
        ORDER BY due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
    )
    RETURNING id
"""


def _take_due(model: type[Model], at: datetime) -> list[int]:
    """Ids of rows that nobody else takes for a while."""
    sql = TAKE_DUE.format(table=model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"at": at, "until": at + LEASE, "most": TAKEN_AT_ONCE})
        return sorted(each for (each,) in cursor.fetchall())


def _follow_payment(payment_id: int, clock: Clock) -> None:
    payment = Payment.objects.get(pk=payment_id)
    if payment.state == PaymentState.PAID:
        return
    try:
        told = _closed(payment)
    except (Away, NotNow, Refused) as trouble:
        _note(payment, str(trouble))
        if clock() >= payment.until + WAITS_FOR_WORD:
            # What is paid after all will be told, and goes back.
            _give_up(payment_id, at=clock())
        return
    if told.standing == Standing.PAID:
        settle(told, provider=payment.provider, at=clock(), was_asked=True)
    _give_up(payment_id, at=clock(), is_closed=True)


def _closed(payment: Payment) -> Told:
    """How a payment stood when nobody could pay it any more, in whichever way it was put."""
    provider = providers.named(payment.provider)
    if provider is None:
        raise Away("no account with this provider")
    told = Told(number=payment.number, standing=Standing.UNKNOWN)
    for number in payment.tries.order_by("nth").values_list("number", flat=True):
        told = _shut(number, provider)
        if told.standing == Standing.PAID:
            break
    return told


@transaction.atomic
def _give_up(payment_id: int, *, at: datetime, is_closed: bool = False) -> None:
    """
    Cancel an order that nobody paid in time. What was settled meanwhile is left alone.

    :param is_closed: the provider says that nobody can pay it
    """
    order, payment = _held(payment_id)
    if payment.state == PaymentState.PAID:
        return
    if order.state == OrderState.PLACED:
        orders.run_out(order, at=at)
    if is_closed or at >= payment.until + _paying.PATIENCE:
        # Somebody may just have begun to pay what was cancelled before its time: it is asked after
        # once more.
        due = payment.until if at < payment.until else None
        Payment.objects.filter(pk=payment_id).update(due_at=due)


def _follow_refund(refund_id: int, clock: Clock) -> None:
    refund = Refund.objects.select_related("payment").get(pk=refund_id)
    payment = refund.payment
    provider = providers.named(payment.provider)
    back = Back(
        number=refund.number,
        transaction=payment.transaction,
        amount=refund.amount,
        currency=payment.currency,
    )
    state, name, trouble = RefundState.FAILED, refund.name, ""
    wait: timedelta | None = None
    try:
        if provider is None:
            raise Away("no account with this provider")
        stands, name = provider.give_back(back)
        state = _REFUNDS[stands]
    except Refused as refusal:
        trouble = str(refusal)
    except (Away, NotNow) as reason:
        state, trouble, wait = RefundState(refund.state), str(reason), reason.wait
    _write_refund(refund_id, state=state, name=name, trouble=trouble, wait=wait, at=clock())


_REFUNDS = {
    BackState.DONE: RefundState.DONE,
    BackState.RUNNING: RefundState.RUNNING,
    BackState.FAILED: RefundState.FAILED,
}


@transaction.atomic
def _write_refund(
    refund_id: int,
    *,
    state: RefundState,
    name: str,
    trouble: str,
    wait: timedelta | None,
    at: datetime,
) -> None:
    refund = Refund.objects.select_for_update(no_key=True).get(pk=refund_id)
    if refund.state in (RefundState.DONE, RefundState.FAILED):
        return
    refund.state, refund.name, refund.trouble = state, name, trouble[:TROUBLE_MAX]
    refund.tries += 1
    refund.due_at = None
    if state == RefundState.DONE:
        refund.done_at = at
    elif state == RefundState.FAILED:
        logger.critical("refund %s failed: %s", refund.number, trouble or "at the provider")
    else:
        doubled = min(AGAIN_AFTER * 2 ** min(refund.tries, 10), AGAIN_AT_MOST)
        refund.due_at = at + (wait or doubled)
    refund.save()


@transaction.atomic
def refund_again(*, order_id: int, note: str, at: datetime, by: User) -> Order:
    """
    Ask for a refund that failed once more, when staff have seen to what hindered it.

    :raises UnknownOrder: :raises RefundNotFailed: if so
    :raises WhyMissing: without a note
    """
    order = orders.held(order_id)
    if not note.strip():
        raise orders.WhyMissing
    refund = Refund.objects.filter(payment__order=order, state=RefundState.FAILED).first()
    if refund is None:
        raise RefundNotFailed
    refund.state, refund.due_at, refund.trouble = RefundState.WAITING, at, ""
    refund.save(update_fields=["state", "due_at", "trouble"])
    audit.record(action="order.refund_again", target=order.number, by=by, reason=note.strip())
    return order


def _note(payment: Payment, trouble: str) -> None:
    Payment.objects.filter(pk=payment.pk).update(trouble=trouble[:TROUBLE_MAX])
