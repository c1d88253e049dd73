"""In which campaign points came: the sentence."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from django.utils.translation import gettext as _

from points.models import Activity
from points.statements._days import listed

# What the campaigns of a version are called: they belong to a room above, which says so here.
_names_of: list[Callable[[int, Iterable[str]], Sequence[str]]] = []


def name_campaigns_by(names_of: Callable[[int, Iterable[str]], Sequence[str]]) -> None:
    """Let a room say what some campaigns of a version are called in the reader's language."""
    _names_of[:] = [names_of]


def named(activity: Activity) -> Iterator[str]:
    codes = list(activity.explanation.get("campaigns", ()))
    if codes:
        names = _names_of[0](activity.version_id, codes) if _names_of else codes
        yield _("Campaign: %(names)s.") % {"names": listed(names)}
