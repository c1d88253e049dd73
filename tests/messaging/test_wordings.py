"""How staff word messages on each channel, and that members get them so."""

import json

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from common.errors import Invalid
from common.models import AuditRecord
from members import operations as members
from messaging import operations, wordings
from messaging.models import Channel, Delivery, Wording
from tests.factories import member, message, plain, staff, wording
from tests.factories.messaging import LAPSING
from tests.factories.points import NOON
from tests.mail_server import mail_server

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("exact_waits")]


@pytest.fixture
def mails(settings):
    with mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server


def deliver(channel, at=NOON):
    return operations.deliver_waiting(channel=channel, clock=lambda: at)


def channels(of):
    rows = Delivery.objects.filter(message__member=of).values_list("channel", flat=True)
    return sorted(set(rows) - {"IN_APP"})


class TestCheck:
    def check(self, **changes):
        given = {
            "template": LAPSING,
            "channel": "EMAIL",
            "subject": "{points} points",
            "body": "until {last_day}",
            "provider_template": "",
        }
        wordings.check(**given | changes)

    def test_what_says_all_and_nothing_else_is_fine(self):
        self.check()
        self.check(channel="SMS", subject="", body="{points} {last_day}", provider_template="S")
        self.check(
            channel="WECHAT",
            subject="",
            body="thing1: {points}\n\ntime2: {last_day}\n",
            provider_template="T",
        )

    @pytest.mark.parametrize(
        ("code", "changes"),
        [
            ("unknown_variable", {"body": "until {last_day} {name}"}),
            ("unknown_variable", {"body": "until {last_day} {0}"}),
            ("unknown_variable", {"body": "until {last_day} {"}),
            ("unknown_variable", {"body": "until {last_day.__class__}"}),
            ("missing_variable", {"body": "soon"}),
            ("no_subject", {"subject": " ", "body": "{points} {last_day}"}),
            ("no_subject", {"channel": "SMS", "provider_template": "S"}),
            (
                "no_provider_template",
                {"channel": "SMS", "subject": "", "body": "{points}{last_day}"},
            ),
            ("no_provider_template", {"provider_template": "S"}),
            (
                "not_a_field",
                {
                    "channel": "WECHAT",
                    "subject": "",
                    "body": "thing1: {points}\n{last_day}",
                    "provider_template": "T",
                },
            ),
        ],
    )
    def test_else_it_is_refused_before_a_member_sees_it(self, code, changes):
        with pytest.raises(Invalid) as refusal:
            self.check(**changes)
        assert refusal.value.code == code

    def test_the_database_wants_what_a_provider_calls_it_and_one_of_each(self):
        wording()
        with pytest.raises(IntegrityError, match="approved_has_its_name"), transaction.atomic():
            Wording.objects.update(provider_template="")
        with pytest.raises(IntegrityError, match="wording_once"), transaction.atomic():
            wording()


class TestWhoIsToldWhere:
    def test_by_sms_where_it_is_worded_a_provider_is_set_and_the_phone_is_proven(self, settings):
        to = member()
        message(to)
        wording()
        message(to)
        assert channels(to) == []

        settings.SMS_PROVIDER = "aliyun"
        not_active, no_phone = member(active=False), member(phone="")
        for one in (to, not_active, no_phone):
            message(one)

        assert [channels(one) for one in (to, not_active, no_phone)] == [["SMS"], [], []]

    def test_by_wechat_who_follows_the_account(self, settings):
        settings.WECHAT_APP_ID = "wx1"
        follower, other = member(), member()
        operations.bind_follower(member_id=follower.pk, openid="o1", at=NOON)
        message(follower)
        wording(Channel.WECHAT)
        for one in (follower, other):
            message(one)
        assert [channels(one) for one in (follower, other)] == [["WECHAT"], []]

        operations.unbind_follower(member_id=follower.pk)
        assert deliver(Channel.WECHAT) == 0

    def test_by_webhook_everything(self, settings):
        settings.WEBHOOK_URL = "https://example.com/"
        to = member(phone="", active=False)
        message(to)
        assert channels(to) == ["WEBHOOK"]


class TestSent:
    def test_by_sms_to_aliyun_with_the_variables_by_name(self, ali):
        wording()
        said = message(member())

        assert deliver(Channel.SMS) == 1

        [sent] = ali.sent
        assert sent["TemplateCode"] == "SMS_154950909"
        assert json.loads(sent["TemplateParam"]) == {
            "points": "1,200",
            "last_day": "2026年12月31日",
        }
        delivery = Delivery.objects.get(message=said, channel="SMS")
        assert (delivery.state, delivery.provider_id) == ("SENT", "90061^0")

    def test_by_sms_to_tencent_with_the_variables_in_the_order_of_the_text(self, qcloud):
        wording(body="{last_day}到期：{points}积分，{last_day}前可用")
        message(member())

        assert deliver(Channel.SMS) == 1
        assert qcloud.sent[0]["TemplateParamSet"] == ["2026年12月31日", "1,200"]

    def test_by_wechat_field_by_field(self, weixin):
        to = member()
        operations.bind_follower(member_id=to.pk, openid="o1", at=NOON)
        wording(Channel.WECHAT)
        message(to)

        assert deliver(Channel.WECHAT) == 1
        assert weixin.sent[0]["touser"] == "o1"
        assert weixin.sent[0]["data"] == {
            "thing1": {"value": "1,200 积分"},
            "time2": {"value": "2026年12月31日"},
        }

    def test_by_webhook_without_name_or_phone(self, receiver):
        said = message(member(name="王小明"))

        assert deliver(Channel.WEBHOOK) == 1

        [sent] = receiver.sent
        assert sent["data"]["member"] == said.member.number
        assert sent["data"]["variables"] == {"points": 1200, "last_day": "2026-12-31"}
        assert sent["data"]["subject"] == "1,200 积分即将到期"
        told = json.dumps(sent, ensure_ascii=False)
        assert said.key not in told
        assert "王小明" not in told
        assert said.member.phone not in told

    def test_by_email_in_the_words_of_staff(self, mails):
        plain()
        wording(Channel.EMAIL)
        wording(Channel.EMAIL, language="en", subject="{points}", body="{last_day}")
        message(member(email="wang@example.com"))

        assert deliver(Channel.EMAIL) == 1
        assert mails.subjects == ["1,200 积分快到期了"]

    def test_worded_in_another_language_only_it_goes_in_that(self, ali):
        wording(language="en", provider_template="SMS_EN")
        message(member())

        assert deliver(Channel.SMS) == 1
        assert ali.sent[0]["TemplateCode"] == "SMS_EN"

    def test_what_nobody_words_any_more_is_not_sent(self, ali):
        one = wording()
        said = message(member())
        one.delete()

        assert deliver(Channel.SMS) == 0
        delivery = Delivery.objects.get(message=said, channel="SMS")
        assert (delivery.state, delivery.error) == ("FAILED", "no_wording")

    def test_all_messages_of_a_run_cost_a_few_queries(self, ali, django_assert_max_num_queries):
        wording()
        for _ in range(40):
            message(member())
        with django_assert_max_num_queries(16):
            assert deliver(Channel.SMS) == 40
        assert len({sent["OutId"] for sent in ali.sent}) == 40


class TestInbox:
    def page(self, to, language="zh-hans"):
        client = Client(headers={"accept-language": language})
        client.force_login(members.login_for(member_id=to.pk))
        return client.get("/messages/").content.decode()

    def test_reads_as_staff_word_it_in_the_readers_language_only(self):
        to = member()
        message(to)
        wording(Channel.IN_APP)
        assert "还有 1,200 积分" in self.page(to)
        assert "用到 2026年12月31日。" in self.page(to)
        # Nobody worded it in English: the registered text is nearer than another language.
        assert "1,200 points expire soon" in self.page(to, "en")

    def test_a_wording_that_cannot_be_filled_hides_no_message(self, caplog):
        to = member()
        message(to)
        wording(Channel.IN_APP, body="{gone}")

        assert "1,200 积分即将到期" in self.page(to)
        assert "cannot be filled" in caplog.text

    def test_costs_one_query_for_all_messages(self, django_assert_num_queries):
        found = [message(member()) for _ in range(3)]
        wording(Channel.IN_APP)

        with django_assert_num_queries(1):
            assert len(wordings.in_the_inbox(found)) == 3

    @pytest.mark.parametrize("subject", ["", " "])
    def test_needs_a_subject_and_no_providers_name(self, subject):
        with pytest.raises(wordings.NoSubject):
            wordings.check(
                template=LAPSING, channel=Channel.IN_APP, subject=subject,
                body="{points} {last_day}", provider_template="",
            )  # fmt: skip
        with pytest.raises(wordings.NoProviderTemplate):
            wordings.check(
                template=LAPSING, channel=Channel.IN_APP, subject="x",
                body="{points} {last_day}", provider_template="T",
            )  # fmt: skip

    def test_a_test_stands_in_one_inbox_and_nowhere_else(self, at_work, ali):
        client, to = at_work("campaign manager"), member(email="wang@example.com")
        one = wording(Channel.IN_APP)
        page = reverse("admin:messaging_wording_send_test", args=[one.pk])

        assert client.post(page, {"address": to.number.lower()}).status_code == 302

        assert "还有 1,280 积分" in self.page(to)
        assert set(Delivery.objects.values_list("channel", flat=True)) == {"IN_APP"}
        record = AuditRecord.objects.get(action="wording.tested", actor=client.user)
        assert record.details == {"member": to.number}

    def test_a_test_to_nobody_says_so(self, at_work):
        client, one = at_work("campaign manager"), wording(Channel.IN_APP)
        page = reverse("admin:messaging_wording_send_test", args=[one.pk])

        assert client.post(page, {"address": "M0000000000"}).status_code == 200
        assert not Delivery.objects.exists()


class TestConsole:
    add = property(lambda self: reverse("admin:messaging_wording_add"))
    given = {
        "template": LAPSING,
        "channel": "SMS",
        "language": "zh-hans",
        "subject": "",
        "body": "您有{points}积分将于{last_day}到期",
        "provider_template": "SMS_1",
    }

    def test_saves_what_is_right_with_a_record(self, at_work):
        client = at_work("campaign manager")

        assert client.post(self.add, self.given).status_code == 302

        assert Wording.objects.get().provider_template == "SMS_1"
        assert AuditRecord.objects.filter(action="wording.created", actor=client.user).exists()

    def test_says_at_the_field_what_is_wrong_and_saves_nothing(self, at_work):
        response = at_work("campaign manager").post(self.add, self.given | {"body": "{name}"})

        assert response.status_code == 200
        assert "{points}, {last_day}" in str(response.context["adminform"].form.errors["body"])
        assert not Wording.objects.exists()

    def test_shows_it_with_sample_values(self, at_work):
        one = wording()
        page = reverse("admin:messaging_wording_change", args=[one.pk])

        told = at_work("campaign manager").get(page).content.decode()

        assert "您有1,280积分将于2026年12月31日到期。" in told

    def test_sends_a_test_and_records_who_had_it_sent(self, at_work, ali):
        client, one = at_work("campaign manager"), wording()
        page = reverse("admin:messaging_wording_send_test", args=[one.pk])

        assert "1,280" in client.get(page).content.decode()
        assert client.post(page, {"address": "13800138000"}).status_code == 302

        assert json.loads(ali.sent[0]["TemplateParam"])["points"] == "1,280"
        record = AuditRecord.objects.get(action="wording.tested", actor=client.user)
        assert record.details == {"address": "***8000"}

    def test_says_why_a_test_was_not_sent(self, at_work, ali):
        client, one = at_work("campaign manager"), wording()
        ali.answers.append(ali.error("isv.SMS_TEMPLATE_ILLEGAL"))
        page = reverse("admin:messaging_wording_send_test", args=[one.pk])

        response = client.post(page, {"address": "13800138000"})
        nonsense = client.post(page, {"address": "me"})

        assert "isv.SMS_TEMPLATE_ILLEGAL" in response.content.decode()
        assert nonsense.status_code == 200
        assert ali.sent == []

    def test_the_auditor_looks_and_does_nothing(self, at_work):
        client, one = at_work("auditor"), wording()
        page = reverse("admin:messaging_wording_change", args=[one.pk])

        assert client.get(page).status_code == 200
        assert client.post(page, self.given | {"body": "x"}).status_code == 403
        test = reverse("admin:messaging_wording_send_test", args=[one.pk])
        assert client.post(test, {"address": "13800138000"}).status_code == 403


def test_a_test_by_staff_is_counted(ali):
    one, by = wording(), staff()
    for _ in range(30):
        operations.send_test(wording_id=one.pk, address="13800138000", at=timezone.now(), by=by)
    with pytest.raises(Exception, match="Too many"):
        operations.send_test(wording_id=one.pk, address="13800138000", at=timezone.now(), by=by)
