"""What a member did besides buying, and what caps left of its worth: the sentences."""

from collections.abc import Iterator

from django.utils.translation import ngettext

from common.localized import localized
from points.models import Activity
from points.statements import _campaigns


def done(activity: Activity) -> Iterator[str]:
    explanation = activity.explanation
    yield localized(explanation.get("names", {})) or str(activity.code)
    yield from _campaigns.named(activity)
    cut = explanation.get("worth", 0) - activity.points
    if cut > 0:
        yield ngettext(
            "%(points)s point more was not given: a limit was reached.",
            "%(points)s points more were not given: a limit was reached.",
            cut,
        ) % {"points": f"{cut:,}"}
