"""What a schema cannot see: policies of the right shape that make no sense."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from datetime import date
from typing import Any, TypeVar

from django.utils.translation import gettext as _

from programme.policies._bills import POINTS_MAX
from programme.policies._terms import WHOLE, FundingShare
from programme.policies._validity import ForMonths, Validity

# Its place below the policies, and the reason.
Contradiction = tuple[str, str]
Item = TypeVar("Item", bound=Hashable)


def contradictions(document: dict[str, Any], *, valid_from: date) -> Iterator[Contradiction]:
    """Yield what is wrong with policies that POLICIES_SCHEMA has accepted."""
    validity = document["validity"]
    if "day_of_year" in validity and not _is_day_of_year(validity["day_of_year"]):
        no_day = _("No year has a “%(day)s”.") % {"day": validity["day_of_year"]}
        yield "validity.day_of_year", no_day
        return  # the rest reads the validity
    if "date" in validity and date.fromisoformat(validity["date"]) < valid_from:
        why = _("Before %(day)s, the version's first day: all points would lapse as they come.")
        yield "validity.date", why % {"day": valid_from}
    if "vesting" in document:
        yield from _of_vesting(document["vesting"], Validity.parse(validity))
    if "transfers" in document:
        windows = (limit["days"] for limit in document["transfers"]["limits"])
        for days in _twice(windows):
            yield "transfers.limits", _("Two limits for %(days)s days.") % {"days": days}
    bills = document.get("bills", {})
    if bills.get("points_max", POINTS_MAX) < bills.get("points_min", 1):
        yield "bills.points_max", _("Fewer than the least that are taken.")
    if "funding" in document:
        yield from of_funding([FundingShare.parse(share) for share in document["funding"]])


def _is_day_of_year(text: str) -> bool:
    try:
        date.fromisoformat(f"2024-{text}")  # a leap year: 29 February is a day
    except ValueError:
        return False
    return True


def _of_vesting(vesting: dict[str, Any], validity: Validity) -> Iterator[Contradiction]:
    if not isinstance(validity, ForMonths):
        return
    shortest = validity.shortest_days()
    waits = {"vesting": vesting} | {
        f"vesting.categories.{category}": wait
        for category, wait in vesting.get("categories", {}).items()
    }
    for place, wait in waits.items():
        if wait.get("days", 0) > shortest:
            why = _("Points may lapse after %(days)s days, before they could be spent.")
            yield f"{place}.days", why % {"days": shortest}


def of_funding(shares: list[FundingShare]) -> Iterator[Contradiction]:
    """Of any list of those who pay, at the place `funding`."""
    total = sum(share.basis_points for share in shares)
    if total != WHOLE:
        why = _("The shares add up to %(total)s, not to 100.") % {"total": f"{total / 100:g}"}
        yield "funding", why
    for payer, budget in _twice((share.payer, share.budget) for share in shares):
        with_budget = _("“%(payer)s” twice with the budget “%(budget)s”.")
        why = with_budget if budget else _("“%(payer)s” twice.")
        yield "funding", why % {"payer": payer, "budget": budget}


def _twice(items: Iterable[Item]) -> list[Item]:
    return [item for item, times in Counter(items).items() if times > 1]
