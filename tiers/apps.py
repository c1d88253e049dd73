from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TiersConfig(AppConfig):
    name = "tiers"
    verbose_name = _("Tiers")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from programme import checks, sections  # noqa: PLC0415 - models are ready now
        from tiers import (  # noqa: PLC0415
            approvals,
            changes,
            labels,
            messages,
            nightly,  # noqa: F401 - they register themselves
            personal,  # noqa: F401
            rulebook,
            subscribers,  # noqa: F401
        )
        from tiers import checks as of_ladders  # noqa: PLC0415

        sections.register(rulebook.TIERS)
        checks.register(rulebook.in_use)
        of_ladders.register()
        approvals.register()
        messages.register()
        changes.register()
        labels.register()
