"""What applicants are told: those who are members now by messages, the others as strangers."""

from django.utils.translation import gettext_lazy as _

from messaging import templates

APPROVED = "messaging.application_approved"
REFUSED = "messaging.application_refused"
LAPSED = "messaging.application_lapsed"


def register() -> None:
    templates.register(
        APPROVED,
        subject=_("You are a member"),
        body=_("Your application %(application)s was approved. Welcome!"),
        variables={"application": templates.TEXT},
    )
    templates.register(
        REFUSED,
        subject=_("Your application was not accepted"),
        body=_(
            "Your application %(application)s for a membership was not accepted: %(reason)s. "
            "%(words)s"
        ),
        variables={
            "application": templates.TEXT,
            "reason": templates.TEXT,
            "words": templates.TEXT,
        },
    )
    templates.register(
        LAPSED,
        subject=_("Your application has lapsed"),
        body=_(
            "Nobody decided on your application %(application)s for a membership in time. You may "
            "apply again."
        ),
        variables={"application": templates.TEXT},
    )
