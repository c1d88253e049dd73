"""
Saying something to members.

A message is written in the transaction of what it tells of, together with one delivery for each
channel the member has. The inbox needs no carrier: a message is delivered there as soon as its
member can log in and see it. E-mails wait for their worker (`_delivering`).

Whoever touches both tables in an existing message takes the deliveries first.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError
from members import consents
from members import queries as members
from members.models import ConsentPurpose
from messaging import queries
from messaging.channels import sms
from messaging.models import Channel, Delivery, DeliveryState, Message, Purpose
from messaging.restraint import needs_consent
from messaging.templates import Template
from messaging.templates import template as template_named


class KeyReused(DomainError):
    code = "key_reused"
    message = _("The message %(key)s was sent to another member or says something else.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSend:
    """
    One message of many.

    :param key: the natural name of what is said: what, to whom, about what, which time
    :param variables: what the template declares, no more personal data than its text needs
    """

    member_id: int
    key: str
    variables: Mapping[str, Any]


# Members log in with a code sent to the phone in the directory. Who is not activated has not proven
# to be the person yet; an ended membership has no login. A join, as for EXISTS the planner reads
# the directory from end to end.
WITH_PHONE = "LEFT JOIN members_phonedirectory AS phone ON phone.member_id = member.id"
CAN_SEE_THE_INBOX = "(member.status IN ('ACTIVE', 'FROZEN') AND phone.member_id IS NOT NULL)"

# By a member's latest choice; as the purpose has it for who made none. Looked at again before it
# leaves.
WANTED_BY = """(%(is_security)s OR coalesce((
            SELECT choice.is_wanted
            FROM messaging_choice AS choice
            WHERE choice.member_id = wanted.member_id AND choice.purpose = %(purpose)s
                AND choice.channel = '{channel}'
            ORDER BY choice.id DESC
            LIMIT 1
        ), %(goes_unasked)s))"""

# Offers reach nobody who did not agree to them, not even the inbox.
AGREED = consents.HAS.format(member="member.id", purpose=ConsentPurpose.MARKETING.value)

# In the order of keys, so that two callers with the same ones do not deadlock. Members are looked
# up once, by the ids given: joined again for their e-mail, a table with few addresses is read from
# end to end.
SEND = f"""
    WITH wanted AS MATERIALIZED (
        SELECT member.id AS member_id, given.key, given.variables,
            {CAN_SEE_THE_INBOX} AS sees_the_inbox,
            %(leaves)s AND member.email <> ''
                AND (member.status <> 'CLOSED' OR %(to_ended)s) AS has_email,
            %(leaves)s AND member.status <> 'CLOSED' AS is_open,
            member.status = 'PRE_REGISTERED' AND phone.member_id IS NOT NULL AS has_unproven_phone
        FROM unnest(%(member_ids)s::bigint[], %(keys)s::text[], %(variables)s::text[])
            AS given (member_id, key, variables)
        JOIN members_member AS member ON member.id = given.member_id
        {WITH_PHONE}
        WHERE NOT %(needs_consent)s OR {AGREED}
    ), message AS (
        INSERT INTO messaging_message
            (member_id, template, key, variables, created_at, delivered_at)
        SELECT member_id, %(template)s, key, variables::jsonb, %(at)s,
            CASE WHEN sees_the_inbox THEN %(at)s::timestamptz END
        FROM wanted
        ORDER BY key
        ON CONFLICT (key) DO NOTHING
        RETURNING id, key, delivered_at
    ), delivery AS (
        INSERT INTO messaging_delivery
            (message_id, channel, state, attempts, retry_at, sent_at, error, provider_id, is_urgent)
        SELECT id, 'IN_APP', CASE WHEN delivered_at IS NULL THEN 'WAITING' ELSE 'SENT' END,
            0, NULL, delivered_at, '', '', %(is_security)s
        FROM message
        UNION ALL
        SELECT message.id, 'EMAIL', 'WAITING', 0, %(at)s, NULL, '', '', %(is_security)s
        FROM message JOIN wanted USING (key)
        WHERE wanted.has_email AND {WANTED_BY.format(channel="EMAIL")}
        UNION ALL
        -- A phone nobody has proven to be the member's is written to only to have it proven.
        SELECT message.id, 'SMS', 'WAITING', 0, %(at)s, NULL, '', '', %(is_security)s
        FROM message JOIN wanted USING (key)
        WHERE (wanted.sees_the_inbox OR %(to_unproven)s AND wanted.has_unproven_phone)
            AND {WANTED_BY.format(channel="SMS")}
            AND %(by_sms)s AND EXISTS (
            SELECT FROM messaging_wording WHERE template = %(template)s AND channel = 'SMS'
        )
        UNION ALL
        SELECT message.id, 'WECHAT', 'WAITING', 0, %(at)s, NULL, '', '', %(is_security)s
        FROM message JOIN wanted USING (key)
        JOIN messaging_follower AS follower ON follower.member_id = wanted.member_id
        WHERE wanted.is_open AND {WANTED_BY.format(channel="WECHAT")}
            AND %(by_wechat)s AND EXISTS (
            SELECT FROM messaging_wording WHERE template = %(template)s AND channel = 'WECHAT'
        )
        UNION ALL
        SELECT message.id, 'WEBHOOK', 'WAITING', 0, %(at)s, NULL, '', '', %(is_security)s
        FROM message JOIN wanted USING (key)
        WHERE wanted.is_open AND %(by_webhook)s
    )
    SELECT key, id FROM message
"""  # noqa: S608 - only our own words are put in

WAITING_IN_THE_INBOX = f"""
    SELECT DISTINCT message.member_id
    FROM messaging_delivery AS delivery
    JOIN messaging_message AS message ON message.id = delivery.message_id
    JOIN members_member AS member ON member.id = message.member_id
    {WITH_PHONE}
    WHERE delivery.channel = 'IN_APP' AND delivery.state = 'WAITING' AND {CAN_SEE_THE_INBOX}
"""  # noqa: S608 - only our own words are put in

DELIVER_IN_APP = f"""
    WITH delivery AS (
        UPDATE messaging_delivery AS delivery
        SET state = 'SENT', sent_at = greatest(message.created_at, %(at)s)
        FROM messaging_message AS message
        JOIN members_member AS member ON member.id = message.member_id
        {WITH_PHONE}
        WHERE message.id = delivery.message_id
            AND delivery.channel = 'IN_APP' AND delivery.state = 'WAITING'
            AND message.member_id BETWEEN %(low)s AND %(high)s
            AND {CAN_SEE_THE_INBOX}
        RETURNING delivery.message_id, delivery.sent_at
    ), message AS (
        UPDATE messaging_message AS message
        SET delivered_at = coalesce(message.delivered_at, delivery.sent_at)
        FROM delivery
        WHERE message.id = delivery.message_id
    )
    SELECT count(*) FROM delivery
"""  # noqa: S608 - only our own words are put in


def send(
    *, member_id: int, template: str, key: str, variables: Mapping[str, Any], at: datetime
) -> int | None:
    """As `send_many` for one message; returns its id, None for an offer nobody agreed to."""
    one = ToSend(member_id=member_id, key=key, variables=variables)
    return send_many(template=template, messages=[one], at=at).get(key)


@transaction.atomic
def send_many(*, template: str, messages: Sequence[ToSend], at: datetime) -> dict[str, int]:
    """
    Say the same to many members, in one statement. What has a key that was used is not said again.

    :param at: when it is said: the time of the inbox, from which e-mails wait for their turn
    :returns: the id of each message by its key, those said before too; of offers, only those to
        members who agreed to offers
    :raises UnknownTemplate: :raises WrongVariables: (`messaging.templates`) mistakes of the caller
    :raises KeyReused: if a key stands for another member or template; then nothing is sent
    :raises members.UnknownMember: if there is no such member; then nothing is sent
    """
    said = template_named(template)
    wanted = {message.key: message.member_id for message in messages}
    assert len(wanted) == len(messages), "each key is given once"
    with connection.cursor() as cursor:
        cursor.execute(
            SEND,
            {
                "template": template,
                "at": at,
                "purpose": said.purpose,
                "is_security": said.purpose == Purpose.SECURITY,
                "goes_unasked": queries.goes_unasked(said.purpose),
                "to_ended": said.to_ended,
                "needs_consent": needs_consent(said.purpose),
                "leaves": said.leaves_the_house,
                "by_sms": said.leaves_the_house and sms.provider() is not None,
                "to_unproven": said.to_unproven,
                "by_wechat": bool(settings.WECHAT_APP_ID),
                "by_webhook": bool(settings.WEBHOOK_URL),
                "member_ids": [message.member_id for message in messages],
                "keys": [message.key for message in messages],
                "variables": [json.dumps(said.keep(message.variables)) for message in messages],
            },
        )
        ids = dict(cursor.fetchall())
    return ids | _said_before(said, {key: wanted[key] for key in wanted.keys() - ids.keys()})


@transaction.atomic
def read(*, member_id: int, message_ids: Sequence[int], at: datetime) -> None:
    """
    Note that a member has seen messages in the inbox, which is a delivery too.

    Messages of others and those read before are left alone.
    """
    unread = Message.objects.filter(member_id=member_id, pk__in=message_ids, read_at=None)
    Delivery.objects.filter(
        message__in=unread, channel=Channel.IN_APP, state=DeliveryState.WAITING
    ).update(state=DeliveryState.SENT, sent_at=at)
    unread.update(read_at=at, delivered_at=Coalesce("delivered_at", Value(at)))


@transaction.atomic
def deliver_in_app(*, low: int, high: int, at: datetime) -> int:
    """
    Deliver what waits in the inboxes of members low … high who can see them by now.

    :returns: how many messages
    """
    with connection.cursor() as cursor:
        cursor.execute(DELIVER_IN_APP, {"low": low, "high": high, "at": at})
        return int(cursor.fetchone()[0])


def _said_before(said: Template, wanted: Mapping[str, int]) -> dict[str, int]:
    """
    The ids of messages that were not inserted. They are committed by now, or ours; of offers, some
    were not for who asked: nobody agreed to them.
    """
    if not wanted:
        return {}
    earlier = Message.objects.filter(key__in=wanted).values_list(
        "key", "pk", "member_id", "template"
    )
    ids = {}
    for key, pk, member_id, says in earlier:
        if (member_id, says) != (wanted[key], said.name):
            raise KeyReused(key=key)
        ids[key] = pk
    unsaid = {wanted[key] for key in wanted.keys() - ids.keys()}
    if unsaid and not (needs_consent(said.purpose) and unsaid == members.numbers_of(unsaid).keys()):
        raise members.UnknownMember
    return ids
