"""Whole-programme work on rewards, set by set. Never called by a request."""

from collections.abc import Iterable
from datetime import date

from django.utils.translation import gettext_lazy as _

from campaigns import gifts
from common import jobs


def _spenders(day: date) -> Iterable[jobs.Range]:
    """Nobody but in the first night of a year, where the rulebook converts what was spent."""
    return jobs.members_in(gifts.SPENDERS)(day) if gifts.converts_on(day) else []


@jobs.nightly(
    name="campaigns.convert_spend",
    order=45,
    title=_("Conversion of last year's spend"),
    plan=_spenders,
    figures={"members": _("Members"), "points": _("Points")},
)
def convert_spend(*, day: date, low: int, high: int) -> dict[str, int]:
    """Turn what was spent in the year before `day` into points."""
    members, points = gifts.convert_spend(year=day.year - 1, low=low, high=high)
    return {"members": members, "points": points}
