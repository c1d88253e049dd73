"""The programme file's part about campaigns: `campaigns` (C1)."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import combinations
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from campaigns.models import Campaign, CampaignKind
from common.localized import NAMES_SCHEMA, TEXT_PATTERN
from programme.models import Programme, Version
from programme.sections import Contradiction, Section

DEFAULT: dict[str, list[Any]] = {"plans": []}

_CODE = {"type": "string", "pattern": r"^[a-z][a-z0-9-]{0,49}\Z"}
_DAY = {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}\Z"}
# Text, not numbers: YAML's numbers are binary and money is not.
_AMOUNT = {"type": "string", "pattern": r"^(?!0+(\.0+)?\Z)[0-9]{1,12}(\.[0-9]{1,2})?\Z"}
_MANY = {"type": "integer", "minimum": 1, "maximum": 1_000_000_000_000}
# As long as a goal needs to be said.
_GOAL = {
    "type": "object",
    "properties": {
        code: {"type": "string", "minLength": 1, "maxLength": 1000, "pattern": TEXT_PATTERN}
        for code, _name in settings.LANGUAGES
    },
    "required": [settings.LANGUAGE_CODE],
    "additionalProperties": False,
}

PLAN = {
    "type": "object",
    "properties": {
        "code": _CODE,
        "names": NAMES_SCHEMA,
        "kind": {"enum": list(CampaignKind.values)},
        "from": _DAY,
        "until": _DAY,
        "goal": _GOAL,
        "of": {
            "type": "array", "items": _CODE | {"choices": "campaign_parts"},
            "minItems": 1, "maxItems": 200, "uniqueItems": True,
        },
        "budget": {
            "type": "object",
            "properties": {"points": _MANY, "money": _AMOUNT},
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
        "expected": {
            "type": "object",
            "properties": {"members": _MANY, "points": _MANY, "spend": _AMOUNT},
            "additionalProperties": False,
            "minProperties": 1,
        },
    },
    "required": ["code", "names", "kind", "from", "until", "of"],
    "additionalProperties": False,
}  # fmt: skip

SCHEMA = {
    "type": "object",
    "properties": {"plans": {"type": "array", "items": PLAN, "maxItems": 200}},
    "required": ["plans"],
    "additionalProperties": False,
}


# --- What the schema cannot say -------------------------------------------------------------------


def contradictions(document: dict[str, Any]) -> Iterator[Contradiction]:
    """Yield what makes no sense though the schema has accepted it."""
    plans = document.get("campaigns", DEFAULT)["plans"]
    known = _known(document)
    # Budgets and campaigns each have a purse, which is called by their code.
    taken = {each["code"] for each in document.get("activities", {}).get("budgets", [])}
    worth = document["programme"]["points_per_currency_unit"]
    for nth, plan in enumerate(plans):
        place = f"plans[{nth}]"
        if plan["code"] in taken:
            why = _("Another campaign or budget has the code “%(code)s”.")
            yield f"{place}.code", why % {"code": plan["code"]}
        taken.add(plan["code"])
        if plan["until"] < plan["from"]:
            yield f"{place}.until", _("It ends before it begins.")
        for code in plan["of"]:
            if code not in known:
                yield f"{place}.of", _("There is no “%(code)s”.") % {"code": code}
        money = plan.get("budget", {}).get("money")
        if money is not None and Decimal(money) * worth < 1:
            yield f"{place}.budget.money", _("It is worth less than a point.")
    yield from _over_before_it_begins(document["valid_from"], plans)
    yield from _shared(plans)


def _known(document: dict[str, Any]) -> set[str]:
    bought, done = document["earning"], document.get("activities", {})
    parts = [bought["rules"], bought.get("boosts", [])]
    parts += [done.get(part, []) for part in ("kinds", "tasks", "gifts")]
    return {each["code"] for part in parts for each in part}


def _over_before_it_begins(valid_from: str, plans: list[Any]) -> Iterator[Contradiction]:
    """What is new must have a day. What earlier versions began may stand on when it is over."""
    over = {plan["code"]: nth for nth, plan in enumerate(plans) if plan["until"] < valid_from}
    if not over:
        return
    published = Campaign.objects.filter(version__published_at__isnull=False, code__in=over)
    begun = set(published.values_list("code", flat=True))
    for code, nth in over.items():
        if code not in begun:
            yield f"plans[{nth}].until", _("It is over before this version begins.")


def _shared(plans: list[Any]) -> Iterator[Contradiction]:
    """A code counts for one campaign at a time: whose budget would pay?"""
    for (_first, one), (nth, other) in combinations(enumerate(plans), 2):
        both = [code for code in other["of"] if code in one["of"]]
        if both and one["from"] <= other["until"] and other["from"] <= one["until"]:
            why = _("“%(code)s” belongs to “%(campaign)s” in the same days.")
            yield f"plans[{nth}].of", why % {"code": both[0], "campaign": one["code"]}


# --- There and back -------------------------------------------------------------------------------


def load(version: Version, section: Any) -> None:
    if not section["plans"]:
        return
    worth = Programme.objects.get().points_per_currency_unit
    Campaign.objects.bulk_create(
        Campaign(
            version=version,
            position=position,
            code=plan["code"],
            names=plan["names"],
            kind=plan["kind"],
            first_day=plan["from"],
            last_day=plan["until"],
            goal=plan.get("goal", {}),
            of=plan["of"],
            expected=plan.get("expected", {}),
            **_budget(plan.get("budget"), worth),
        )
        for position, plan in enumerate(section["plans"])
    )


def _budget(budget: Mapping[str, Any] | None, worth: int) -> dict[str, Any]:
    if budget is None:
        return {}
    if "points" in budget:
        return {"points": budget["points"]}
    money = Decimal(budget["money"])
    return {"points": int(money * worth), "money": money}


def dump(version: Version) -> Any:
    return {"plans": plans_of(version.pk)}


def plans_of(version_id: int) -> list[dict[str, Any]]:
    """What the programme file of a version says under `campaigns.plans`."""
    return [
        told(plan) for plan in Campaign.objects.filter(version_id=version_id).order_by("position")
    ]


def told(plan: Campaign) -> dict[str, Any]:
    """A campaign as the programme file says it."""
    found: dict[str, Any] = {
        "code": plan.code,
        "names": plan.names,
        "kind": plan.kind,
        "from": plan.first_day.isoformat(),
        "until": plan.last_day.isoformat(),
        "of": plan.of,
    }
    if plan.goal:
        found["goal"] = plan.goal
    if plan.money is not None:
        found["budget"] = {"money": f"{plan.money.normalize():f}"}
    elif plan.points is not None:
        found["budget"] = {"points": plan.points}
    if plan.expected:
        found["expected"] = plan.expected
    return found


CAMPAIGNS_SECTION = Section(
    name="campaigns",
    schema=SCHEMA,
    load=load,
    dump=dump,
    default=DEFAULT,
    contradictions=contradictions,
)
