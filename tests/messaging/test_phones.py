"""A change of phone is told to the member and to the old number."""

import pytest
from django.utils import timezone

from common import events
from common.models import OutboxEvent
from members import operations, queries
from messaging import phones
from messaging.models import Channel, Delivery, Message
from tests.factories import member, staff, wording

pytestmark = pytest.mark.django_db
OLD, NEW = "+8613812345678", "+8613987654321"


@pytest.fixture
def worded(db):
    for template in (phones.CHANGED, phones.LEFT):
        wording(Channel.SMS, template=template, body="号码已更换")


def move(of, phone=NEW):
    operations.update_profile(
        member_id=of.pk, changes={"phone": phone}, at=timezone.now(), by=staff(), reason="来电"
    )


def deliver():
    events.deliver_waiting(now=timezone.now())


def test_the_old_number_gets_a_text_message_and_the_member_a_message(ali, worded):
    of = member(phone=OLD, email="wang@example.com")
    move(of)

    deliver()

    (sent,) = ali.sent
    assert OLD.removeprefix("+86") in str(sent)
    said = Message.objects.get()
    assert (said.member, said.template) == (of, phones.CHANGED)
    ways = Delivery.objects.filter(message=said).values_list("channel", flat=True)
    assert set(ways) == {"IN_APP", "EMAIL", "SMS"}


def test_also_if_the_member_did_it(ali, worded):
    of = member(phone=OLD)
    user = operations.login_for(member_id=of.pk)

    operations.change_own_phone(member_id=of.pk, phone=NEW, at=timezone.now(), by=user)
    deliver()

    assert len(ali.sent) == Message.objects.count() == 1


def test_nothing_in_the_outbox_says_which_phone_it_was(ali):
    move(member(phone=OLD))

    kept = str(list(OutboxEvent.objects.values_list("payload", flat=True)))

    assert OLD[3:] not in kept
    assert NEW[3:] not in kept


def test_a_second_try_tells_nobody_twice(ali, worded):
    move(member(phone=OLD))
    deliver()
    OutboxEvent.objects.update(delivered_at=None)

    deliver()

    assert len(ali.sent) == Message.objects.count() == 1


def test_a_provider_that_is_away_keeps_the_members_message_from_nobody(accounts, worded):
    accounts.SMS_PROVIDER, accounts.SMS_ENDPOINT = "aliyun", "http://127.0.0.1:9"
    move(member(phone=OLD))

    deliver()

    assert Message.objects.count() == 1
    left = OutboxEvent.objects.get(delivered_at=None, name="member.phone_changed")
    assert left.subscriber == "messaging.subscribers.tell_old_phone"


def test_each_change_is_told_to_the_number_it_took_away(ali, worded):
    of = member(phone=OLD)
    move(of)
    move(of, "+8613700000001")

    deliver()

    assert [OLD[3:] in str(sent) for sent in ali.sent] == [True, False]
    assert NEW[3:] in str(ali.sent[1])
    assert Message.objects.count() == 2


@pytest.mark.parametrize("nothing_told", ["the first phone", "a pre-registration", "another field"])
def test_nobody_is_told_where_no_phone_was_lost(ali, worded, nothing_told):
    if nothing_told == "the first phone":
        move(member(phone=""))
    elif nothing_told == "a pre-registration":
        move(member(phone=OLD, active=False))
    else:
        operations.update_profile(
            member_id=member(phone=OLD).pk, changes={"city": "南京"}, at=timezone.now(),
            by=staff(), reason="来电",
        )  # fmt: skip

    deliver()

    assert ali.sent == []


def test_of_who_was_erased_no_phone_is_left_to_tell(ali, worded):
    of = member(phone=OLD)
    move(of)
    version = of.history.latest("history_id").pk
    of.history.update(phone="")

    assert queries.phone_before(version) == ""
