"""
The conditions of rules (`where`) and boosts (`when`): made once of the document, asked often.

A condition of a purchase asks the facts. What asks the lines (categories, products, new_category,
min_amount) is judged where the lines are.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from campaigns.earning._terms import Facts, nth_of_its_month
from campaigns.timetable import NOT_BEGUN, OVER, Timetable

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Check = Callable[[Facts], bool]
# A check, and what is wrong where it fails.
Condition = tuple[Check, str]

# Which fact, beyond the day and what the till tells, a condition asks.
NEEDS = {
    "tiers": "tier",
    "stores": "store",
    "dealers": "dealer",
    "birthday": "birthday",
    "first_purchase": "first_purchase",
    "new_category": "bought_before",
}


def conditions(document: Mapping[str, Any]) -> tuple[Condition, ...]:
    """What the purchase itself must fulfil, in the order in which reasons are told."""
    return tuple(_of_the_day(document)) + tuple(_of_the_facts(document))


def calendar_conditions(document: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Those that ask nothing but the day."""
    return tuple(_of_the_day(document))


def of_campaigns(code: str, timetable: Timetable) -> tuple[Condition, ...]:
    """That a campaign is on, for what belongs to one."""
    if code not in timetable.by_code:
        return ()

    def unless(reason: str) -> Check:
        def check(facts: Facts) -> bool:
            refusal = timetable.refusal(code, facts.day)
            return refusal is None or refusal[0] != reason

        return check

    return tuple((unless(reason), reason) for reason in (NOT_BEGUN, OVER))


def needs(document: Mapping[str, Any]) -> frozenset[str]:
    """The facts that have to be looked up for these conditions."""
    return frozenset(fact for name, fact in NEEDS.items() if name in document)


def failed(asked: Sequence[Condition], facts: Facts) -> str | None:
    """The reason of the first condition that is not fulfilled."""
    for check, reason in asked:
        if not check(facts):
            return reason
    return None


def _of_the_day(document: Mapping[str, Any]) -> Iterable[Condition]:
    if "from" in document or "until" in document:
        yield _within([document]), "outside_its_dates"
    if "dates" in document:
        yield _within(document["dates"]), "outside_its_dates"
    if "member_day" in document:
        yield _on_days_of_the_month(document["member_day"]["days"]), "not_a_member_day"
    if "weekdays" in document:
        weekdays = frozenset(WEEKDAYS.index(each) for each in document["weekdays"])
        yield lambda facts: facts.day.weekday() in weekdays, "another_weekday"
    if "months" in document:
        months = frozenset(document["months"])
        yield lambda facts: facts.day.month in months, "another_month"


def _of_the_facts(document: Mapping[str, Any]) -> Iterable[Condition]:
    if "tiers" in document:
        tiers = frozenset(document["tiers"])
        yield lambda facts: facts.tier in tiers, "another_tier"
    if "stores" in document:
        stores = frozenset(document["stores"])
        yield lambda facts: facts.store in stores, "another_store"
    if "dealers" in document:
        dealers = frozenset(document["dealers"])
        yield lambda facts: facts.dealer in dealers, "another_dealer"
    if "channels" in document:
        channels = frozenset(document["channels"])
        yield lambda facts: facts.channel in channels, "another_channel"
    if "birthday" in document:
        wanted = {"day": ("day",), "month": ("day", "month")}[document["birthday"]]
        yield lambda facts: facts.birthday in wanted, "not_the_birthday"
    if "first_purchase" in document:
        first = document["first_purchase"]
        reason = "not_the_first_purchase" if first else "the_first_purchase"
        yield lambda facts: facts.first_purchase is first, reason


def _within(windows: Sequence[Mapping[str, Any]]) -> Check:
    """Both ends inclusive, each may be missing."""
    spans = [
        (
            date.fromisoformat(window["from"]) if "from" in window else date.min,
            date.fromisoformat(window["until"]) if "until" in window else date.max,
        )
        for window in windows
    ]
    return lambda facts: any(first <= facts.day <= last for first, last in spans)


def _on_days_of_the_month(days: Sequence[int]) -> Check:
    return lambda facts: any(facts.day == nth_of_its_month(facts.day, n) for n in days)
