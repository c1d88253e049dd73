from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class MembershipConfig(AppConfig):
    default = True
    name = "membership"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Whoever starts a task, be it a web process or a command, goes by our broker's address.
        from membership import (  # noqa: PLC0415 - models are there by now
            celery,  # noqa: F401 - importing makes it the current app
            notices,
        )

        notices.register()


class StaffConsoleConfig(admin_apps.AdminConfig):
    """Django's admin on our one site."""

    default = False
    default_site = "membership.admin.StaffConsole"
