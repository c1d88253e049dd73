from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BenefitsConfig(AppConfig):
    name = "benefits"
    verbose_name = _("Benefits")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from benefits import (  # noqa: PLC0415 - models are ready now
            approvals,
            changes,
            checks,
            labels,
            messages,
            nightly,  # noqa: F401 - they register themselves
            order_changes,
            order_messages,
            personal,  # noqa: F401
            rulebook,
            subscribers,  # noqa: F401
        )
        from benefits.operations import coupons, draws  # noqa: PLC0415
        from benefits.payments import checks as _payments  # noqa: F401, PLC0415
        from messaging import changes as told  # noqa: PLC0415
        from programme import sections  # noqa: PLC0415

        sections.register(rulebook.BENEFITS)
        checks.register()
        approvals.register()
        draws.register()
        labels.register()
        coupons.register()
        messages.register()
        order_messages.register()
        told.register("benefits.rights", changes.granted)
        told.register("benefits.orders", order_changes.taken)
