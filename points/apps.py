from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PointsConfig(AppConfig):
    name = "points"
    verbose_name = _("Points")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from points import (  # noqa: PLC0415 - models are ready now
            approvals,
            changes,
            messages,
            nightly,  # noqa: F401 - they register themselves
            personal,  # noqa: F401
            subscribers,  # noqa: F401
        )

        approvals.register()
        messages.register()
        changes.register()
