"""The programme file's part about what members do besides buying: `activities`."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from campaigns.models import (
    ActivityGroup,
    ActivityRule,
    Budget,
    Cap,
    Gift,
    GiftOccasion,
    Period,
    Task,
    TaskStep,
)
from common.localized import NAMES_SCHEMA
from programme.models import Programme, Version
from programme.sections import Contradiction, Section

# Words of `of` that stand for every code of a type; no rule may be called so.
ACTIVITIES = "activities"
CONSUMPTION = "consumption"
TYPES = (ACTIVITIES, CONSUMPTION)

DEFAULT: dict[str, list[Any]] = {"kinds": [], "caps": [], "budgets": [], "gifts": [], "tasks": []}

_CODE = {"type": "string", "pattern": r"^[a-z][a-z0-9-]{0,49}\Z"}
# It stands in a reference of at most 64 characters, with a year and a member's number.
_SHORT_CODE = {"type": "string", "pattern": r"^[a-z][a-z0-9-]{0,39}\Z"}
_DAY = {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}\Z"}
_CATEGORY = {"type": "string", "pattern": r"^[a-z][a-z0-9_-]{0,31}\Z", "choices": "categories"}
# Text, not numbers: YAML's numbers are binary and money is not.
_WHOLE = {"type": "string", "pattern": r"^[0-9]{1,9}\Z"}
_RATE = {"type": "string", "pattern": r"^(?!0+(\.0+)?\Z)[0-9]{1,8}(\.[0-9]{1,4})?\Z"}
_AMOUNT = {"type": "string", "pattern": r"^(?!0+(\.0+)?\Z)[0-9]{1,12}(\.[0-9]{1,2})?\Z"}
_SHARE = {"type": "string", "pattern": r"^(?!0+(\.0+)?\Z)[0-9]{1,3}(\.[0-9]{1,2})?\Z"}
_LIMIT = {"type": "integer", "minimum": 0, "maximum": 1_000_000_000}
_OF = {
    "type": "array",
    "items": _CODE | {"choices": "givers"},
    "minItems": 1,
    "maxItems": 200,
    "uniqueItems": True,
}
_PER = {"enum": list(Period.values)}


def _list_of(properties: Mapping[str, Any], required: Sequence[str], **more: Any) -> dict[str, Any]:
    item = {
        "type": "object",
        "properties": {"code": _CODE, "names": NAMES_SCHEMA, **properties},
        "required": ["code", "names", *required],
        "additionalProperties": False,
        **more,
    }
    return {"type": "array", "maxItems": 200, "items": item}


SCHEMA = {
    "type": "object",
    "properties": {
        "kinds": _list_of(
            {"group": {"enum": list(ActivityGroup.values)}, "points": _WHOLE, "once_per": _PER},
            ["group", "points"],
        ),
        "caps": _list_of(
            {
                "of": _OF,
                "points": _LIMIT,
                "times": _LIMIT,
                "share": _SHARE,
                "of_type": {"enum": [CONSUMPTION]},
                "per": _PER,
            },
            ["of", "per"],
        ),
        "budgets": _list_of(
            {
                "of": _OF,
                "points": _LIMIT | {"minimum": 1, "maximum": 1_000_000_000_000},
                "money": _AMOUNT,
                "dealer": {
                    "type": "string",
                    "pattern": r"^[-a-zA-Z0-9_]{1,50}\Z",
                    "choices": "dealers",
                },
                "from": _DAY,
                "until": _DAY,
            },
            ["of"],
        ),
        # `when`, not `on`: to YAML the word “on” is the truth value.
        "gifts": _list_of(
            {
                "when": {"enum": list(GiftOccasion.values)},
                "points": _RATE,
                "since": _DAY,
                "within_months": {"type": "integer", "minimum": 1, "maximum": 1200},
                "categories": {"type": "array", "items": _CATEGORY, "uniqueItems": True},
                "per_amount": _AMOUNT,
                "code": _SHORT_CODE,
            },
            ["when", "points"],
        ),
        "tasks": _list_of(
            {"code": _SHORT_CODE, "when": {"enum": list(TaskStep.values)}, "points": _WHOLE},
            ["when", "points"],
        ),
    },
    "required": list(DEFAULT),
    "additionalProperties": False,
}


def contradictions(document: dict[str, Any]) -> Iterator[Contradiction]:
    """Yield what makes no sense though the schema has accepted it."""
    section = document.get("activities", DEFAULT)
    bought = document["earning"]
    earning = [each["code"] for each in (*bought["rules"], *bought.get("boosts", ()))]
    done = [each["code"] for part in ("kinds", "tasks") for each in section[part]]
    yield from _codes_twice(section, earning)
    known = {*done, *earning, *TYPES}
    for part in ("caps", "budgets"):
        for nth, each in enumerate(section[part]):
            for code in each["of"]:
                if code not in known:
                    yield f"{part}[{nth}].of", _("There is no “%(code)s”.") % {"code": code}
    for nth, cap in enumerate(section["caps"]):
        yield from _of_cap(f"caps[{nth}]", cap, set(done) | {ACTIVITIES})
    worth = document["programme"]["points_per_currency_unit"]
    for nth, budget in enumerate(section["budgets"]):
        yield from _of_budget(f"budgets[{nth}]", budget, worth)
    for nth, gift in enumerate(section["gifts"]):
        yield from _of_gift(f"gifts[{nth}]", gift)


def _codes_twice(section: Any, earning: Collection[str]) -> Iterator[Contradiction]:
    # What `of` names must be one thing; and the journal calls by the code what was done.
    taken = Counter(earning)
    for part in ("kinds", "tasks"):
        for nth, each in enumerate(section[part]):
            taken[each["code"]] += 1
            if taken[each["code"]] > 1:
                yield f"{part}[{nth}].code", _taken(each["code"])
            if each["code"] in TYPES:
                why = _("“%(code)s” stands for all of them: choose another code.")
                yield f"{part}[{nth}].code", why % {"code": each["code"]}
    for part in ("caps", "budgets", "gifts"):
        codes: Counter[str] = Counter()
        for nth, each in enumerate(section[part]):
            codes[each["code"]] += 1
            if codes[each["code"]] > 1:
                yield f"{part}[{nth}].code", _taken(each["code"])


def _taken(code: str) -> str:
    return _("Something else has the code “%(code)s”.") % {"code": code}


def _of_cap(where: str, cap: Any, done: Collection[str]) -> Iterator[Contradiction]:
    measures = [name for name in ("points", "times", "share") if name in cap]
    if len(measures) != 1:
        yield where, _("Say how many points, how many times or how many percent: one of them.")
    if ("share" in cap) != ("of_type" in cap):
        yield f"{where}.of_type", _("Percent are of the points of something, and only percent are.")
    bought = [code for code in cap["of"] if code not in done]
    if bought and len(bought) < len(cap["of"]):
        yield f"{where}.of", _("A cap is of purchases or of what members do, not of both.")
    if bought and "share" in cap:
        why = _("“%(code)s” gives the points of which the percent are taken.")
        yield f"{where}.of", why % {"code": bought[0]}
    if "times" in cap and CONSUMPTION in cap["of"]:
        yield f"{where}.times", _("Purchases are not limited in number: choose a rule or boost.")


def _of_budget(where: str, budget: Any, worth: int) -> Iterator[Contradiction]:
    if ("points" in budget) == ("money" in budget):
        yield where, _("Say how many points or how much money: one of them.")
    elif "money" in budget and Decimal(budget["money"]) * worth < 1:
        yield f"{where}.money", _("It is worth less than a point.")
    if date.fromisoformat(budget.get("from", "0001-01-01")) > date.fromisoformat(
        budget.get("until", "9999-12-31")
    ):
        yield f"{where}.until", _("It ends before it begins.")


def _of_gift(where: str, gift: Any) -> Iterator[Contradiction]:
    at_year_end = gift["when"] == GiftOccasion.YEAR_END
    if at_year_end != ("per_amount" in gift):
        why = _("What was spent is converted at the year's end, and only then.")
        yield f"{where}.per_amount", why
    if "categories" in gift and not at_year_end:
        yield f"{where}.categories", _("Only what was spent has categories.")
    if not at_year_end and Decimal(gift["points"]) % 1:
        yield f"{where}.points", _("A gift is whole points.")
    if ("within_months" in gift) != ("since" in gift):
        yield (
            f"{where}.since",
            _("The months need the day from which they count, and the day needs months."),
        )
    if "within_months" in gift and gift["when"] != GiftOccasion.PRODUCT_BOUND:
        yield f"{where}.within_months", _("Only the binding of a product may be limited in time.")


def load(version: Version, section: Any) -> None:
    ActivityRule.objects.bulk_create(
        ActivityRule(
            **_head(version, position, kind),
            group=kind["group"],
            points=int(kind["points"]),
            once_per=kind.get("once_per", ""),
        )
        for position, kind in enumerate(section["kinds"])
    )
    Cap.objects.bulk_create(
        Cap(
            **_head(version, position, cap),
            of=cap["of"],
            per=cap["per"],
            points=cap.get("points"),
            times=cap.get("times"),
            share=Decimal(cap["share"]) if "share" in cap else None,
            of_type=cap.get("of_type", ""),
        )
        for position, cap in enumerate(section["caps"])
    )
    Budget.objects.bulk_create(_budgets(version, section["budgets"]))
    Gift.objects.bulk_create(
        Gift(
            **_head(version, position, gift),
            when=gift["when"],
            points=Decimal(gift["points"]),
            since=gift.get("since"),
            within_months=gift.get("within_months"),
            categories=gift.get("categories", []),
            per_amount=Decimal(gift["per_amount"]) if "per_amount" in gift else None,
        )
        for position, gift in enumerate(section["gifts"])
    )
    Task.objects.bulk_create(
        Task(**_head(version, position, task), when=task["when"], points=int(task["points"]))
        for position, task in enumerate(section["tasks"])
    )


def _head(version: Version, position: int, rule: Any) -> dict[str, Any]:
    return {
        "version": version,
        "position": position,
        "code": rule["code"],
        "names": rule["names"],
    }


def _budgets(version: Version, budgets: Sequence[Any]) -> Iterator[Budget]:
    if not budgets:
        return
    worth = Programme.objects.get().points_per_currency_unit
    for position, budget in enumerate(budgets):
        money = Decimal(budget["money"]) if "money" in budget else None
        yield Budget(
            **_head(version, position, budget),
            of=budget["of"],
            points=int(money * worth) if money is not None else budget["points"],
            money=money,
            dealer=budget.get("dealer", ""),
            first_day=budget.get("from"),
            last_day=budget.get("until"),
        )


def dump(version: Version) -> Any:
    return {
        "kinds": [
            _told(kind, group=kind.group, points=str(kind.points), once_per=kind.once_per or None)
            for kind in ActivityRule.objects.filter(version=version).order_by("position")
        ],
        "caps": [
            _told(
                cap,
                of=cap.of,
                points=cap.points,
                times=cap.times,
                share=_plain(cap.share),
                of_type=cap.of_type or None,
                per=cap.per,
            )
            for cap in Cap.objects.filter(version=version).order_by("position")
        ],
        "budgets": [
            _told(
                budget,
                of=budget.of,
                points=budget.points if budget.money is None else None,
                money=_plain(budget.money),
                dealer=budget.dealer or None,
                **{"from": _iso(budget.first_day), "until": _iso(budget.last_day)},
            )
            for budget in Budget.objects.filter(version=version).order_by("position")
        ],
        "gifts": [
            _told(
                gift,
                when=gift.when,
                points=_plain(gift.points),
                since=_iso(gift.since),
                within_months=gift.within_months,
                categories=gift.categories or None,
                per_amount=_plain(gift.per_amount),
            )
            for gift in Gift.objects.filter(version=version).order_by("position")
        ],
        "tasks": [
            _told(task, when=task.when, points=str(task.points))
            for task in Task.objects.filter(version=version).order_by("position")
        ],
    }


def _told(rule: Any, **fields: Any) -> dict[str, Any]:
    told = {"code": rule.code, "names": rule.names, **fields}
    return {name: value for name, value in told.items() if value is not None}


def _plain(number: Decimal | None) -> str | None:
    """50.00 → 50; the shortest text of the same number."""
    return None if number is None else f"{number.normalize():f}"


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


ACTIVITIES_SECTION = Section(
    name="activities",
    schema=SCHEMA,
    load=load,
    dump=dump,
    default=DEFAULT,
    contradictions=contradictions,
)
