"""
When not to send: the member does not agree or said no, it is night there, or there was enough for
a day.

Security messages and one-time codes know no restraint.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db import connection

from members import consents
from members.models import ConsentPurpose
from messaging import queries, templates
from messaging.models import REFUSABLE, RINGING, Channel, Delivery, DeliveryState, Purpose, Reader

LATEST = """
    SELECT DISTINCT ON (member_id, purpose) member_id, purpose, is_wanted
    FROM messaging_choice
    WHERE member_id = ANY(%(members)s) AND channel = %(channel)s
    ORDER BY member_id, purpose, id DESC
"""
# Each member's day begins at another hour; the last 24 hours do for all.
SENT_LATELY = """
    SELECT message.member_id, count(*)
    FROM messaging_message AS message
    JOIN messaging_delivery AS delivery
        ON delivery.message_id = message.id AND delivery.channel = %(channel)s
    WHERE message.member_id = ANY(%(members)s)
        AND delivery.state = 'SENT' AND delivery.sent_at > %(since)s
    GROUP BY message.member_id
"""
DAY = timedelta(days=1)
# Who had enough is asked again a little later; within a day the oldest no longer counts.
ENOUGH_WAIT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A delivery that is not sent now: for ever, or until a time."""

    delivery: Delivery
    until: datetime | None


def sift(
    taken: Sequence[Delivery], channel: Channel, now: datetime
) -> tuple[list[Delivery], list[HeldBack]]:
    """
    Part what may be sent from what may not, in three queries at most.

    :param taken: with `message`, its `member` and the member's `reader` selected
    """
    allowed, held = _agreed(taken)
    if channel not in REFUSABLE:
        return allowed, held
    members = list({delivery.message.member_id for delivery in allowed})
    choices = _choices(members, channel)
    sent = _sent_lately(members, channel, now)
    cap = int(settings.MESSAGES_PER_DAY.get(channel, 0))
    may: list[Delivery] = []
    for delivery in allowed:
        purpose, member = purpose_of(delivery.message.template), delivery.message.member_id
        if purpose == Purpose.SECURITY:
            may.append(delivery)
        elif not choices.get((member, purpose), queries.goes_unasked(purpose)):
            held.append(HeldBack(delivery, None))
        elif channel in RINGING and (morning := quiet_until(now, zone_of(delivery))):
            held.append(HeldBack(delivery, morning))
        elif cap and sent[member] >= cap:
            held.append(HeldBack(delivery, now + ENOUGH_WAIT))
        else:
            sent[member] += 1
            may.append(delivery)
    return may, held


def state_of(held: HeldBack) -> DeliveryState:
    return DeliveryState.UNWANTED if held.until is None else DeliveryState.WAITING


def needs_consent(purpose: Purpose) -> bool:
    """Whether only those hear of it who agreed to offers."""
    return purpose == Purpose.MARKETING


def purpose_of(template: str) -> Purpose:
    try:
        return templates.template(template).purpose
    except LookupError:
        # Of another release, and not sent before that release is back.
        return Purpose.ACCOUNT


def quiet_until(now: datetime, zone: tzinfo) -> datetime | None:
    """The end of the quiet hours that `now` is in, by the clock of a zone; None outside them."""
    if not settings.QUIET_HOURS:
        return None
    begin, end = (time.fromisoformat(part) for part in settings.QUIET_HOURS.split("-"))
    local = now.astimezone(zone)
    clock = local.time()
    if begin <= end:
        is_quiet, ends_on = begin <= clock < end, local.date()
    else:
        is_quiet = clock >= begin or clock < end
        ends_on = local.date() + DAY if clock >= begin else local.date()
    return datetime.combine(ends_on, end, zone) if is_quiet else None


def zone_of(delivery: Delivery) -> ZoneInfo:
    try:
        chosen = delivery.message.member.reader.time_zone
    except Reader.DoesNotExist:
        chosen = ""
    try:
        return ZoneInfo(chosen or settings.TIME_ZONE)
    except ZoneInfoNotFoundError:
        return ZoneInfo(settings.TIME_ZONE)


def _agreed(taken: Sequence[Delivery]) -> tuple[list[Delivery], list[HeldBack]]:
    """Offers only to those who agree to them now: a consent may be gone since they were written."""
    offers = {each.pk for each in taken if needs_consent(purpose_of(each.message.template))}
    asked = {each.message.member_id for each in taken if each.pk in offers}
    agreeing = consents.having(asked, ConsentPurpose.MARKETING)
    refused = {
        each.pk for each in taken if each.pk in offers and each.message.member_id not in agreeing
    }
    may = [delivery for delivery in taken if delivery.pk not in refused]
    return may, [HeldBack(each, None) for each in taken if each.pk in refused]


def _choices(members: Iterable[int], channel: Channel) -> dict[tuple[int, str], bool]:
    with connection.cursor() as cursor:
        cursor.execute(LATEST, {"members": list(members), "channel": channel})
        return {(member, purpose): wanted for member, purpose, wanted in cursor.fetchall()}


def _sent_lately(members: Iterable[int], channel: Channel, now: datetime) -> Counter[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            SENT_LATELY, {"members": list(members), "channel": channel, "since": now - DAY}
        )
        return Counter(dict(cursor.fetchall()))
