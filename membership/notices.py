"""What members are told about their login, and that two memberships of theirs are one now."""

from django.utils.translation import gettext_lazy as _

from messaging import templates
from messaging.models import Purpose

PASSWORD_SET = "account.password_set"  # noqa: S105 - the name of a message
EMAIL_CONFIRMED = "account.email_confirmed"
MERGED = "account.joined"


def register() -> None:
    templates.register(
        PASSWORD_SET,
        subject=_("Your password was set"),
        body=_(
            "A password to log in with was set. If it was not you, set another one and tell us at "
            "your store."
        ),
        variables={},
        purpose=Purpose.SECURITY,
    )
    templates.register(
        EMAIL_CONFIRMED,
        subject=_("You can log in by e-mail"),
        body=_(
            "The e-mail address %(email)s was confirmed: who has the password can log in with it. "
            "If it was not you, tell us at your store."
        ),
        variables={"email": templates.TEXT},
        purpose=Purpose.SECURITY,
    )
    templates.register(
        MERGED,
        subject=_("Your memberships are one now"),
        body=_(
            "Your membership %(number)s was joined with this one, with its points and products. "
            "Numbers and phones of both lead here. If that is not right, tell us at your store."
        ),
        variables={"number": templates.TEXT},
        purpose=Purpose.SECURITY,
    )
