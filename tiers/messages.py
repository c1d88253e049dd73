"""What tiers say to members."""

from datetime import date
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.localized import localized
from messaging import templates
from messaging.templates import Kind
from tiers import words

ENDING = "tiers.ending"
APPROVED = "tiers.approved"
DECLINED = "tiers.declined"
PROPOSED = "tiers.proposed"
UP = "tiers.up"
KEPT = "tiers.kept"
DOWN = "tiers.down"

# Names and evidence are kept as they are: each reader gets them in a language of their own.
NAMES = Kind(keep=dict, show=localized)
MISSING = Kind(keep=dict, show=words.missing)


def _added(note: str) -> str:
    return "\n" + _("Our staff add: %(note)s") % {"note": note} if note else ""


def _iso_or_none(day: Any) -> str | None:
    if day is not None and not isinstance(day, date):
        raise TypeError(day)
    return day.isoformat() if day else None


def _until(kept: str | None) -> str:
    return date_format(date.fromisoformat(kept), "DATE_FORMAT") if kept else _("without end")


NOTE = Kind(keep=str, show=str)
# A last day; without one, a tier has no end.
UNTIL = Kind(keep=_iso_or_none, show=_until, sample="2026-12-31")
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
    templates.register(
        PROPOSED,
        subject=gettext_lazy("Your upgrade to %(level)s is being looked at"),
        body=gettext_lazy("Our staff decide on your upgrade to %(level)s; we tell you then."),
        variables={"level": NAMES},
    )
    templates.register(
        UP,
        subject=gettext_lazy("Your tier is %(level)s now"),
        body=gettext_lazy("You have risen to %(level)s. Valid until: %(until)s."),
        variables={"level": NAMES, "until": UNTIL},
    )
    templates.register(
        KEPT,
        subject=gettext_lazy("You keep your tier %(level)s"),
        body=gettext_lazy("Your tier stays %(level)s. Valid until: %(until)s."),
        variables={"level": NAMES, "until": UNTIL},
    )
    templates.register(
        DOWN,
        subject=gettext_lazy("Your tier has changed to %(level)s"),
        body=gettext_lazy(
            "Your tier is %(level)s now. Valid until: %(until)s. Your tier page tells why, and how "
            "far it is to the next."
        ),
        variables={"level": NAMES, "until": UNTIL},
    )
