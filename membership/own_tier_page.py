"""The member's page of tiers, with what only rooms above tiers know: what the next one gives."""

from datetime import date
from typing import Any

from django.utils import timezone
from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from benefits import queries as benefits
from benefits import words
from benefits.queries.tier_items import Better, openings
from campaigns.by_tier import Gain, gains
from programme import queries as programme
from programme.policies import ForMonths, Policies
from tiers import queries as tiers
from tiers.ladders import Level
from tiers.views import TierPage


class OwnTierPage(TierPage):
    """`tiers.views.TierPage`, and beneath it the next tier compared with the present one."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = super().get_context_data(**kwargs)
        if found["tier"] is None:
            return found
        today = localdate()
        own = found["tier"].stand.level
        above = tiers.ladder_on(today).levels[own.position + 1 :]
        # The one there is a way to, if there is one.
        following = next((level for level in above if level.upgrade), above[0] if above else None)
        return found | {
            "following": following,
            "gains": compared(own, following, day=today) if following else [],
            "shop": self._shop(own, following) if following else {},
        }

    def _shop(self, own: Level, higher: Level) -> dict[str, Any]:
        """Items that open, and prices that fall: each with what it costs then."""
        found = openings(self.member.pk, own=own.code, higher=higher.code, at=timezone.now())
        return (
            {}
            if not found
            else {
                "opened": [(each, *_prices(each)) for each in found.opened],
                "opened_more": found.opened_count - len(found.opened),
                "cheaper": [(each, *_prices(each)) for each in found.cheaper],
                "cheaper_more": found.cheaper_count - len(found.cheaper),
            }
        )


def _prices(of: Better) -> tuple[str, str]:
    """What it costs now, and then. Empty: it cannot be had now."""
    before = ""
    if of.before_points is not None and of.before_cash is not None:
        before = words.price(of.before_points, of.before_cash)
    return before, words.price(of.points, of.cash)


def compared(own: Level, higher: Level, *, day: date) -> list[Gain]:
    """What the higher tier gives that the other does not, by the rulebook of the day."""
    rulebook = programme.rulebook_on(day)
    earned = gains(rulebook.id, own=own.code, higher=higher.code, day=day)
    return earned + _benefits(own, higher, rulebook.id) + _longer(own, higher, rulebook.policies)


def _benefits(own: Level, higher: Level, version_id: int) -> list[Gain]:
    """Benefits of which the higher tier gets something else, in the matrix's order."""
    return [
        Gain(each.name, words.cell(before) if before else "", words.cell(after))
        for each, before, after in (
            (each, each.cells.get(own.code), each.cells.get(higher.code))
            for each in benefits.matrix(version_id).benefits
        )
        if after is not None and after != before
    ]


def _longer(own: Level, higher: Level, policies: Policies) -> list[Gain]:
    if not isinstance(policies.validity, ForMonths):
        return []
    months, extra = policies.validity.months, policies.validity.extra_months
    before, after = (months + extra.get(level.code, 0) for level in (own, higher))
    if after <= before:
        return []
    return [Gain(_("How long points last"), _months(before), _months(after))]


def _months(count: int) -> str:
    return ngettext("%(count)s month", "%(count)s months", count) % {"count": count}
