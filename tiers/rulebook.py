"""The ladder's part of the programme file: `tiers`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _

from common.localized import NAMES_SCHEMA, TEXT_PATTERN
from common.schemas import where
from programme import checks
from programme.documents import InvalidProgramme
from programme.models import Version
from programme.sections import Contradiction, Section
from tiers import criteria
from tiers.criteria import ANNIVERSARY, CALENDAR_YEAR, SINCE_CHANGE, Measure, Window
from tiers.ladders import EARNED, ONE_LEVEL, TO_BASE
from tiers.models import LadderTerms, Level, Standing, StartingLevel

LEVELS_MAX = 20
DEPTH_MAX = 5
MONTHS_MAX = 120

_CODE = {"type": "string", "pattern": r"^[a-z][a-z0-9-]{0,49}\Z"}
# Text, not numbers: YAML's numbers are binary and money is not. Nought would ask for nothing.
_AT_LEAST = {"type": "string", "pattern": r"^(?!0+(\.0+)?\Z)[0-9]{1,12}(\.[0-9]{1,2})?\Z"}
_MONTHS = {"type": "integer", "minimum": 1, "maximum": MONTHS_MAX}
_WINDOW = {
    "if": {"type": "string"},
    "then": {"enum": [SINCE_CHANGE, CALENDAR_YEAR, ANNIVERSARY]},
    "else": {
        "type": "object",
        "properties": {"months": _MONTHS},
        "required": ["months"],
        "additionalProperties": False,
    },
}
_THRESHOLD = {
    "type": "object",
    "properties": {
        "measure": {"enum": Measure.values},
        "at_least": _AT_LEAST,
        "window": _WINDOW,
    },
    "required": ["measure", "at_least"],
    "additionalProperties": False,
}


def _criterion(depth: int) -> dict[str, Any]:
    """Spelled out to the deepest level: a reference would hold in this one document only."""
    if depth == 1:
        return _THRESHOLD
    of = {"type": "array", "minItems": 1, "maxItems": 10, "items": _criterion(depth - 1)}
    some = {"type": "integer", "minimum": 1, "maximum": 10}
    group = {
        "if": {"required": ["some"]},
        "then": {
            "type": "object",
            "properties": {"some": some, "of": of},
            "required": ["some", "of"],
            "additionalProperties": False,
        },
        "else": {
            "type": "object",
            "properties": {"all": of, "any": of},
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
        },
    }
    return {"if": {"required": ["measure"]}, "then": _THRESHOLD, "else": group}


_CRITERION = _criterion(DEPTH_MAX) | {"told": "criterion"}

_LEVEL = {
    "type": "object",
    "properties": {
        "code": _CODE,
        "names": NAMES_SCHEMA,
        "color": {"type": "string", "pattern": r"^#[0-9a-f]{6}\Z"},
        "upgrade": _CRITERION,
        "keep": _CRITERION,
        "validity": {
            "type": "object",
            "properties": {
                "months": _MONTHS,
                "until": {"enum": ["day", "month_end", "quarter_end", "year_end"]},
            },
            "required": ["months"],
            "additionalProperties": False,
        },
        "approval": {"type": "boolean"},
        "application": _CRITERION,
    },
    "required": ["code", "names", "color"],
    "additionalProperties": False,
}

_DAYS = {"type": "integer", "minimum": 0, "maximum": 366}

SCHEMA = {
    "type": "object",
    "properties": {
        "levels": {"type": "array", "maxItems": LEVELS_MAX, "items": _LEVEL},
        "window": _WINDOW,
        "downgrade": {"enum": [ONE_LEVEL, EARNED, TO_BASE]},
        "grace_days": _DAYS,
        "minimum_stay_days": _DAYS | {"maximum": 3 * 366},
        "warn_days": {
            "type": "array",
            "maxItems": 5,
            "uniqueItems": True,
            "items": {"type": "integer", "minimum": 1, "maximum": 366},
        },
        "products": {
            "type": "array",
            "maxItems": 200,
            "items": {
                "type": "object",
                "properties": {
                    "name": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 200,
                        "pattern": TEXT_PATTERN,
                    },
                    "level": _CODE | {"choices": "tiers"},
                },
                "required": ["name", "level"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["levels"],
    "additionalProperties": False,
}

DEFAULT: dict[str, Any] = {"levels": []}


def load(version: Version, section: Any) -> None:
    """:raises InvalidProgramme: if a level in use would be gone"""
    for finding in in_use({"tiers": section}):
        raise InvalidProgramme(where=where(finding.path), why=finding.text)
    if not section["levels"]:
        return
    LadderTerms.objects.create(
        version=version,
        window=section.get("window", SINCE_CHANGE),
        downgrade=section.get("downgrade", ONE_LEVEL),
        grace_days=section.get("grace_days", 0),
        minimum_stay_days=section.get("minimum_stay_days", 0),
        warn_days=sorted(section.get("warn_days", ()), reverse=True),
    )
    Level.objects.bulk_create(
        Level(
            version=version,
            position=position,
            code=level["code"],
            names=level["names"],
            color=level["color"],
            upgrade=_in_order(level.get("upgrade")),
            keep=_in_order(level.get("keep")),
            application=_in_order(level.get("application")),
            validity=level.get("validity"),
            approval=level.get("approval", False),
        )
        for position, level in enumerate(section["levels"])
    )
    StartingLevel.objects.bulk_create(
        StartingLevel(version=version, product=each["name"], level=each["level"])
        for each in section.get("products", ())
    )


def dump(version: Version) -> Any:
    """As `load` reads it; what has its default is left out."""
    terms = LadderTerms.objects.filter(version=version).first()
    if terms is None:
        return DEFAULT
    levels = Level.objects.filter(version=version).order_by("position")
    products = StartingLevel.objects.filter(version=version).order_by("pk")
    optional = {
        "window": terms.window if terms.window != SINCE_CHANGE else None,
        "downgrade": terms.downgrade if terms.downgrade != ONE_LEVEL else None,
        "grace_days": terms.grace_days,
        "minimum_stay_days": terms.minimum_stay_days,
        "warn_days": terms.warn_days,
        "products": [{"name": each.product, "level": each.level} for each in products],
    }
    return {
        "levels": [_dumped(level) for level in levels],
        **{name: value for name, value in optional.items() if value},
    }


def _dumped(level: Level) -> dict[str, Any]:
    optional = {
        "upgrade": _in_order(level.upgrade),
        "keep": _in_order(level.keep),
        "validity": level.validity,
        "approval": level.approval,
        "application": _in_order(level.application),
    }
    return {
        "code": level.code,
        "names": level.names,
        "color": level.color,
        **{name: value for name, value in optional.items() if value},
    }


def _in_order(criterion: Any) -> Any:
    """The shortest way to write a criterion, its keys as people write them: JSON keeps no order."""
    if criterion is None:
        return None
    if "measure" in criterion:
        return {
            "measure": criterion["measure"],
            "at_least": criteria.plain(Decimal(criterion["at_least"])),
            **({"window": criterion["window"]} if "window" in criterion else {}),
        }
    words = ("some", "of", "all", "any")
    return {
        word: criterion[word] if word == "some" else [_in_order(each) for each in criterion[word]]
        for word in words
        if word in criterion
    }


# --- What makes no sense --------------------------------------------------------------------------


def contradictions(document: dict[str, Any]) -> Iterator[Contradiction]:
    """What the schema cannot say: where inside the section, and why, in the active language."""
    section: Mapping[str, Any] = document.get("tiers", DEFAULT)
    levels: Sequence[Mapping[str, Any]] = section["levels"]
    if not levels:
        for name in section.keys() - {"levels"}:
            yield name, _("Without tiers this decides nothing.")
        return
    yield from _same_twice("levels", "code", [level["code"] for level in levels])
    products = section.get("products", ())
    yield from _same_twice("products", "name", [each["name"] for each in products])
    yield from _about_the_base(levels[0])
    yield from _about_products(levels, products)
    starting = {each["level"] for each in products}
    for number, level in enumerate(levels[1:], start=1):
        at = f"levels[{number}]"
        if not {"upgrade", "application"} & level.keys() and level["code"] not in starting:
            yield f"{at}.upgrade", _("Nobody could ever reach this tier.")
        if "approval" in level and "upgrade" not in level and level["approval"]:
            yield f"{at}.approval", _("Without upgrade criteria nothing would be proposed.")
        if "keep" in level and "validity" not in level:
            yield f"{at}.keep", _("A tier that is valid for ever needs no rule for keeping it.")
        if "validity" in level and not {"keep", "upgrade"} & level.keys():
            yield f"{at}.keep", _("Say what keeps this tier: it has no upgrade criteria either.")
        for name in ("upgrade", "keep", "application"):
            if name in level:
                yield from _about_criterion(f"{at}.{name}", level[name])
    yield from _about_order(section)


def _same_twice(where: str, name: str, values: Sequence[str]) -> Iterator[Contradiction]:
    times = Counter(values)
    for number, value in enumerate(values):
        if times[value] > 1:
            why = _("“%(value)s” is there %(times)s times.")
            yield f"{where}[{number}].{name}", why % {"value": value, "times": times[value]}


def _about_the_base(base: Mapping[str, Any]) -> Iterator[Contradiction]:
    """A ladder without a base would leave members nowhere."""
    for name in ("upgrade", "keep", "validity", "approval", "application"):
        if base.get(name):
            yield (
                f"levels[0].{name}",
                _("The first tier is the base: everybody has it, for ever, and it asks nothing."),
            )


def _about_products(
    levels: Sequence[Mapping[str, Any]], products: Sequence[Mapping[str, Any]]
) -> Iterator[Contradiction]:
    above_base = {level["code"] for level in levels[1:]}
    for number, each in enumerate(products):
        if each["level"] not in above_base:
            yield f"products[{number}].level", _("There is no such tier above the base.")


def _about_criterion(where: str, criterion: Mapping[str, Any]) -> Iterator[Contradiction]:
    if "measure" in criterion:
        yield from _about_threshold(where, criterion)
        return
    word = next(word for word in ("all", "any", "of") if word in criterion)
    if word == "of" and criterion["some"] > len(criterion["of"]):
        yield (
            f"{where}.some",
            _("Nobody could meet %(some)s of only %(count)s criteria.")
            % {"some": criterion["some"], "count": len(criterion["of"])},
        )
    seen: list[Any] = []
    for number, each in enumerate(criterion[word]):
        at = f"{where}.{word}[{number}]"
        if _in_order(each) in seen:
            yield at, _("The same criterion is there twice.")
        seen.append(_in_order(each))
        yield from _about_criterion(at, each)


def _about_threshold(where: str, threshold: Mapping[str, Any]) -> Iterator[Contradiction]:
    whole = Decimal(threshold["at_least"]) % 1 == 0
    if threshold["measure"] != Measure.SPEND and not whole:
        yield f"{where}.at_least", _("This is counted in whole numbers.")
    if threshold["measure"] == Measure.PRODUCTS and "window" in threshold:
        yield f"{where}.window", _("Products count as long as the member owns them.")


def _about_order(section: Mapping[str, Any]) -> Iterator[Contradiction]:
    """A higher tier must not ask less of the same than the one below, nor exactly the same."""
    window = Window.parse(section.get("window", SINCE_CHANGE))
    levels = section["levels"]
    asking = [number for number, level in enumerate(levels) if number and "upgrade" in level]
    for lower, higher in pairwise(asking):
        below, above = levels[lower]["upgrade"], levels[higher]["upgrade"]
        if _in_order(below) == _in_order(above):
            yield (
                f"levels[{higher}].upgrade",
                _("This asks the same as the tier below: nobody would ever stay there."),
            )
        least = _least_asked(below, window)
        for of, at_least in _least_asked(above, window).items():
            if of in least and at_least < least[of]:
                yield (
                    f"levels[{higher}].upgrade",
                    _("This asks less (%(asked)s) than the tier below (%(below)s): %(measure)s.")
                    % {
                        "asked": criteria.plain(at_least),
                        "below": criteria.plain(least[of]),
                        "measure": Measure(of[0]).label,
                    },
                )


def _least_asked(
    criterion: Mapping[str, Any], window: Window
) -> dict[tuple[Measure, Window], Decimal]:
    """The lowest threshold of each measure and window."""
    least: dict[tuple[Measure, Window], Decimal] = {}
    for each in criteria.thresholds(criteria.parse(criterion, window=window)):
        of = (each.measure, each.window)
        least[of] = min(each.at_least, least.get(of, each.at_least))
    return least


def in_use(document: dict[str, Any]) -> Iterator[checks.Finding]:
    """For the rule check: members would stand on a rung that is no more. The base nobody loses."""
    section = document.get("tiers", DEFAULT)
    codes = {level["code"] for level in section["levels"]}
    bases = Level.objects.filter(position=0).values_list("code", flat=True)
    for code in sorted(_held_levels() - codes - set(bases)):
        why = _("Members have the tier “%(code)s”: it cannot be left out.") % {"code": code}
        yield checks.Finding(checks.Severity.MISTAKE, ("tiers", "levels"), why)


def _held_levels() -> set[str]:
    return {
        code
        for name in ("level", "earned", "manual")
        for code in Standing.objects.order_by(name).values_list(name, flat=True).distinct()
        if code
    }


TIERS = Section(
    name="tiers",
    schema=SCHEMA,
    load=load,
    dump=dump,
    default=DEFAULT,
    contradictions=contradictions,
)
