"""What a segment's document may say: conditions, and groups of them, five deep at most."""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

import jsonschema
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common import schemas
from common.errors import Invalid
from common.localized import TEXT_PATTERN
from common.schemas import Choices, Path, Problem
from members.models import ConsentPurpose, MemberStatus, Sex

DEPTH_MAX = 5
CONDITIONS_MAX = 50
CHOSEN_MAX = 200
DAYS_MAX = 36600
MATCHES = ("all", "any", "none")
GROUP = "group"

_WORD = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": TEXT_PATTERN}
_DAY = {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}\Z"}
# Text, not numbers: money is not binary.
_NUMBER = {"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,2})?\Z"}
_MONEY = {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,2})?\Z"}
_DAYS = {"type": "integer", "minimum": 1, "maximum": DAYS_MAX}


def _several(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "array",
        "minItems": 1,
        "maxItems": CHOSEN_MAX,
        "uniqueItems": True,
        "items": dict(item),
    }


def _named(source: str) -> dict[str, Any]:
    return _several(_WORD | {"choices": source})


def _facts(*required: str, **properties: Any) -> dict[str, Any]:
    """An object of which something must be said."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "minProperties": 1,
        "additionalProperties": False,
    }


def _count(maximum: int = 10**12) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "maximum": maximum}


_POINTS = {"type": "integer", "minimum": -(10**12), "maximum": 10**12}
_AGE = _count(150)
_TIMES = {"type": "integer", "minimum": 1, "maximum": 100_000}

# In the order in which they are offered.
CONDITIONS: dict[str, dict[str, Any]] = {
    "tags": _named("segment_tags"),
    "tiers": _named("segment_tiers"),
    "points": _facts(at_least=_POINTS, at_most=_POINTS),
    "expiring": _facts("days", days=_DAYS, at_least=_TIMES),
    "spend": _facts(at_least=_MONEY, at_most=_MONEY, days=_DAYS),
    "purchases": _facts(at_least=_count(10**6), at_most=_count(10**6), days=_DAYS),
    "latest_purchase": _facts(within=_DAYS, before=_DAYS),
    "activity": _facts(
        "kind", kind=_WORD | {"choices": "segment_activities"}, times=_TIMES, days=_DAYS
    ),
    "sex": _several({"enum": Sex.values}),
    "age": _facts(at_least=_AGE, at_most=_AGE),
    "birthday_months": _several({"type": "integer", "choices": "months"}),
    "provinces": _named("provinces"),
    "cities": _named("cities"),
    "status": _several({"enum": [s for s in MemberStatus.values if s != MemberStatus.CLOSED]}),
    "joined": _facts(**{"from": _DAY, "until": _DAY, "days": _DAYS}),
    "dealers": _named("dealers"),
    "stores": _named("stores"),
    "attributes": _named("segment_attributes"),
    "attribute_number": _facts(
        "of", of=_WORD | {"choices": "segment_numbers"}, at_least=_NUMBER, at_most=_NUMBER
    ),
    "attribute_day": _facts(
        "of", **{"of": _WORD | {"choices": "segment_days"}, "from": _DAY, "until": _DAY}
    ),
    "attribute_text": _facts(
        "of", "is", **{"of": _WORD | {"choices": "segment_texts"}, "is": _several(_WORD)}
    ),
    "consents": _several(
        {"enum": [each for each in ConsentPurpose.values if each != ConsentPurpose.SHARING]}
    ),
}


def _one_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }


def _group(depth: int) -> dict[str, Any]:
    """Groups spelled out to the deepest: a form draws no endless tree."""
    inner = dict(CONDITIONS)
    if depth < DEPTH_MAX:
        inner[GROUP] = _group(depth + 1)
    return {
        "type": "object",
        "properties": {
            "match": {"enum": list(MATCHES)},
            "conditions": {
                "type": "array",
                "minItems": 1,
                "maxItems": 20,
                "items": _one_of(inner),
            },
        },
        "required": ["match", "conditions"],
        "additionalProperties": False,
    }


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"members": _group(1)},
    "required": ["members"],
    "additionalProperties": False,
}
EMPTY: dict[str, Any] = {"members": {"match": "all", "conditions": [{}]}}

# The ends of ranges, the lower first, and how their values compare.
RANGES = (("at_least", "at_most"), ("from", "until"))
# Conditions that say nothing without one of their ends, the lower one named.
WITH_ENDS = {
    "spend": "at_least",
    "purchases": "at_least",
    "attribute_number": "at_least",
    "attribute_day": "from",
}


class InvalidSegment(Invalid):
    """With everything that is wrong, each in the reader's language."""

    code = "invalid_segment"
    message = gettext_lazy("The segment is not valid at “%(where)s”: %(why)s")

    def __init__(self, *problems: Problem) -> None:
        first = problems[0]
        super().__init__(where=schemas.where(first.path), why=first.why)
        self.problems = problems


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def problems(document: Any) -> tuple[Problem, ...]:
    """Everything that is wrong with a definition; of what fits its schema also what is unknown."""
    if broken := schemas.schema_problems(_validator(), document):
        return broken
    choices = Choices(document)
    unknown = schemas.unknown(SCHEMA, document, root=SCHEMA, choices=choices)
    return (*unknown, *_nonsense(document))


def require_valid(document: Any) -> None:
    """:raises InvalidSegment: if anything is wrong with it"""
    if found := problems(document):
        raise InvalidSegment(*found)


def told(document: Mapping[str, Any]) -> str:
    """The definition in words."""
    group = document["members"]
    return _Words(Choices(document)).group(group, ("members",))


def conditions(group: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Any, Path]]:
    """Each condition of a group and of the groups in it: name, what it says, place."""
    for nth, each in enumerate(group["conditions"]):
        ((name, value),) = each.items()
        here = (*path, "conditions", nth, name)
        if name == GROUP:
            yield from conditions(value, here)
        else:
            yield name, value, here


def _nonsense(document: Mapping[str, Any]) -> Iterator[Problem]:
    found = list(conditions(document["members"], ("members",)))
    if len(found) > CONDITIONS_MAX:
        yield Problem(
            ("members",), _("At most %(limit)s conditions in all.") % {"limit": CONDITIONS_MAX}
        )
    for name, value, path in found:
        if isinstance(value, dict):
            yield from _contradictions(name, value, path)


def _contradictions(name: str, value: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    for low, high in RANGES:
        if low in value and high in value and _amount(value[low]) > _amount(value[high]):
            yield Problem((*path, high), _("This lies below the lower end."))
    if name in WITH_ENDS and not value.keys() & {end for ends in RANGES for end in ends}:
        yield Problem((*path, WITH_ENDS[name]), _("One end of the range is wanted, or both."))
    is_both = name == "latest_purchase" and {"within", "before"} <= value.keys()
    # Within the latest 30 days and not within the latest 60 is never.
    if is_both and value["within"] <= value["before"]:
        yield Problem((*path, "within"), _("No day is both: this must be the greater."))


def _amount(text: int | str) -> Any:
    """Numbers compare as numbers, days as the text they are."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


class _Words:
    def __init__(self, choices: Choices) -> None:
        self.choices = choices

    def group(self, group: Mapping[str, Any], path: Path) -> str:
        said = [self.one(each, (*path, "conditions")) for each in group["conditions"]]
        if group["match"] == "none":
            return _("not (%(conditions)s)") % {"conditions": _(" or ").join(said)}
        return (_(" and ") if group["match"] == "all" else _(" or ")).join(said)

    def one(self, each: Mapping[str, Any], path: Path) -> str:
        ((name, value),) = each.items()
        if name == GROUP:
            inner = self.group(value, (*path, GROUP))
            return inner if value["match"] == "none" else _("(%(text)s)") % {"text": inner}
        said = schemas.told(
            CONDITIONS[name], value, root=SCHEMA, path=(*path, name), choices=self.choices
        )
        return _("%(name)s: %(value)s") % {"name": schemas.choice(path, name), "value": said}
