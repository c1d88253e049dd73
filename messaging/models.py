from django.db import models
from django.utils.translation import gettext_lazy as _

from common.fields import EncryptedTextField


class SandboxCode(models.Model):
    """
    A one-time code that would have gone out by SMS, kept for the sandbox's page.

    In production no row is ever written: `messaging.operations.send_code` refuses.
    """

    phone = EncryptedTextField(_("phone"))
    code = EncryptedTextField(_("code"))
    sent_at = models.DateTimeField(_("sent at"))

    class Meta:
        verbose_name = _("sandbox code")
        verbose_name_plural = _("sandbox codes")

    def __str__(self) -> str:
        return f"{self.sent_at:%H:%M:%S}"
