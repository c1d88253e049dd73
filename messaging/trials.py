"""A wording of the inbox that staff try out: it stands in an inbox, and says that it is a test."""

from django.utils.translation import gettext_lazy as _

from messaging import templates
from messaging.templates import Kind

TRIAL = "messaging.trial"
# As it was worded then; longer than other texts may be.
WORDS = Kind(keep=str, show=str)


def register() -> None:
    templates.register(
        TRIAL,
        subject=_("[Test] %(subject)s"),
        body="%(body)s",
        variables={"subject": WORDS, "body": WORDS},
        leaves_the_house=False,
    )
