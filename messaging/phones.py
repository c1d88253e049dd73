"""What is said when a member's phone changes: to the member, and to whoever has the old one."""

from django.utils.translation import gettext_lazy as _

from messaging import templates
from messaging.models import Purpose

CHANGED = "messaging.phone_changed"
# To the old number, which may be somebody else's by now: it names nobody.
LEFT = "messaging.phone_left"


def register() -> None:
    templates.register(
        CHANGED,
        subject=_("Your phone number was changed"),
        body=_(
            "Your membership has another phone number now, and codes to log in go there. If it was "
            "not you, tell us at your store at once."
        ),
        variables={},
        purpose=Purpose.SECURITY,
    )
    templates.register(
        LEFT,
        subject=_("This phone number was taken off a membership"),
        body=_(
            "A membership that had this phone number has another one now. If it was yours and you "
            "did not change it, tell us at your store at once."
        ),
        variables={},
        purpose=Purpose.SECURITY,
    )
