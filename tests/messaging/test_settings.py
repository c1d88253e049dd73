"""Where e-mails go, and who carries them."""

import pytest
from celery import current_app
from django.core import checks

from local.paths import PROJECT


def complaints():
    return {found.id for found in checks.run_checks(include_deployment_checks=True)}


@pytest.mark.parametrize("kind", ["console", "dummy", "locmem", "filebased"])
def test_production_does_not_start_with_e_mails_that_reach_nobody(settings, kind):
    settings.SANDBOX = False
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{kind}.EmailBackend"

    assert "messaging.E002" in complaints()


def test_a_mail_server_or_a_sandbox_is_fine(settings):
    settings.SANDBOX = False
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert "messaging.E002" not in complaints()

    settings.SANDBOX = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert "messaging.E002" not in complaints()


def test_production_is_told_that_no_provider_sends_the_codes_until_one_is_set(settings):
    settings.SANDBOX, settings.SMS_PROVIDER = False, ""
    assert "messaging.I001" in complaints()

    settings.SMS_PROVIDER = "tencent"
    settings.SMS_ACCESS_KEY_ID = settings.SMS_ACCESS_KEY_SECRET = settings.SMS_SIGN_NAME = "x"
    settings.SMS_CODE_TEMPLATES = {"zh-hans": "1"}
    assert "messaging.E003" in complaints()

    settings.SMS_APP_ID = "1400006666"
    assert not complaints() & {"messaging.I001", "messaging.E003"}

    settings.SMS_PROVIDER = "pigeon"
    assert "messaging.E003" in complaints()


@pytest.mark.parametrize("secrets", [[], ["whsec_"], ["whsec_c2hvcnQ="], ["whsec_?"]])
def test_a_webhook_without_a_good_secret_does_not_start(settings, secrets):
    settings.WEBHOOK_URL, settings.WEBHOOK_SECRETS = "https://example.com/", secrets
    assert "messaging.E004" in complaints()

    settings.WEBHOOK_SECRETS = ["whsec_" + "A" * 32]
    assert "messaging.E004" not in complaints()


def test_e_mails_and_one_time_codes_wait_in_different_queues_and_each_has_its_worker():
    route = current_app.amqp.router.route
    queues = {
        name: route({}, f"messaging.{name}")["queue"].name
        for name in ("send_code", "deliver_waiting")
    }

    assert queues == {"send_code": "default", "deliver_waiting": "mail"}
    compose = (PROJECT / "docker-compose.yml").read_text()
    for queue in queues.values():
        assert f'"--queues", "{queue}"' in compose
