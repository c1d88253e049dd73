"""What tiers say to members."""

from django.utils.translation import gettext_lazy as _

from common.localized import localized
from messaging import templates
from messaging.templates import Kind
from tiers import words

ENDING = "tiers.ending"

# Names and evidence are kept as they are: each reader gets them in a language of their own.
NAMES = Kind(keep=dict, show=localized)
MISSING = Kind(keep=dict, show=words.missing)


def register() -> None:
    templates.register(
        ENDING,
        subject=_("Your tier %(level)s ends after %(last_day)s"),
        body=_(
            "Your tier %(level)s is valid until %(last_day)s, that day included. To keep it, this "
            "is still missing: %(missing)s."
        ),
        variables={"level": NAMES, "last_day": templates.DAY, "missing": MISSING},
    )
