import base64
from typing import Any

from django.conf import settings
from django.core import checks

from messaging.channels.sms import PROVIDERS
from messaging.channels.webhook import SECRET_PREFIX

APPLICATION_NEEDED = {"tencent"}
RECEIPT_TOKEN_MIN = 32
WEBHOOK_KEY_BYTES = 24
SMTP = "django.core.mail.backends.smtp.EmailBackend"


@checks.register(checks.Tags.security, deploy=True)
def a_provider_sends_the_codes(**_: Any) -> list[checks.CheckMessage]:
    """Say before the first member tries to log in that no code can reach a phone."""
    if settings.SANDBOX and not settings.SMS_PROVIDER:
        return []
    if not settings.SMS_PROVIDER:
        return [
            checks.Info(
                "No SMS provider is set: members cannot log in by code.",
                hint="Set SMS_PROVIDER and what it needs (docs/operations.md, Channels).",
                id="messaging.I001",
            )
        ]
    needed = ["SMS_ACCESS_KEY_ID", "SMS_ACCESS_KEY_SECRET", "SMS_SIGN_NAME", "SMS_CODE_TEMPLATES"]
    if settings.SMS_PROVIDER in APPLICATION_NEEDED:
        needed.append("SMS_APP_ID")
    # The address of the receipts is all that says who sends them.
    token = settings.SMS_RECEIPT_TOKEN
    if token and len(token) < RECEIPT_TOKEN_MIN:
        return [
            checks.Error(
                f"SMS_RECEIPT_TOKEN can be guessed: {RECEIPT_TOKEN_MIN} characters or more.",
                id="messaging.E005",
            )
        ]
    missing = [name for name in needed if not getattr(settings, name)]
    if settings.SMS_PROVIDER in PROVIDERS and not missing:
        return []
    return [
        checks.Error(
            "One-time codes would reach no phone.",
            hint=f"SMS_PROVIDER is one of {', '.join(PROVIDERS)}; {', '.join(missing)} missing.",
            id="messaging.E003",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def webhooks_are_signed(**_: Any) -> list[checks.CheckMessage]:
    """A receiver that cannot tell our requests from others' must take everybody's."""
    if not settings.WEBHOOK_URL:
        return []
    try:
        keys = [
            base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
            for secret in settings.WEBHOOK_SECRETS
        ]
    except ValueError:
        keys = []
    if keys and all(len(key) >= WEBHOOK_KEY_BYTES for key in keys):
        return []
    return [
        checks.Error(
            "WEBHOOK_SECRETS is needed with WEBHOOK_URL: whsec_ and 24 bytes or more in base64.",
            id="messaging.E004",
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
