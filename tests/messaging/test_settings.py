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


def test_e_mails_and_one_time_codes_wait_in_different_queues_and_each_has_its_worker():
    route = current_app.amqp.router.route
    queues = {
        name: route({}, f"messaging.{name}")["queue"].name
        for name in ("send_code", "deliver_waiting_emails")
    }

    assert queues == {"send_code": "default", "deliver_waiting_emails": "mail"}
    compose = (PROJECT / "docker-compose.yml").read_text()
    for queue in queues.values():
        assert f'"--queues", "{queue}"' in compose
