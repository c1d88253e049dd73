"""Trying out a wording, and whom WeChat may tell something."""

import uuid
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from common import audit, limits
from common.errors import DomainError
from common.models import User
from members import masking, phones
from members import queries as members
from messaging.channels import CARRIERS, Away, NotNow, Refused, wechat
from messaging.composing import preview, sample
from messaging.models import Channel, Follower, Wording
from messaging.operations._messages import send
from messaging.privacy import FOLLOWER_BOUND
from messaging.trials import TRIAL

TESTS_PER_HOUR = 30


class NotBound(DomainError):
    code = "wechat_not_bound"
    message = _("WeChat did not tell us who you are. Please try again.")


class TestNotSent(DomainError):
    code = "test_not_sent"
    message = _("It was not sent: %(reason)s")


def send_test(*, wording_id: int, address: str, at: datetime, by: User) -> str:
    """
    Send a wording with sample values to an address of staff, now. In an inbox it stands as a test.

    :param address: an e-mail address, a phone, an openid or a member number, as the channel wants
    :returns: what the other side calls it
    :raises TestNotSent: with what the other side said
    :raises limits.TooMany: after thirty an hour
    :raises phones.InvalidPhone: :raises members.UnknownMember: if it is none
    """
    wording = Wording.objects.get(pk=wording_id)
    if wording.channel == Channel.SMS:
        address = phones.normalize(address)
    elif wording.channel == Channel.IN_APP:
        return _test_in_an_inbox(wording, address, at=at, by=by)
    _count(by)
    shown = masking.email(address) if "@" in address else masking.tail(address)
    with transaction.atomic():
        # Before it leaves: there is no unseen try.
        audit.record(
            action="wording.tested", target=str(wording), by=by, details={"address": shown}
        )
    carrier = CARRIERS[Channel(wording.channel)]()
    try:
        carrier.open()
        return carrier.send(sample(wording, address, name=uuid.uuid4().hex))
    except (Refused, NotNow, Away) as trouble:
        raise TestNotSent(reason=str(trouble)) from trouble
    finally:
        carrier.close()


@transaction.atomic
def _test_in_an_inbox(wording: Wording, number: str, *, at: datetime, by: User) -> str:
    member = members.identify(number.strip().upper())
    _count(by)
    audit.record(
        action="wording.tested", target=str(wording), by=by, details={"member": member.number}
    )
    text = preview(wording)
    key = f"{TRIAL}:{uuid.uuid4().hex}"
    variables = {"subject": text.subject, "body": text.body}
    send(member_id=member.id, template=TRIAL, key=key, variables=variables, at=at)
    return key


def _count(by: User) -> None:
    limits.consume(f"wordings:tests:{by.pk}", limit=TESTS_PER_HOUR, seconds=3600)


@transaction.atomic
def bind_by_code(*, member_id: int, code: str, at: datetime) -> None:
    """
    Note whose WeChat a member came back from, and tell the member, who may not have been it.

    :param code: what WeChat sent along
    :raises NotBound: if the code is not good (any more), or WeChat does not answer
    """
    openid = openid_by_code(code)
    bind_follower(member_id=member_id, openid=openid, at=at)
    send(
        member_id=member_id,
        template=FOLLOWER_BOUND,
        key=f"{FOLLOWER_BOUND}:{member_id}:{at.isoformat()}",
        variables={},
        at=at,
    )


def openid_by_code(code: str) -> str:
    """
    Who a browser is to WeChat. Asks over the network.

    :param code: what it brought along, good once (`messaging.openids`)
    :raises NotBound: if the code is not good (any more), or WeChat does not answer
    """
    try:
        return wechat.openid_of(code)
    except (Refused, NotNow, Away) as trouble:
        raise NotBound from trouble


def bind_follower(*, member_id: int, openid: str, at: datetime) -> None:
    """Note by which openid a member follows the official account, in place of an earlier one."""
    Follower.objects.update_or_create(
        member_id=member_id, defaults={"openid": openid, "bound_at": at}
    )


def unbind_follower(*, member_id: int) -> None:
    Follower.objects.filter(member_id=member_id).delete()
