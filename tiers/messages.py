"""What tiers say to members."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.localized import localized
from messaging import templates
from messaging.templates import Kind
from tiers import words

ENDING = "tiers.ending"
APPROVED = "tiers.approved"
DECLINED = "tiers.declined"

# Names and evidence are kept as they are: each reader gets them in a language of their own.
NAMES = Kind(keep=dict, show=localized)
MISSING = Kind(keep=dict, show=words.missing)


def _added(note: str) -> str:
    return "\n" + _("Our staff add: %(note)s") % {"note": note} if note else ""


NOTE = Kind(keep=str, show=str)
# A paragraph of its own, or nothing.
ADDED = Kind(keep=str, show=_added)


def register() -> None:
    templates.register(
        ENDING,
        subject=gettext_lazy("Your tier %(level)s ends after %(last_day)s"),
        body=gettext_lazy(
            "Your tier %(level)s is valid until %(last_day)s, that day included. To keep it, this "
            "is still missing: %(missing)s."
        ),
        variables={"level": NAMES, "last_day": templates.DAY, "missing": MISSING},
    )
    templates.register(
        APPROVED,
        subject=gettext_lazy("Your upgrade to %(level)s is approved"),
        body=gettext_lazy("Your tier is %(level)s from %(day)s on.%(note)s"),
        variables={"level": NAMES, "day": templates.DAY, "note": ADDED},
    )
    templates.register(
        DECLINED,
        subject=gettext_lazy("Your upgrade to %(level)s was declined"),
        body=gettext_lazy(
            "Your upgrade to %(level)s, proposed or applied for on %(day)s, was declined.\n"
            "Reason: %(note)s"
        ),
        variables={"level": NAMES, "day": templates.DAY, "note": NOTE},
    )
