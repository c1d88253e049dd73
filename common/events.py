"""
Facts told upward: an outbox, never a model signal.

`publish` writes one row per fact and subscriber in the caller's transaction; a task delivers each
at least once, in a transaction of its own. Subscribers are functions in `<room>/subscribers.py`
that take one dict and may be called twice.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from common import audit
from common.models import OutboxEvent, User

logger = logging.getLogger(__name__)

Subscriber = Callable[[dict[str, Any]], None]
_subscribers: dict[str, dict[str, Subscriber]] = defaultdict(dict)

# Waits double from one minute to about a day; then a person must look.
ATTEMPTS_MAX = 16
BACKLOG_COUNTED = 1000


class NotYet(Exception):
    """A subscriber's wish to be told later. Nothing of what it did stays, nothing is counted."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until


def subscribe(event: str) -> Callable[[Subscriber], Subscriber]:
    """Register a function for an event, under its import path."""

    def register(function: Subscriber) -> Subscriber:
        _subscribers[event][f"{function.__module__}.{function.__name__}"] = function
        return function

    return register


def is_heard(event: str) -> bool:
    """Whether anybody subscribes: who would tell of many things at once need not, if not."""
    return bool(_subscribers.get(event))


def publish(event: str, *payloads: dict[str, Any]) -> None:
    """Write one row per fact and subscriber, in the caller's transaction."""
    assert transaction.get_connection().in_atomic_block, "a fact is published with its cause"
    now = timezone.now()
    OutboxEvent.objects.bulk_create(
        OutboxEvent(name=event, subscriber=path, payload=payload, retry_at=now)
        for payload in payloads
        for path in _subscribers[event]
    )


def deliver_waiting(*, now: datetime, limit: int = 500) -> int:
    """Deliver up to `limit` events, one transaction each, so one failure harms only itself."""
    for delivered in range(limit):
        with transaction.atomic():
            event = (
                OutboxEvent.objects.filter(delivered_at=None, dead_at=None, retry_at__lte=now)
                .order_by("retry_at", "id")
                .select_for_update(skip_locked=True)
                .first()
            )
            if event is None:
                return delivered
            _deliver(event, now)
    return limit


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not delivered. Counted up to BACKLOG_COUNTED: more is alarm enough."""

    waiting: int
    dead: int


def backlog() -> Backlog:
    undelivered = OutboxEvent.objects.filter(delivered_at=None)
    return Backlog(
        waiting=undelivered.filter(dead_at=None)[:BACKLOG_COUNTED].count(),
        dead=undelivered.filter(dead_at__isnull=False)[:BACKLOG_COUNTED].count(),
    )


@transaction.atomic
def try_again(*, event_ids: Sequence[int], now: datetime, by: User) -> int:
    """Have events that were not delivered tried anew, from the first attempt. Returns how many."""
    events = OutboxEvent.objects.filter(pk__in=event_ids, delivered_at=None)
    revived = list(
        events.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True)
    )
    OutboxEvent.objects.filter(pk__in=revived).update(dead_at=None, retry_at=now, attempts=0)
    for event_id in revived:
        audit.record(action="event.retried", target=f"event {event_id}", by=by)
    return len(revived)


def _deliver(event: OutboxEvent, now: datetime) -> None:
    this_event = OutboxEvent.objects.filter(pk=event.pk)
    try:
        with transaction.atomic():
            _subscribers[event.name][event.subscriber](event.payload)
    except NotYet as wish:
        this_event.update(retry_at=wish.until)
    except Exception:
        logger.exception("Subscriber failed", extra={"event_id": event.pk})
        wait = timedelta(minutes=2 ** min(event.attempts, 10))
        dead_at = now if event.attempts + 1 >= ATTEMPTS_MAX else None
        this_event.update(attempts=F("attempts") + 1, retry_at=now + wait, dead_at=dead_at)
    else:
        this_event.update(attempts=F("attempts") + 1, delivered_at=now)
