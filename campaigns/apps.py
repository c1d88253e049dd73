from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "campaigns"
    verbose_name = _("Campaigns")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from campaigns import (  # noqa: PLC0415
            approvals,
            campaign_words,
            checks,
            choices,
            invitations,
            labels,
            nightly,  # noqa: F401 - they register themselves
            personal,  # noqa: F401
            subscribers,  # noqa: F401
            words,
        )
        from campaigns.activity_rulebook import ACTIVITIES_SECTION  # noqa: PLC0415
        from campaigns.campaign_rulebook import CAMPAIGNS_SECTION  # noqa: PLC0415
        from campaigns.rulebook import EARNING  # noqa: PLC0415 - models are ready now
        from campaigns.segments import _choices as segment_choices  # noqa: PLC0415
        from campaigns.segments import _labels as segment_labels  # noqa: PLC0415
        from points import statements  # noqa: PLC0415
        from programme import sections  # noqa: PLC0415

        sections.register(EARNING)
        # After it: caps and budgets name its rules.
        sections.register(ACTIVITIES_SECTION)
        # After them: campaigns name what belongs to them.
        sections.register(CAMPAIGNS_SECTION)
        approvals.register()
        invitations.register()
        labels.register()
        choices.register()
        segment_labels.register()
        segment_choices.register()
        checks.register()
        statements.name_rules_by(words.names)
        statements.name_campaigns_by(campaign_words.listed)
