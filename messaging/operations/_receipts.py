"""Noting what a provider tells of text messages it took, and a mail server of e-mails."""

import hmac
from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q

from messaging.composing import outside_name
from messaging.models import Channel, Delivery, DeliveryState
from messaging.receipts import Receipt

# What was the only way a message reached its member and did not arrive has reached nobody; what
# the member has read has.
UNDELIVER = """
    UPDATE messaging_message AS message
    SET delivered_at = (
        SELECT min(delivery.sent_at) FROM messaging_delivery AS delivery
        WHERE delivery.message_id = message.id AND delivery.state = 'SENT'
    )
    WHERE message.id = ANY(%(messages)s) AND message.read_at IS NULL
"""
DELIVER = """
    UPDATE messaging_message SET delivered_at = %(at)s
    WHERE id = ANY(%(messages)s) AND delivered_at IS NULL
"""


@transaction.atomic
def note_receipts(*, receipts: Sequence[Receipt], channel: Channel, at: datetime) -> int:
    """
    Note which deliveries of a channel arrived and which did not; unknown ones are left alone.

    One whose worker was killed before it could note anything counts as sent from now on.

    :returns: how many were news; told again, none is
    """
    found = _found(receipts, channel)
    # Deliveries first, in the order of ids, as everywhere.
    open_states = [DeliveryState.SENT, DeliveryState.WAITING]
    held = (
        Delivery.objects.select_for_update(no_key=True)
        .filter(pk__in=found, state__in=open_states, arrived_at=None)
        .order_by("pk")
    )
    arrived, lost = [], []
    for delivery in held:
        receipt = found[delivery.pk]
        delivery.retry_at = None
        if receipt.problem:
            delivery.state, delivery.sent_at = DeliveryState.FAILED, None
            delivery.error = receipt.problem[:500]
            lost.append(delivery)
        else:
            delivery.sent_at = delivery.sent_at or at
            delivery.state, delivery.error, delivery.arrived_at = DeliveryState.SENT, "", at
            arrived.append(delivery)
        delivery.provider_id = delivery.provider_id or receipt.provider_id[:200]
    news = arrived + lost
    fields = ["state", "sent_at", "arrived_at", "error", "retry_at", "provider_id"]
    Delivery.objects.bulk_update(news, fields, batch_size=500)
    with connection.cursor() as cursor:
        cursor.execute(UNDELIVER, {"messages": sorted(one.message_id for one in lost)})
        cursor.execute(DELIVER, {"messages": sorted(one.message_id for one in arrived), "at": at})
    return len(news)


def _found(receipts: Sequence[Receipt], channel: Channel) -> dict[int, Receipt]:
    """The receipts of deliveries that are ours, by the delivery's id."""
    by_pk = {pk: receipt for receipt in receipts if (pk := _pk_in(receipt.name))}
    by_provider = {receipt.provider_id: receipt for receipt in receipts if receipt.provider_id}
    candidates = Delivery.objects.filter(
        Q(pk__in=by_pk) | Q(provider_id__in=by_provider, provider_id__gt=""), channel=channel
    ).select_related("message")
    found = {}
    for delivery in candidates:
        receipt = by_pk.get(delivery.pk) or by_provider[delivery.provider_id]
        # A name was given: it must be the whole of ours.
        if not receipt.name or hmac.compare_digest(
            receipt.name.encode(), outside_name(delivery).encode()
        ):
            found[delivery.pk] = receipt
    return found


def _pk_in(name: str) -> int:
    digits = name.partition("-")[0]
    is_id = digits.isascii() and digits.isdigit() and len(digits) < 19
    return int(digits) if is_id else 0
