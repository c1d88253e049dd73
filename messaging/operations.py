"""What we send to members. So far: one-time codes."""

from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError
from messaging.models import SandboxCode


class NoSmsProvider(DomainError):
    code = "no_sms_provider"
    message = _("This installation cannot send text messages yet.")
    status = 503


def send_code(*, phone: str, code: str, sent_at: datetime) -> None:
    """
    Send a one-time code by SMS. In a sandbox it is put on a page instead.

    :raises NoSmsProvider: outside a sandbox, until a provider is configured
    """
    if not settings.SANDBOX:
        raise NoSmsProvider
    SandboxCode.objects.create(phone=phone, code=code, sent_at=sent_at)
