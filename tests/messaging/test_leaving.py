"""Messages on their way out: many at once, workers killed, providers away, receipts."""

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from common import limits, outside
from messaging import operations
from messaging.composing import outside_name
from messaging.models import Channel, Delivery, Message
from tests.factories import member, message, staff, wording
from tests.factories.points import NOON
from tests.messaging.test_settings import complaints
from tests.providers import HANG_UP

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("exact_waits")]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SMS = Channel.SMS
TOKEN = "t" * 32


def deliver(channel=SMS, at=NOON, **options):
    return operations.deliver_waiting(channel=channel, clock=lambda: at, **options)


def outcomes(channel=SMS):
    rows = Delivery.objects.filter(channel=channel).order_by("pk")
    return list(rows.values_list("state", "attempts"))


def the(said, channel=SMS):
    return Delivery.objects.get(message=said, channel=channel)


class TestMany:
    def test_each_goes_once_and_what_came_of_it_is_its_own(self, ali):
        wording()
        for _ in range(150):
            message(member())
        ali.answers += [ali.error("isv.MOBILE_NUMBER_ILLEGAL"), ali.error("isp.SYSTEM_ERROR")]

        assert deliver() == 148
        assert deliver(at=NOON + 5 * MINUTE) == 1

        assert len({sent["OutId"] for sent in ali.sent}) == len(ali.sent) == 149
        states = [state for state, _attempts in outcomes()]
        assert (states.count("SENT"), states.count("FAILED")) == (149, 1)

    def test_what_is_urgent_goes_first_however_many_wait(self, ali):
        wording()
        wording(template="tests.security", provider_template="SMS_URGENT")
        for n in range(130):
            message(member(), at=NOON - n * MINUTE)
        message(member(), template="tests.security")

        deliver()

        firsts = [sent["TemplateCode"] for sent in ali.sent[:64]]
        assert "SMS_URGENT" in firsts

    def test_without_that_order_it_would_wait_behind_them(self, ali):
        """The control of the test above."""
        wording()
        wording(template="tests.security", provider_template="SMS_URGENT")
        for n in range(130):
            message(member(), at=NOON - n * MINUTE)
        message(member(), template="tests.security")
        Delivery.objects.update(is_urgent=False)

        deliver()

        assert "SMS_URGENT" not in [sent["TemplateCode"] for sent in ali.sent[:64]]

    def test_a_long_queue_of_one_channel_holds_no_other_up(self, ali, receiver):
        wording()
        said = [message(member()) for _ in range(70)]
        ticks = iter(NOON + timedelta(seconds=3 * n) for n in range(10_000))

        operations.deliver_everywhere(clock=lambda: next(ticks), seconds=50)

        assert len(ali.sent) >= 64
        assert len(receiver.sent) >= 64
        assert len(said) == 70


class TestAway:
    def test_nobody_is_charged_and_the_channel_pauses_as_long_as_it_asks(self, ali):
        wording()
        for _ in range(3):
            message(member())
        ali.answers += [ali.error("Throttling.User", 400)] * 3

        assert deliver() == 0
        assert outcomes() == [("WAITING", 0)] * 3
        assert deliver(at=NOON + HOUR) == 0, "paused"

        assert 0 < limits.client().pttl("messaging:pause:SMS") <= 10_000
        limits.client().delete("messaging:pause:SMS")
        # Whoever had not asked yet when the first heard of it did not ask.
        ali.answers.clear()
        assert deliver(at=NOON + HOUR) == 3

    def test_one_that_does_not_listen_loses_nothing(self, ali):
        wording()
        for _ in range(3):
            message(member())
        ali.stop()
        outside._pool.clear()

        assert deliver() == 0
        assert outcomes() == [("WAITING", 0)] * 3


class TestLostAnswer:
    def test_a_text_message_that_arrived_is_not_sent_again(self, ali):
        wording()
        said = message(member())
        ali.speaks.clear()
        assert deliver() == 0
        assert (the(said).state, the(said).error) == ("WAITING", "ReadTimeoutError")
        ali.speaks.set()

        assert deliver(at=NOON + 5 * MINUTE) == 1
        assert len(ali.sent) == 1

    def test_nor_if_it_was_given_up_and_staff_have_it_tried_again(self, ali):
        wording()
        said = message(member())
        ali.speaks.clear()
        deliver()
        ali.speaks.set()
        Delivery.objects.filter(message=said, channel="SMS").update(state="DEAD", retry_at=None)

        operations.try_again(delivery_ids=[the(said).pk], now=NOON + HOUR, by=staff())

        assert deliver(at=NOON + HOUR) == 1
        assert len(ali.sent) == 1

    def test_one_that_did_not_arrive_is(self, qcloud):
        wording()
        message(member())
        qcloud.answers.append(HANG_UP)
        assert deliver() == 0

        assert deliver(at=NOON + 5 * MINUTE) == 1
        assert len(qcloud.sent) == 1


@pytest.mark.django_db(transaction=True)
class TestKilled:
    """A worker that dies by -9 while the provider has the message and we do not know."""

    @pytest.mark.parametrize(
        ("server", "channel", "variables"),
        [
            ("ali", SMS, {"SMS_PROVIDER": "aliyun", "SMS_ENDPOINT": "{url}"}),
            ("qcloud", SMS, {"SMS_PROVIDER": "tencent", "SMS_ENDPOINT": "{url}"}),
            ("weixin", Channel.WECHAT, {"WECHAT_APP_ID": "wx1", "WECHAT_ENDPOINT": "{url}"}),
            ("receiver", Channel.WEBHOOK, {"WEBHOOK_URL": "{url}/hook"}),
        ],
    )
    def test_nothing_is_lost_and_nothing_doubled(
        self, request, settings, server, channel, variables
    ):
        provider = request.getfixturevalue(server)
        now = timezone.now()
        settings.QUIET_HOURS = ""
        for worded in (SMS, Channel.WECHAT):
            wording(worded)
        for _ in range(2):
            to = member()
            operations.bind_follower(member_id=to.pk, openid=f"o{to.pk}", at=now)
            message(to, at=now)
        provider.speaks.clear()
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.messaging.killed"],
            env=os.environ | environment(settings, provider.url, variables),
            stdout=subprocess.PIPE,
            text=True,
        )
        # Both: one still on its way would arrive after the worker's death, and once more from us.
        assert provider.has_taken(2, 60)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        provider.speaks.set()
        assert outcomes(channel) == [("WAITING", 1)] * 2

        assert deliver(channel, now + MINUTE) == 0, "nobody knows yet that it was killed"
        assert deliver(channel, now + 8 * MINUTE) == 2

        assert outcomes(channel) == [("SENT", 2)] * 2
        assert len(provider.sent) == 2


def environment(settings, url, variables):
    database = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}"
    return {
        "DATABASE_URL": database.format(**connection.settings_dict),
        "QUIET_HOURS": "",
        "MESSAGING_TIMEOUT": "60",
        "SMS_ACCESS_KEY_ID": settings.SMS_ACCESS_KEY_ID,
        "SMS_ACCESS_KEY_SECRET": settings.SMS_ACCESS_KEY_SECRET,
        "SMS_SIGN_NAME": settings.SMS_SIGN_NAME,
        "SMS_APP_ID": settings.SMS_APP_ID,
        "WECHAT_APP_SECRET": settings.WECHAT_APP_SECRET,
        "WEBHOOK_SECRETS": settings.WEBHOOK_SECRETS[0],
        "WEBHOOK_ALLOW_PRIVATE": "1",
        **{name: value.format(url=url) for name, value in variables.items()},
    }


class TestReceipts:
    @pytest.fixture
    def sent(self, settings, ali):
        settings.SMS_RECEIPT_TOKEN = TOKEN
        wording()
        said = [message(member(), at=NOON) for _ in range(2)]
        assert deliver() == 2
        return said

    def push(self, told, token=TOKEN):
        return Client().post(
            f"/callbacks/sms/{token}/",
            told if isinstance(told, bytes) else json.dumps(told),
            content_type="application/json",
        )

    def aliyun(self, said, *, success=True, **changes):
        return {
            "phone_number": "13800138000",
            "send_time": "2026-06-15 12:00:00",
            "report_time": "2026-06-15 12:00:05",
            "success": success,
            "err_code": "DELIVERED" if success else "UNDELIV",
            "err_msg": "用户接收成功" if success else "空号",
            "sms_size": "1",
            "biz_id": the(said).provider_id,
            "out_id": outside_name(the(said)),
        } | changes

    def test_aliyun_says_what_arrived_and_what_did_not(self, sent):
        arrived, lost = sent
        told = [self.aliyun(arrived), self.aliyun(lost, success=False)]

        for _ in range(2):
            answer = self.push(told)
            assert (answer.status_code, answer.json()["code"]) == (200, 0)

        assert the(arrived).arrived_at is not None
        assert (the(lost).state, the(lost).error) == ("FAILED", "UNDELIV 空号")
        assert operations.note_receipts(receipts=[], channel="SMS", at=NOON) == 0

    def test_tencent_names_the_serial_number(self, settings, qcloud):
        settings.SMS_RECEIPT_TOKEN = TOKEN
        wording()
        said = message(member())
        deliver()
        told = {
            "user_receive_time": "2026-06-15 12:00:05",
            "nationcode": "86",
            "mobile": "13800138000",
            "report_status": "SUCCESS",
            "errmsg": "DELIVRD",
            "description": "用户短信送达成功",
            "sid": the(said).provider_id,
        }

        answer = self.push([told])

        assert answer.json() == {"result": 0, "errmsg": "OK"}
        assert the(said).arrived_at is not None

    def test_what_did_not_arrive_is_no_delivery_unless_another_way_was(self, sent):
        by_inbox, by_sms_only = sent
        Delivery.objects.filter(message=by_sms_only, channel="IN_APP").update(
            state="WAITING", sent_at=None
        )

        self.push([self.aliyun(one, success=False) for one in sent])

        assert Message.objects.get(pk=by_inbox.pk).delivered_at == NOON
        assert Message.objects.get(pk=by_sms_only.pk).delivered_at is None

    def test_of_a_worker_that_was_killed_it_says_that_it_was_sent(self, sent, ali):
        said = sent[0]
        told = self.aliyun(said)
        Delivery.objects.filter(message=said, channel="SMS").update(
            state="WAITING", sent_at=None, provider_id="", retry_at=NOON + 6 * MINUTE
        )

        self.push([told])

        assert the(said).state == "SENT"
        assert deliver(at=NOON + HOUR) == 0
        assert len(ali.sent) == 2

    @pytest.mark.parametrize("changes", [{"out_id": "{pk}-0000000000000000"}, {"out_id": "{pk}"}])
    def test_a_name_that_was_guessed_changes_nothing(self, sent, changes):
        given = {name: value.format(pk=the(sent[0]).pk) for name, value in changes.items()}

        self.push([self.aliyun(sent[0], success=False, **given)])

        assert the(sent[0]).state == "SENT"

    def test_who_does_not_know_the_address_finds_nothing(self, sent, settings):
        told = [self.aliyun(sent[0], success=False)]
        assert self.push(told, token="x" * 32).status_code == 404
        settings.SMS_RECEIPT_TOKEN = ""
        assert self.push(told).status_code == 404
        assert self.push(told, token="-").status_code == 404
        assert the(sent[0]).state == "SENT"

    @pytest.mark.parametrize(
        "told", [{}, [1], [{}], b"", b"\xff", [{"success": True}], "x", [None] * 5001]
    )
    def test_nonsense_is_refused(self, sent, told):
        assert self.push(told).status_code == 400

    def test_receipts_of_strangers_are_accepted_and_change_nothing(self, sent):
        told = self.aliyun(sent[0], success=False, out_id="", biz_id="never^0")
        assert self.push([told]).status_code == 200
        assert the(sent[0]).state == "SENT"

    def test_many_cost_a_few_queries(self, ali, settings, django_assert_max_num_queries):
        settings.SMS_RECEIPT_TOKEN = TOKEN
        wording()
        said = [message(member()) for _ in range(60)]
        deliver()
        told = [self.aliyun(one) for one in said]
        with django_assert_max_num_queries(9):
            assert self.push(told).status_code == 200
        assert Delivery.objects.exclude(arrived_at=None).count() == 60

    def test_only_what_was_sent_can_have_arrived(self, sent):
        with pytest.raises(IntegrityError, match="arrived_was_sent"), transaction.atomic():
            Delivery.objects.filter(channel="SMS").update(
                state="FAILED", sent_at=None, arrived_at=NOON
            )

    def test_a_token_that_can_be_guessed_does_not_start(self, settings, ali):
        settings.SMS_RECEIPT_TOKEN = "short"
        assert "messaging.E005" in complaints()
        settings.SMS_RECEIPT_TOKEN = TOKEN
        assert "messaging.E005" not in complaints()
