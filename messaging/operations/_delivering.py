"""
E-mails on their way.

A worker takes a delivery by putting its next attempt off and commits that before it talks to the
mail server, so no transaction stays open meanwhile and no other worker takes it too. Killed in the
middle, the delivery is due again when that time has come. Then the server may have it already: SMTP
cannot be asked, but the second e-mail has the Message-ID of the first.

The outcome is noted only by the worker whose attempt it was.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from common import audit
from common.models import User
from messaging import emails
from messaging.models import Channel, Delivery, DeliveryState, Message, Problem

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

# Longer than an attempt can last: a few answers of the server, each within EMAIL_TIMEOUT.
LEASE = timedelta(minutes=10)
# 5 minutes, as servers that turn strangers away at first ask for, doubled up to six hours: a mail
# server that is full or away for a day loses nothing.
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=5), timedelta(hours=6)
ATTEMPTS_MAX = 12
# Whoever was due that long ago was replayed from history, or nobody could send anything meanwhile.
TOO_LATE = timedelta(days=7)


def deliver_waiting_emails(*, clock: Clock, seconds: float = 50) -> int:
    """
    Send the e-mails that are due, oldest first, for at most some seconds; returns how many went.

    Any number of workers may do this at once. While the mail server cannot be reached, nothing is
    taken, and no e-mail is charged an attempt.

    :param clock: asked again for each e-mail, as a mail server may take its time
    """
    begun = clock()
    _due(begun).filter(retry_at__lt=begun - TOO_LATE).update(
        state=DeliveryState.DEAD, error=Problem.TOO_LATE, retry_at=None
    )
    if not _due(begun).exists():
        return 0
    sent = 0
    mailbox = emails.Mailbox()
    try:
        while clock() < begun + timedelta(seconds=seconds):
            mailbox.open()
            delivery = _take(clock())
            if delivery is None:
                break
            sent += _attempt(delivery, mailbox, clock)
    except emails.NoConnection as trouble:
        logger.error("The mail server cannot be reached: %s", trouble)
    finally:
        mailbox.close()
    return sent


@transaction.atomic
def try_again(*, delivery_ids: Sequence[int], now: datetime, by: User) -> int:
    """Have deliveries that were refused or given up tried anew. Returns how many."""
    failed = Delivery.objects.filter(
        pk__in=delivery_ids, state__in=[DeliveryState.FAILED, DeliveryState.DEAD]
    )
    held = failed.select_for_update(no_key=True, of=("self",)).order_by("pk")
    numbers = dict(held.values_list("pk", "message__member__number"))
    Delivery.objects.filter(pk__in=numbers).update(
        state=DeliveryState.WAITING, attempts=0, retry_at=now, error=""
    )
    audit.record_many(action="delivery.retried", targets=numbers.values(), by=by)
    return len(numbers)


def _due(now: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        channel=Channel.EMAIL, state=DeliveryState.WAITING, retry_at__lte=now
    )


def _take(now: datetime) -> Delivery | None:
    """Make the oldest delivery that is due ours, until the lease ends."""
    with transaction.atomic(durable=True):
        delivery = (
            _due(now)
            .select_related("message__member")
            .select_for_update(skip_locked=True, no_key=True, of=("self",))
            .order_by("retry_at", "id")
            .first()
        )
        if delivery is not None:
            delivery.attempts += 1
            delivery.retry_at = now + LEASE
            delivery.save(update_fields=["attempts", "retry_at"])
    return delivery


def _attempt(delivery: Delivery, mailbox: emails.Mailbox, clock: Clock) -> bool:
    if delivery.attempts > ATTEMPTS_MAX:
        _note(delivery, state=DeliveryState.DEAD, error=Problem.WORKER_LOST)
        return False
    try:
        name = emails.send(delivery.message, mailbox)
    except emails.Refused as refusal:
        _note(delivery, state=DeliveryState.FAILED, error=str(refusal))
        return False
    except emails.NotNow as trouble:
        _postpone(delivery, str(trouble), clock())
    except Exception as error:  # noqa: BLE001 - told below; one e-mail must not stop the others
        # Its text could hold what the member's row keeps sealed.
        logger.error("Delivery %s fails with %s", delivery.pk, type(error).__name__)
        _postpone(delivery, type(error).__name__, clock())
    else:
        _note_sent(delivery, name, clock())
        return True
    # Who knows what the server still expects to hear.
    mailbox.close()
    return False


def _postpone(delivery: Delivery, error: str, now: datetime) -> None:
    if delivery.attempts >= ATTEMPTS_MAX:
        logger.error("Delivery %s is given up: %s", delivery.pk, error)
        _note(delivery, state=DeliveryState.DEAD, error=error)
        return
    wait = min(FIRST_WAIT * 2 ** (delivery.attempts - 1), LONGEST_WAIT)
    _note(delivery, state=DeliveryState.WAITING, error=error, retry_at=now + wait)


@transaction.atomic
def _note_sent(delivery: Delivery, name: str, at: datetime) -> None:
    if _note(delivery, state=DeliveryState.SENT, sent_at=at, provider_id=name):
        Message.objects.filter(pk=delivery.message_id, delivered_at=None).update(delivered_at=at)


def _note(
    delivery: Delivery,
    *,
    state: DeliveryState,
    error: str = "",
    retry_at: datetime | None = None,
    sent_at: datetime | None = None,
    provider_id: str = "",
) -> bool:
    """Write down what came of an attempt, unless it took so long that somebody else took over."""
    ours = Delivery.objects.filter(
        pk=delivery.pk, state=DeliveryState.WAITING, attempts=delivery.attempts
    )
    return bool(
        ours.update(
            state=state,
            error=error[:500],
            retry_at=retry_at,
            sent_at=sent_at,
            provider_id=provider_id,
        )
    )
