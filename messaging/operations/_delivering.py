"""
Messages on their way out of the house.

A worker takes deliveries by putting their next attempt off and commits that before it talks to the
other side, so no transaction stays open meanwhile and no other worker takes them too. Killed in the
middle, they are due again when that time has come. Then the other side may have them already: each
goes again under the name it had (`Outgoing.name`), and text messages are asked for first.

An outcome is noted only by the worker whose attempt it was.
"""

import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
from django.db import connection, transaction
from django.db.models import F, QuerySet

from common import audit, limits
from common.models import User
from messaging import restraint, wordings
from messaging.channels import CARRIERS, Away, Carrier, NotNow, Outgoing, Refused
from messaging.composing import compose
from messaging.models import Channel, Delivery, DeliveryState, Problem

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

# Longer than an attempt can last: for e-mails a few answers of the server, each within
# EMAIL_TIMEOUT; elsewhere four rounds of a few requests. Shorter than the ten minutes for which
# WeChat knows a message again.
LEASES = {Channel.EMAIL: timedelta(minutes=10)}
LEASE = timedelta(minutes=6)
# How many are taken for each that is on its way: between two rounds all wait for the slowest.
ROUNDS = 4
# 5 minutes, as servers that turn strangers away at first ask for, doubled up to six hours: a
# server that is full or away for a day loses nothing.
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=5), timedelta(hours=6)
# Up to a tenth more, so that what failed together does not come back together.
JITTER = 0.1
ATTEMPTS_MAX = 12
# What was not taken because nobody could be reached: no attempt of its own.
AWAY_WAIT = timedelta(minutes=1)
# Whoever was due that long ago was replayed from history, or nobody could send anything meanwhile.
TOO_LATE = timedelta(days=7)
# The channels take turns of so many seconds: a long queue of one holds no other up.
TURN_SECONDS = 10

NOTE = """
    WITH outcome AS (
        SELECT * FROM unnest(
            %(ids)s::bigint[], %(attempts)s::int[], %(charged)s::boolean[], %(states)s::text[],
            %(errors)s::text[], %(retry_at)s::timestamptz[], %(sent_at)s::timestamptz[],
            %(provider_ids)s::text[]
        ) AS given (id, attempts, charged, state, error, retry_at, sent_at, provider_id)
    ), noted AS (
        UPDATE messaging_delivery AS delivery
        SET state = outcome.state, error = outcome.error, retry_at = outcome.retry_at,
            sent_at = outcome.sent_at, provider_id = outcome.provider_id,
            attempts = delivery.attempts - CASE WHEN outcome.charged THEN 0 ELSE 1 END
        FROM outcome
        WHERE delivery.id = outcome.id AND delivery.state = 'WAITING'
            AND delivery.attempts = outcome.attempts
        RETURNING delivery.message_id, delivery.sent_at
    ), undelivered AS (
        -- In the order of ids: workers of two channels note what became of the same messages.
        SELECT message.id
        FROM messaging_message AS message
        WHERE message.id IN (SELECT message_id FROM noted WHERE sent_at IS NOT NULL)
            AND message.delivered_at IS NULL
        ORDER BY message.id
        FOR NO KEY UPDATE
    ), delivered AS (
        UPDATE messaging_message AS message
        SET delivered_at = noted.sent_at
        FROM undelivered JOIN noted ON noted.message_id = undelivered.id
        WHERE message.id = undelivered.id
    )
    SELECT count(*) FROM noted WHERE sent_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an attempt. Not `charged`: it was none."""

    delivery: Delivery
    state: DeliveryState
    error: str = ""
    retry_at: datetime | None = None
    sent_at: datetime | None = None
    provider_id: str = ""
    charged: bool = True


def deliver_everywhere(*, clock: Clock, seconds: float = 50) -> int:
    """Send what is due on every channel, in turns, for at most some seconds; how many went."""
    end = clock() + timedelta(seconds=seconds)
    sent, busy = 0, list(CARRIERS)
    while busy and clock() < end:
        went = {
            channel: deliver_waiting(channel=channel, clock=clock, seconds=TURN_SECONDS)
            for channel in busy
        }
        sent += sum(went.values())
        busy = [channel for channel, count in went.items() if count]
    return sent


def deliver_waiting(*, channel: Channel, clock: Clock, seconds: float = 50) -> int:
    """
    Send what is due on a channel, oldest first, for at most some seconds; returns how many went.

    Any number of workers may do this at once. While the other side cannot be reached, nothing is
    charged an attempt.

    :param clock: asked again and again, as the other side may take its time
    """
    begun = clock()
    _due(channel, begun).filter(retry_at__lt=begun - TOO_LATE).update(
        state=DeliveryState.DEAD, error=Problem.TOO_LATE, retry_at=None
    )
    if not _due(channel, begun).exists() or _is_paused(channel):
        return 0
    sent = 0
    carrier, worded = CARRIERS[channel](), wordings.on(channel)
    try:
        while clock() < begun + timedelta(seconds=seconds):
            carrier.open()
            taken = _take(channel, clock(), carrier)
            if not taken:
                break
            sent += _attempt(taken, carrier, clock, worded)
    except Away as trouble:
        logger.error("%s cannot be reached: %s", channel, trouble)
        _pause(channel, trouble.wait)
    finally:
        carrier.close()
    return sent


@transaction.atomic
def try_again(*, delivery_ids: Sequence[int], now: datetime, by: User) -> int:
    """Have deliveries that were refused or given up tried anew. Returns how many."""
    failed = Delivery.objects.filter(
        pk__in=delivery_ids, state__in=[DeliveryState.FAILED, DeliveryState.DEAD]
    )
    held = failed.select_for_update(no_key=True, of=("self",)).order_by("pk")
    numbers = dict(held.values_list("pk", "message__member__number"))
    # The error stays until the next one: what has one may have arrived, and is asked for first.
    Delivery.objects.filter(pk__in=numbers).update(
        state=DeliveryState.WAITING, attempts=0, retry_at=now
    )
    audit.record_many(action="delivery.retried", targets=numbers.values(), by=by)
    return len(numbers)


def _due(channel: Channel, now: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(channel=channel, state=DeliveryState.WAITING, retry_at__lte=now)


def _take(channel: Channel, now: datetime, carrier: Carrier) -> list[Delivery]:
    """Make the oldest deliveries that are due ours, until the lease ends."""
    size = 1 if carrier.at_once == 1 else carrier.at_once * ROUNDS
    with transaction.atomic(durable=True):
        taken = list(
            _due(channel, now)
            .select_related("message__member__follower", "message__member__reader")
            .select_for_update(skip_locked=True, no_key=True, of=("self",))
            .order_by("-is_urgent", "retry_at", "id")[:size]
        )
        if taken:
            Delivery.objects.filter(pk__in=[delivery.pk for delivery in taken]).update(
                attempts=F("attempts") + 1, retry_at=now + LEASES.get(channel, LEASE)
            )
    for delivery in taken:
        delivery.attempts += 1
    return taken


def _attempt(
    taken: Sequence[Delivery], carrier: Carrier, clock: Clock, worded: wordings.Wordings
) -> int:
    """
    Send what was taken and note what came of it; returns how many went.

    :raises Away: after that, if the other side was
    """
    may, held = restraint.sift(taken, Channel(taken[0].channel), clock())
    outcomes = [_held_back(one) for one in held]
    ready: list[tuple[Delivery, Outgoing]] = []
    for delivery in may:
        try:
            if delivery.attempts > ATTEMPTS_MAX:
                outcomes.append(_dead(delivery, Problem.WORKER_LOST))
            else:
                ready.append((delivery, compose(delivery, worded)))
        except Exception as error:  # noqa: BLE001 - one message must not stop the others
            outcomes.append(_failure(delivery, error, clock()))
    away: list[Away] = []

    def carry(one: tuple[Delivery, Outgoing]) -> Outcome:
        delivery, outgoing = one
        try:
            if away:
                raise away[0]
            provider_id = carrier.send(outgoing)
        except Exception as error:  # noqa: BLE001 - as above
            if isinstance(error, Away):
                away.append(error)
            return _failure(delivery, error, clock())
        return Outcome(
            delivery=delivery,
            state=DeliveryState.SENT,
            sent_at=clock(),
            provider_id=provider_id,
        )

    if carrier.at_once == 1:
        outcomes += map(carry, ready)
    else:
        with ThreadPoolExecutor(carrier.at_once) as threads:
            outcomes += threads.map(carry, ready)
    sent = _note(outcomes)
    if away:
        raise away[0]
    return sent


def _failure(delivery: Delivery, error: Exception, now: datetime) -> Outcome:
    match error:
        case Refused():
            return Outcome(delivery=delivery, state=DeliveryState.FAILED, error=str(error))
        case Away():
            return Outcome(
                delivery=delivery,
                state=DeliveryState.WAITING,
                error=str(error),
                retry_at=now + (error.wait or AWAY_WAIT),
                charged=False,
            )
        case NotNow():
            return _postponed(delivery, str(error), now, error.wait)
    # Its text could hold what the member's row keeps sealed.
    logger.error("Delivery %s fails with %s", delivery.pk, type(error).__name__)
    return _postponed(delivery, type(error).__name__, now, None)


def _postponed(delivery: Delivery, error: str, now: datetime, asked: timedelta | None) -> Outcome:
    if delivery.attempts >= ATTEMPTS_MAX:
        logger.error("Delivery %s is given up: %s", delivery.pk, error)
        return _dead(delivery, error)
    wait = max(asked or timedelta(), min(FIRST_WAIT * 2 ** (delivery.attempts - 1), LONGEST_WAIT))
    wait += wait * JITTER * random.random()  # noqa: S311 - not a secret
    return Outcome(delivery=delivery, state=DeliveryState.WAITING, error=error, retry_at=now + wait)


def _held_back(held: restraint.HeldBack) -> Outcome:
    delivery = held.delivery
    if held.until is not None and held.until > delivery.message.created_at + TOO_LATE:
        return _dead(delivery, Problem.TOO_LATE)
    return Outcome(
        delivery=delivery, state=restraint.state_of(held), retry_at=held.until, charged=False
    )


def _dead(delivery: Delivery, error: str) -> Outcome:
    return Outcome(delivery=delivery, state=DeliveryState.DEAD, error=error)


@transaction.atomic
def _note(outcomes: Sequence[Outcome]) -> int:
    """
    Write down what came of attempts, unless one took so long that somebody else took over.

    :returns: how many were sent
    """
    with connection.cursor() as cursor:
        cursor.execute(
            NOTE,
            {
                "ids": [outcome.delivery.pk for outcome in outcomes],
                "attempts": [outcome.delivery.attempts for outcome in outcomes],
                "charged": [outcome.charged for outcome in outcomes],
                "states": [outcome.state.value for outcome in outcomes],
                "errors": [outcome.error[:500] for outcome in outcomes],
                "retry_at": [outcome.retry_at for outcome in outcomes],
                "sent_at": [outcome.sent_at for outcome in outcomes],
                "provider_ids": [outcome.provider_id[:200] for outcome in outcomes],
            },
        )
        return int(cursor.fetchone()[0])


def _pause(channel: Channel, wait: timedelta | None) -> None:
    """Have no worker try a channel before the time its other side asked for."""
    if wait is None:
        return
    try:
        limits.client().set(f"messaging:pause:{channel}", 1, px=wait)
    except redis.RedisError:
        # Then workers ask again every few seconds, which harms nobody.
        logger.warning("A pause of %s cannot be kept", channel)


def _is_paused(channel: Channel) -> bool:
    try:
        return bool(limits.client().exists(f"messaging:pause:{channel}"))
    except redis.RedisError:
        return False
