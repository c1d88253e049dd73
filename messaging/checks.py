from typing import Any

from django.conf import settings
from django.core import checks

SMTP = "django.core.mail.backends.smtp.EmailBackend"


@checks.register(checks.Tags.security, deploy=True)
def a_provider_sends_the_codes(**_: Any) -> list[checks.CheckMessage]:
    """Say before the first member tries to log in that no code can reach a phone."""
    if settings.SANDBOX:
        return []
    return [
        checks.Info(
            "No SMS provider is built in yet: members cannot log in by code.",
            hint="Codes are shown on a page in a sandbox only (SANDBOX=1).",
            id="messaging.I001",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def e_mails_leave_the_house(**_: Any) -> list[checks.CheckMessage]:
    """A backend that prints or swallows e-mails would have them recorded as delivered."""
    if settings.SANDBOX or settings.EMAIL_BACKEND == SMTP:
        return []
    return [
        checks.Error(
            "E-mails would reach nobody and be recorded as delivered.",
            hint="EMAIL_URL must name a mail server: smtp+tls://user:password@host:587",
            id="messaging.E002",
        )
    ]
