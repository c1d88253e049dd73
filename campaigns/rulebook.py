"""The earning rules' part of the programme file: `earning`."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

from django.utils.translation import gettext as _

from campaigns.earning import (
    BEST,
    EXCLUSIVE,
    MULTIPLY,
    WEEKDAYS,
    Facts,
    calendar_conditions,
    failed,
    plain,
    section_of,
)
from campaigns.models import Boost, EarningRule
from common.localized import NAMES_SCHEMA
from programme.models import Version
from programme.sections import Contradiction, Section

CODE = {"type": "string", "pattern": r"^[a-z][a-z0-9-]{0,49}\Z"}
_CATEGORY = {"type": "string", "pattern": r"^[a-z][a-z0-9_-]{0,31}\Z", "choices": "categories"}
# Of a store or an organization.
_PLACE = {"type": "string", "pattern": r"^[-a-zA-Z0-9_]{1,50}\Z"}
_PRODUCT = {
    "type": "string",
    "pattern": r"^[!-~\u3400-\u9fff]([ -~\u3400-\u9fff]{0,62}[!-~\u3400-\u9fff])?\Z",
}
# Text, not numbers: YAML's numbers are binary and money is not.
_DECIMAL = {"type": "string", "pattern": r"^[0-9]{1,8}(\.[0-9]{1,4})?\Z"}
_AMOUNT = {"type": "string", "pattern": r"^(?!0+(\.0+)?\Z)[0-9]{1,12}(\.[0-9]{1,2})?\Z"}
_DAY = {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}\Z"}


def _some(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": 500, "uniqueItems": True}


_RATE = {"points": _DECIMAL, "per_amount": _AMOUNT}
_OF_THE_PURCHASE = {
    "tiers": _some(CODE | {"choices": "tiers"}),
    "stores": _some(_PLACE | {"choices": "stores"}),
    "dealers": _some(_PLACE | {"choices": "dealers"}),
    "channels": _some(_CATEGORY | {"choices": "channels"}),
    "products": _some(_PRODUCT | {"choices": "products"}),
    "weekdays": _some({"enum": list(WEEKDAYS)}),
    "months": _some({"type": "integer", "minimum": 1, "maximum": 12, "choices": "months"}),
}
_WINDOW = {"from": _DAY, "until": _DAY}

RULE = {
    "type": "object",
    "properties": {
        "code": CODE,
        "names": NAMES_SCHEMA,
        "categories": {"type": "array", "items": _CATEGORY, "uniqueItems": True},
        **_RATE,
        "tiers": {
            "type": "object",
            "propertyNames": {"pattern": CODE["pattern"], "choices": "tiers"},
            "additionalProperties": {
                "type": "object",
                "properties": _RATE,
                "required": list(_RATE),
                "additionalProperties": False,
                "told": "rate",
            },
            "minProperties": 1,
            "maxProperties": 50,
        },
        "where": {
            "type": "object",
            "properties": {**_OF_THE_PURCHASE, **_WINDOW},
            "additionalProperties": False,
            "minProperties": 1,
        },
    },
    "required": ["code", "names", "categories", "points", "per_amount"],
    "additionalProperties": False,
}

BOOST = {
    "type": "object",
    "properties": {
        "code": CODE,
        "names": NAMES_SCHEMA,
        "when": {
            "type": "object",
            "properties": {
                "birthday": {"enum": ["month", "day"]},
                "member_day": {
                    "type": "object",
                    "properties": {
                        "days": _some(
                            {
                                "type": "integer",
                                "minimum": 1,
                                "maximum": 31,
                                "choices": "days_of_month",
                            }
                        )
                    },
                    "required": ["days"],
                    "additionalProperties": False,
                },
                "dates": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": _WINDOW,
                        "required": list(_WINDOW),
                        "additionalProperties": False,
                        "told": "days",
                    },
                    "minItems": 1,
                    "maxItems": 100,
                },
                "first_purchase": {"type": "boolean"},
                "new_category": {"const": True},
                "min_amount": _AMOUNT,
                "categories": _some(_CATEGORY),
                **_OF_THE_PURCHASE,
            },
            "additionalProperties": False,
        },
        "gives": {
            "type": "object",
            "properties": {
                "percent": {
                    "type": "string",
                    "pattern": r"^(?!0+(\.0+)?\Z)[0-9]{1,5}(\.[0-9]{1,4})?\Z",
                },
                "factor": {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,4})?\Z"},
                "points": {"type": "string", "pattern": r"^[1-9][0-9]{0,8}\Z"},
            },
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
            "told": "gives",
        },
        "stacking": {"enum": ["add", "multiply", "best", "exclusive"]},
        "group": CODE | {"choices": "group"},
        "priority": {"type": "integer", "minimum": 0, "maximum": 1000},
    },
    "required": ["code", "names", "when", "gives", "stacking"],
    "additionalProperties": False,
}

SCHEMA = {
    "type": "object",
    "properties": {
        "rules": {"type": "array", "items": RULE, "minItems": 1, "maxItems": 200},
        "boosts": {"type": "array", "items": BOOST, "maxItems": 200},
    },
    "required": ["rules"],
    "additionalProperties": False,
}


# --- There and back -------------------------------------------------------------------------------


def load(version: Version, section: Any) -> None:
    EarningRule.objects.bulk_create(
        EarningRule(
            version=version,
            position=position,
            code=rule["code"],
            names=rule["names"],
            categories=rule["categories"],
            points=Decimal(rule["points"]),
            per_amount=Decimal(rule["per_amount"]),
            tiers={tier: _plain(rate) for tier, rate in rule.get("tiers", {}).items()},
            conditions=rule.get("where", {}),
        )
        for position, rule in enumerate(section["rules"])
    )
    Boost.objects.bulk_create(
        Boost(
            version=version,
            position=position,
            code=boost["code"],
            names=boost["names"],
            conditions=boost["when"] | _plain(boost["when"], "min_amount"),
            gives=_plain(boost["gives"]),
            stacking=boost["stacking"].upper(),
            group=boost.get("group", ""),
            priority=boost.get("priority", 0),
        )
        for position, boost in enumerate(section.get("boosts", ()))
    )


def _plain(numbers: dict[str, Any], *names: str) -> dict[str, str]:
    """The numbers of these names (all unless given) in the one spelling the database keeps."""
    return {name: plain(Decimal(numbers[name])) for name in names or numbers if name in numbers}


def dump(version: Version) -> Any:
    return section_of(version.pk)


# --- What the schema cannot say -------------------------------------------------------------------


def contradictions(document: dict[str, Any]) -> Iterator[Contradiction]:
    """What of `earning` in a programme file makes no sense, and where."""
    section = document["earning"]
    rules, boosts = section["rules"], section.get("boosts", [])
    yield from _codes_twice(rules, boosts)
    asked = [(f"rules[{n}].where", rule.get("where", {})) for n, rule in enumerate(rules)]
    asked += [(f"boosts[{n}].when", boost["when"]) for n, boost in enumerate(boosts)]
    for place, conditions in asked:
        yield from _of_days(place, conditions)
    for n, boost in enumerate(boosts):
        yield from _of_stacking(f"boosts[{n}]", boost)
    yield from _of_exclusives(boosts)
    levels = document.get("tiers", {}).get("levels", [])
    yield from _of_tiers(rules, asked, {level["code"] for level in levels})


def _codes_twice(
    rules: list[dict[str, Any]], boosts: list[dict[str, Any]]
) -> Iterator[Contradiction]:
    seen: Counter[str] = Counter()
    for kind, documents in (("rules", rules), ("boosts", boosts)):
        for n, each in enumerate(documents):
            seen[each["code"]] += 1
            if seen[each["code"]] == 2:
                why = _("Another rule or boost has the code “%(code)s”.") % {"code": each["code"]}
                yield f"{kind}[{n}].code", why


def _of_days(place: str, conditions: dict[str, Any]) -> Iterator[Contradiction]:
    backwards = [
        where
        for where, window in windows(place, conditions)
        if window.get("until", _LAST) < window.get("from", _FIRST)
    ]
    for where in backwards:
        yield f"{where}.until", _("It ends before it begins.")
    if not backwards and not _has_a_day(conditions):
        yield place, _("There is no day on which all of this is true.")


def windows(place: str, conditions: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The days from and until which conditions hold, each with its place."""
    several = enumerate(conditions.get("dates", ()))
    return [(place, conditions), *((f"{place}.dates[{n}]", each) for n, each in several)]


_FIRST, _LAST = date.min.isoformat(), date.max.isoformat()
# Within so many days every weekday has met every day of every month.
_EVERY_CALENDAR = 28 * 366


def _has_a_day(conditions: dict[str, Any]) -> bool:
    """Whether there is a day that fulfils all conditions about days, perhaps one long ago."""
    asked = calendar_conditions(conditions)
    if not asked:
        return True
    for window in conditions.get("dates") or [conditions]:
        first = date.fromisoformat(window.get("from", _FIRST))
        last = min(
            date.fromisoformat(window.get("until", _LAST)),
            first + min(timedelta(days=_EVERY_CALENDAR), date.max - first),
        )
        for n in range((last - first).days + 1):
            if failed(asked, Facts(day=first + timedelta(days=n))) is None:
                return True
    return False


def _of_stacking(place: str, boost: dict[str, Any]) -> Iterator[Contradiction]:
    stacking, gives = boost["stacking"], boost["gives"]
    if "factor" in gives and Decimal(gives["factor"]) <= 1:
        yield f"{place}.gives.factor", _("A factor of 1 or less gives nothing more.")
    if stacking == MULTIPLY and "points" in gives:
        yield f"{place}.gives.points", _("Whole points are added; they cannot multiply.")
    if stacking == BEST and "group" not in boost:
        yield f"{place}.group", _("Say of which group it may be the best.")
    if stacking != BEST and "group" in boost:
        yield f"{place}.group", _("Only the best of several has a group.")


def _of_exclusives(boosts: list[dict[str, Any]]) -> Iterator[Contradiction]:
    """Two that stand alone need an order, unless they can never meet."""
    alone = [(n, boost) for n, boost in enumerate(boosts) if boost["stacking"] == EXCLUSIVE]
    for (_first, one), (n, other) in combinations(alone, 2):
        if one.get("priority", 0) == other.get("priority", 0) and may_meet(
            one["when"], other["when"]
        ):
            why = _("“%(code)s” stands alone with the same priority, and both may apply at once.")
            yield f"boosts[{n}].priority", why % {"code": one["code"]}


def may_meet(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether there may be a purchase that fulfils the conditions of both boosts."""
    for name in ("tiers", "stores", "dealers", "channels", "weekdays", "months"):
        if name in one and name in other and not set(one[name]) & set(other[name]):
            return False
    if one.get("first_purchase", True) != other.get("first_purchase", True) and (
        "first_purchase" in one and "first_purchase" in other
    ):
        return False
    return not ("dates" in one and "dates" in other) or any(
        a["from"] <= b["until"] and b["from"] <= a["until"]
        for a in one["dates"]
        for b in other["dates"]
    )


def _of_tiers(
    rules: list[dict[str, Any]], asked: list[tuple[str, dict[str, Any]]], known: set[str]
) -> Iterator[Contradiction]:
    named = [
        (f"rules[{n}].tiers.{code}", code)
        for n, rule in enumerate(rules)
        for code in rule.get("tiers", {})
    ]
    named += [
        (f"{place}.tiers[{n}]", code)
        for place, conditions in asked
        for n, code in enumerate(conditions.get("tiers", []))
    ]
    for where, code in named:
        if code not in known:
            yield where, _("There is no tier “%(code)s”.") % {"code": code}


EARNING = Section(
    name="earning", schema=SCHEMA, load=load, dump=dump, contradictions=contradictions
)
