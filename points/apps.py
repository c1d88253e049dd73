from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PointsConfig(AppConfig):
    name = "points"
    verbose_name = _("Points")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from points import approvals, messages, nightly, personal, subscribers  # noqa: F401, PLC0415 - two register themselves

        approvals.register()
        messages.register()
