"""What members are told about their own data."""

from django.utils.translation import gettext_lazy as _

from messaging import templates
from messaging.models import Purpose

EXPORT_MADE = "messaging.export_made"
FOLLOWER_BOUND = "messaging.follower_bound"
ERASURE_REQUESTED = "messaging.erasure_requested"


def register() -> None:
    templates.register(
        EXPORT_MADE,
        subject=_("The copy of your data is ready"),
        body=_("You find it under Privacy until %(last_day)s. We ask you for a code first."),
        variables={"last_day": templates.DAY},
        purpose=Purpose.SECURITY,
    )
    templates.register(
        FOLLOWER_BOUND,
        subject=_("Your WeChat hears from us now"),
        body=_(
            "A WeChat account was bound to your membership: messages go there too. If it was not "
            "you, end it where you choose what you hear."
        ),
        variables={},
        purpose=Purpose.SECURITY,
    )
    templates.register(
        ERASURE_REQUESTED,
        subject=_("Your data will be erased on %(due_on)s"),
        body=_(
            "Your membership ends on that day, and its points with it. Until then you can take it "
            "back under Privacy. If it was not you, do so at once."
        ),
        variables={"due_on": templates.DAY},
        purpose=Purpose.SECURITY,
    )
