from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PartnersConfig(AppConfig):
    name = "partners"
    verbose_name = _("Stores and partners")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from partners import choices  # noqa: PLC0415 - models are ready now
        from partners.api import schema  # noqa: F401, PLC0415 - registers itself

        choices.register()
