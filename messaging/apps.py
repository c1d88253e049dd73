from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = _("Messages")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from messaging import (  # noqa: PLC0415
            applying,
            checks,  # noqa: F401 - they register themselves
            groups,
            nightly,  # noqa: F401
            personal,  # noqa: F401
            phones,
            privacy,
            subscribers,  # noqa: F401
            trials,
        )

        applying.register()
        privacy.register()
        trials.register()
        groups.register()
        phones.register()
