"""What is wrong with a document that breaks its JSON Schema: where, and why, in plain words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """`path`: from the root of the document, names of properties and indexes from 0."""

    path: Path
    why: str


def where(path: Path) -> str:
    """("earning", "rules", 0) → $.earning.rules[0]"""
    return "$" + "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)


def path_of(where: str) -> Path:
    """The other way round; what is no such place is the whole document."""
    found = re.findall(r"\.([^.\[]+)|\[(\d+)\]|\['([^']+)'\]", where.removeprefix("$"))
    return tuple(int(index) if index else name or quoted for name, index, quoted in found)


def schema_problems(
    validator: jsonschema.Draft202012Validator, document: Any
) -> tuple[Problem, ...]:
    """Everything that breaks the schema, in the active language, each named once, in order."""
    errors = map(_deepest, validator.iter_errors(document))
    found = [problem for error in errors for problem in _problems(error)]
    return tuple(dict.fromkeys(sorted(found, key=lambda problem: tuple(map(str, problem.path)))))


def _deepest(error: jsonschema.ValidationError) -> jsonschema.ValidationError:
    """Of the shapes a value might take, what is wrong in the one that was meant, most likely."""
    return jsonschema.exceptions.best_match([error]) or error


def _problems(error: jsonschema.ValidationError) -> Iterator[Problem]:
    path: Path = tuple(error.absolute_path)
    wanted = error.validator_value
    if error.validator == "required":
        for name in wanted:
            if name not in error.instance:
                yield Problem((*path, name), _("This is missing."))
    elif error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        for name in error.instance:
            if name not in known:
                yield Problem((*path, name), _("There is no such thing."))
    else:
        yield Problem(path, _why(error))


_LIMITED = {
    "minimum": gettext_lazy("At least %(limit)s."),
    "maximum": gettext_lazy("At most %(limit)s."),
    "minItems": gettext_lazy("At least %(limit)s of them."),
    "minProperties": gettext_lazy("At least %(limit)s of them."),
    "maxItems": gettext_lazy("At most %(limit)s of them."),
    "maxProperties": gettext_lazy("At most %(limit)s of them."),
    "maxLength": gettext_lazy("At most %(limit)s characters."),
}
_PLAIN = {
    "enum": gettext_lazy("Choose one of those offered."),
    "const": gettext_lazy("Choose one of those offered."),
    "uniqueItems": gettext_lazy("The same is there twice."),
    "format": gettext_lazy("This day does not exist."),
}


def _why(error: jsonschema.ValidationError) -> str:
    wanted: Any = error.validator_value
    if error.instance in ("", [], {}) and error.validator != "type":
        return _("This is missing.")
    if error.validator in _LIMITED:
        return _LIMITED[error.validator] % {"limit": wanted}
    if error.validator == "type" and "integer" in wanted:
        return _("A whole number is wanted.")
    if error.validator == "pattern":
        return _wanted_text(wanted, str(error.instance))
    return str(_PLAIN.get(error.validator, _("This does not make sense here.")))


NOUGHT = re.compile(r"0+(\.0*)?\Z", re.ASCII)


def _wanted_text(pattern: str, given: str) -> str:
    if NOUGHT.match(given) and "[0-9]" in pattern:
        return _("It must be more than 0.")
    if pattern.startswith((r"^\d{4}-", "^[0-9]{4}-")):
        return _("A day is wanted, such as 2026-07-01.")
    if pattern.startswith("^[a-z]"):
        return _("Small letters, digits and hyphens are wanted, a letter first.")
    if "[0-9]" in pattern and "a-z" not in pattern:
        return _("A number is wanted, such as 10 or 2.5; its decimals are limited.")
    return _("This is not in the form that is wanted here.")
