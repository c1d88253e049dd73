"""Each channel's client against a server that speaks the provider's protocol."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from common import outside
from messaging.channels import (
    Away,
    NotNow,
    Outgoing,
    Refused,
    aliyun,
    sms,
    tencent,
    webhook,
)
from messaging.channels.sms import TextMessages
from messaging.channels.webhook import Webhook, is_outside
from messaging.channels.wechat import WeChat
from tests import providers
from tests.providers import HANG_UP, SECRET

PHONE = "+8613800138000"


def text(**changes):
    given = {
        "name": "n1",
        "address": PHONE,
        "provider_template": "SMS_1",
        "parameters": {"points": "1,200", "day": "2026年12月31日 &+*~"},
    }
    return Outgoing(**given | changes)


def send(carrier, outgoing):
    carrier.open()
    try:
        return carrier.send(outgoing)
    finally:
        carrier.close()


class TestPublishedExamples:
    """What the providers' documents work out themselves."""

    def test_alibaba_clouds(self):
        query = aliyun.canonical_query(
            {
                "RegionId": "cn-shanghai",
                "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
            }
        )
        headers = aliyun.sign(
            action="RunInstances",
            version="2014-05-26",
            host="ecs.cn-shanghai.aliyuncs.com",
            query=query,
            nonce="3156853299f313e23d1673dc12e1703d",
            at=datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC),
            key_id="YourAccessKeyId",
            secret="YourAccessKeySecret",
        )
        assert headers["Authorization"] == (
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;"
            "x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
            "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        )

    def test_tencent_clouds(self):
        body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"]'
        body += b', "Name": "instance-name"}]}'
        headers = tencent.sign(
            service="cvm",
            host="cvm.tencentcloudapi.com",
            action="DescribeInstances",
            body=body,
            at=datetime.fromtimestamp(1551113065, UTC),
            key_id="AKID" + "*" * 32,
            secret="*" * 32,
        )
        assert headers["Authorization"] == (
            f"TC3-HMAC-SHA256 Credential=AKID{'*' * 32}/2019-02-25/cvm/tc3_request, "
            "SignedHeaders=content-type;host;x-tc-action, "
            "Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"
        )

    def test_standard_webhooks(self):
        assert (
            webhook.sign(
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                name="msg_p5jXN8AQM9LWM0D4loKWxJek",
                at=datetime.fromtimestamp(1614265330, UTC),
                body=b'{"test": 2432232314}',
            )
            == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        )


class TestAliyun:
    def test_a_text_message_with_its_template_and_our_name(self, ali):
        assert send(TextMessages(), text()) == "90061^0"
        [sent] = ali.sent
        assert sent == {
            "PhoneNumbers": "13800138000",
            "SignName": "某某汽车",
            "TemplateCode": "SMS_1",
            "TemplateParam": '{"points": "1,200", "day": "2026年12月31日 &+*~"}',
            "OutId": "n1",
        }

    @pytest.mark.parametrize(
        ("code", "status", "trouble", "wait"),
        [
            ("isv.MOBILE_NUMBER_ILLEGAL", 200, Refused, None),
            ("isv.SMS_TEMPLATE_ILLEGAL", 200, Refused, None),
            ("isv.BUSINESS_LIMIT_CONTROL", 200, NotNow, timedelta(hours=1)),
            ("isp.SYSTEM_ERROR", 200, NotNow, None),
            ("ServiceUnavailable", 503, NotNow, None),
            ("Throttling.User", 400, Away, timedelta(seconds=10)),
            ("isv.AMOUNT_NOT_ENOUGH", 200, Away, timedelta(minutes=5)),
            ("isv.DAY_LIMIT_CONTROL", 200, Away, timedelta(minutes=5)),
        ],
    )
    def test_its_refusals(self, ali, code, status, trouble, wait):
        ali.answers.append(ali.error(code, status, f"the phone {PHONE} 13800138000"))
        with pytest.raises(trouble) as caught:
            send(TextMessages(), text())
        assert str(caught.value) == f"{code} the phone *** ***"
        assert getattr(caught.value, "wait", None) == wait
        assert ali.sent == []

    def test_a_wrong_secret_is_nobodys_refusal(self, ali, settings):
        settings.SMS_ACCESS_KEY_SECRET = "wrong"
        with pytest.raises(Away, match="SignatureDoesNotMatch"):
            send(TextMessages(), text())

    def test_what_a_lost_attempt_sent_is_not_sent_again(self, ali):
        send(TextMessages(), text())

        assert send(TextMessages(), text(first_attempt=False)) == "out:n1"
        send(TextMessages(), text(name="n2", first_attempt=False))

        assert [one["OutId"] for one in ali.sent] == ["n1", "n2"]


class TestTencent:
    def test_a_text_message_with_its_template_and_our_name(self, qcloud):
        assert send(TextMessages(), text()) == "S1"
        assert qcloud.sent == [
            {
                "PhoneNumberSet": [PHONE],
                "SmsSdkAppId": "1400006666",
                "SignName": "某某汽车",
                "TemplateId": "SMS_1",
                "TemplateParamSet": ["1,200", "2026年12月31日 &+*~"],
                "SessionContext": "n1",
            }
        ]

    @pytest.mark.parametrize(
        ("code", "trouble", "wait"),
        [
            ("InvalidParameterValue.IncorrectPhoneNumber", Refused, None),
            ("FailedOperation.PhoneNumberInBlacklist", Refused, None),
            ("LimitExceeded.PhoneNumberDailyLimit", NotNow, timedelta(hours=1)),
            ("InternalError.Timeout", NotNow, None),
            ("RequestLimitExceeded", Away, timedelta(seconds=10)),
            ("FailedOperation.InsufficientBalanceInSmsPackage", Away, timedelta(minutes=5)),
        ],
    )
    @pytest.mark.parametrize("told_as", ["error", "status"])
    def test_its_refusals(self, qcloud, told_as, code, trouble, wait):
        qcloud.answers.append(getattr(qcloud, told_as)(code, "no"))
        with pytest.raises(trouble, match=code) as caught:
            send(TextMessages(), text())
        assert getattr(caught.value, "wait", None) == wait

    def test_what_a_lost_attempt_sent_is_not_sent_again(self, qcloud):
        send(TextMessages(), text(name="n0"))
        send(TextMessages(), text())

        assert send(TextMessages(), text(first_attempt=False)) == "S2"
        assert len(qcloud.sent) == 2

    def test_a_wrong_secret_is_nobodys_refusal(self, qcloud, settings):
        settings.SMS_ACCESS_KEY_SECRET = "wrong"
        with pytest.raises(Away, match=r"AuthFailure\.SignatureFailure"):
            send(TextMessages(), text())


class TestTextMessages:
    def test_only_phones_of_the_countries_we_write_to(self, ali):
        with pytest.raises(Refused):
            send(TextMessages(), text(address="+12025550123"))
        assert ali.requests == []

    def test_variables_bring_no_links_and_no_signature_of_others(self):
        assert sms.clean("【某行】点 https://evil.example/x 领取\n现金") == "某行点 领取 现金"
        assert len(sms.clean("很" * 100)) == 35

    @pytest.mark.parametrize("server", ["ali", "qcloud"])
    def test_silence_and_nonsense_may_have_arrived_and_nobody_listening_may_not(
        self, server, request
    ):
        provider = request.getfixturevalue(server)
        provider.answers += [HANG_UP, (502, {}, b"<html>bad gateway"), (200, {}, b"<html>")]
        for _ in range(3):
            with pytest.raises(NotNow):
                send(TextMessages(), text())
        provider.speaks.clear()
        with pytest.raises(NotNow, match="ReadTimeoutError"):
            send(TextMessages(), text())
        provider.speaks.set()
        provider.stop()
        outside._pool.clear()

        with pytest.raises(Away, match="NewConnectionError"):
            send(TextMessages(), text(address="+8613900139000"))


class TestWeChat:
    def notice(self, **changes):
        given = {
            "name": "n1",
            "address": "openid-1",
            "provider_template": "T1",
            "parameters": {"thing1": "1,200 积分"},
        }
        return Outgoing(**given | changes)

    def test_a_template_message_with_a_token_that_is_asked_for_once(self, weixin):
        assert send(WeChat(), self.notice()) == "1000"
        assert send(WeChat(), self.notice(name="n2")) == "1001"

        assert weixin.sent[0] == {
            "touser": "openid-1",
            "template_id": "T1",
            "client_msg_id": "n1",
            "data": {"thing1": {"value": "1,200 积分"}},
        }
        assert [one.path for one in weixin.requests].count("/cgi-bin/stable_token") == 1

    @pytest.mark.parametrize("code", [40001, 42001, 40014])
    def test_a_token_that_is_over_is_renewed_and_the_message_goes(self, weixin, code):
        send(WeChat(), self.notice())
        weixin.answers.append(weixin.error(code))

        assert send(WeChat(), self.notice(name="n2")) == "1001"
        assert weixin.tokens == ["token-1", "token-2"]

    def test_one_repeat_is_enough(self, weixin):
        weixin.answers += [weixin.error(42001)] * 5
        with pytest.raises(Away, match="42001"):
            send(WeChat(), self.notice())
        assert len(weixin.answers) == 3

    def test_the_same_name_again_is_one_message(self, weixin):
        assert send(WeChat(), self.notice()) == send(WeChat(), self.notice())
        assert len(weixin.sent) == 1

    @pytest.mark.parametrize(
        ("code", "trouble", "wait"),
        [
            (43004, Refused, None),
            (40003, Refused, None),
            (47003, Refused, None),
            (-1, NotNow, None),
            (45009, Away, timedelta(hours=1)),
            (45011, Away, timedelta(minutes=1)),
            (48001, Away, timedelta(minutes=5)),
        ],
    )
    def test_its_refusals(self, weixin, code, trouble, wait):
        weixin.answers.append(weixin.error(code, "no"))
        with pytest.raises(trouble, match=str(code)) as caught:
            send(WeChat(), self.notice())
        assert getattr(caught.value, "wait", None) == wait

    def test_a_wrong_secret_is_nobodys_refusal(self, weixin, settings):
        settings.WECHAT_APP_SECRET = "wrong"
        with pytest.raises(Away, match="40125"):
            send(WeChat(), self.notice())


class TestWebhook:
    def event(self, **changes):
        return Outgoing(**{"name": "msg_1", "parameters": {"type": "message", "n": 1}} | changes)

    def test_a_signed_post_that_the_receiver_can_check(self, receiver):
        assert send(Webhook(), self.event()) == "msg_1"
        assert receiver.sent == [{"name": "msg_1", "type": "message", "n": 1}]
        assert receiver.requests[0].query == "to=us"

    def test_two_secrets_sign_while_the_receiver_learns_a_new_one(self, receiver, settings):
        settings.WEBHOOK_SECRETS = ["whsec_" + "A" * 32, *settings.WEBHOOK_SECRETS]
        assert send(Webhook(), self.event()) == "msg_1"
        settings.WEBHOOK_SECRETS = ["whsec_" + "A" * 32]
        with pytest.raises(NotNow, match="401"):
            send(Webhook(), self.event())

    @pytest.mark.parametrize(
        ("status", "headers", "trouble", "wait"),
        [
            (410, {}, Refused, None),
            (429, {"Retry-After": "90"}, Away, timedelta(seconds=90)),
            (503, {"Retry-After": "9" * 30}, Away, timedelta(hours=24)),
            (500, {}, NotNow, None),
            (302, {"Location": "http://169.254.169.254/"}, NotNow, None),
            (404, {}, NotNow, None),
        ],
    )
    def test_its_refusals(self, receiver, status, headers, trouble, wait):
        receiver.answers.append((status, headers, {}))
        with pytest.raises(trouble) as caught:
            send(Webhook(), self.event())
        assert getattr(caught.value, "wait", None) == wait
        assert len(receiver.requests) == 1, "a redirect is not followed"

    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1/",
            "https://127.0.0.1/",
            "https://localhost/",
            "https://[::1]/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::ffff:10.0.0.1]/",
            "https://[64:ff9b::a00:1]/",
            "https://[2002:a00:1::]/",
            "https://1.1.1.1:22/",
            "http://1.1.1.1/",
            "https://2130706433/",
        ],
    )
    def test_nothing_inside_is_reached_and_nothing_but_tls(self, receiver, settings, url):
        settings.WEBHOOK_ALLOW_PRIVATE = False
        settings.WEBHOOK_URL = url
        with pytest.raises(Away):
            Webhook().open()

    def test_which_addresses_are_outside(self):
        assert is_outside("1.1.1.1")
        assert is_outside("2606:4700:4700::1111")
        for inside in ("0.0.0.0", "100.64.0.1", "224.0.0.1", "fe80::1%eth0", "fc00::1"):
            assert not is_outside(inside)


def test_no_log_tells_a_secret_a_token_a_phone_or_a_text(
    ali, qcloud, weixin, receiver, settings, caplog
):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.INFO)  # as settings have it
    weixin.answers.append((500, {}, b"oops"))
    for carrier in (TextMessages(), WeChat(), Webhook()):
        for outgoing in (text(), text(first_attempt=False)):
            try:
                send(carrier, outgoing)
            except NotNow as trouble:
                logging.getLogger("tests").warning("%s", trouble)
    told = caplog.text
    for secret in (SECRET, "token-1", "13800138000", "1,200", providers.Receiver.key):
        assert secret not in told
    assert settings.LOGGING["loggers"]["urllib3"]["level"] == "INFO"
