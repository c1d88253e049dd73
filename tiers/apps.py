from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TiersConfig(AppConfig):
    name = "tiers"
    verbose_name = _("Tiers")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from programme import sections  # noqa: PLC0415
        from tiers.rulebook import TIERS  # noqa: PLC0415 - models are ready now

        sections.register(TIERS)
