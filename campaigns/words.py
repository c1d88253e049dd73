"""Earning rules in words, in the active language."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.models import Boost, EarningRule
from common.localized import localized

# Why a rule or boost gave nothing; see `campaigns.earning`.
REASONS = {
    "an_earlier_rule_took_the_line": gettext_lazy("An earlier rule took its lines."),
    "no_line_of_its_categories": gettext_lazy("No line belongs to its categories."),
    "no_line_of_its_products": gettext_lazy("No line is of its products."),
    "no_new_category": gettext_lazy("The member had bought of these categories before."),
    "outside_its_dates": gettext_lazy("It was not valid on that day."),
    "not_a_member_day": gettext_lazy("It was no member day."),
    "another_weekday": gettext_lazy("It is for other days of the week."),
    "another_month": gettext_lazy("It is for other months."),
    "another_tier": gettext_lazy("It is for other tiers."),
    "another_store": gettext_lazy("It is for other stores."),
    "another_dealer": gettext_lazy("It is for other dealers."),
    "another_channel": gettext_lazy("It is for other channels."),
    "not_the_birthday": gettext_lazy("It was not the member's birthday."),
    "not_the_first_purchase": gettext_lazy("It was not the first purchase."),
    "the_first_purchase": gettext_lazy("It was the first purchase."),
    "amount_too_small": gettext_lazy("The amount was too small."),
    "its_lines_earn_nothing": gettext_lazy("There were no points it could have added to."),
    "campaign_not_begun": gettext_lazy("Its campaign had not begun."),
    "campaign_over": gettext_lazy("Its campaign was over."),
    "cap_met": gettext_lazy("It had given all it may."),
    "an_exclusive_boost_stands_alone": gettext_lazy("Another boost stands alone."),
    "a_better_boost_of_its_group": gettext_lazy("Another boost of its group gave more."),
}


def rate(points: Decimal, per_amount: Decimal) -> str:
    """1.0000 for 10.00 → “1 points for every 10”."""
    return _("%(points)s points for every %(amount)s") % {
        "points": f"{points.normalize():f}",
        "amount": f"{per_amount.normalize():f}",
    }


def rate_of(document: Mapping[str, str]) -> str:
    return rate(Decimal(document["points"]), Decimal(document["per_amount"]))


def days(window: Mapping[str, str]) -> str:
    """{"from": "2026-10-01", "until": "2026-10-07"} in words; both days count."""
    first, last = (date_format(date.fromisoformat(window[name])) for name in ("from", "until"))
    return _("%(first)s to %(last)s") % {"first": first, "last": last}


def names(version_id: int) -> dict[str, str]:
    """What the rules and boosts of a version are called in the reader's language, by code."""
    return {code: localized(named) for code, named in _names(version_id)}


@lru_cache(maxsize=64)
def _names(version_id: int) -> tuple[tuple[str, dict[str, str]], ...]:
    """In all languages. A published version never changes, so they are read once per process."""
    rules, boosts = (
        model.objects.filter(version_id=version_id).values_list("code", "names")
        for model in (EarningRule, Boost)
    )
    return tuple(rules.union(boosts))


def gives(boost: Mapping[str, Any]) -> str:
    """{"percent": "10"} → “10 % more”."""
    if "percent" in boost:
        return _("%(percent)s %% more") % {"percent": boost["percent"]}
    if "factor" in boost:
        return _("%(factor)s times as much") % {"factor": boost["factor"]}
    return _("%(points)s points more") % {"points": boost["points"]}
