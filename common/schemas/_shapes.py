"""What a JSON Schema wants at one place, whichever of its words says so."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from django.conf import settings

Schema = dict[str, Any]


class _Absent(Enum):
    """As `None`, which a document may hold, is not."""

    ABSENT = "absent"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = _Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Shape:
    """One of several shapes a value may take. `key`: what tells it from the others."""

    key: str
    schema: Schema

    def fits(self, value: Any) -> bool:
        if "const" in self.schema:
            return bool(value == self.schema["const"])
        if "enum" in self.schema:
            return value in self.schema["enum"]
        if is_object(self.schema):
            return isinstance(value, dict) and self.key in value
        kinds = {"array": list, "string": str, "integer": int, "boolean": bool}
        return isinstance(value, kinds.get(self.schema.get("type", ""), dict))


def resolved(schema: Schema, root: Schema) -> Schema:
    """Follow a reference into the root, and take in what `allOf` adds."""
    while "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#").strip("/").split("/"):
            target = target[step] if step else target
        schema = {**target, **{key: part for key, part in schema.items() if key != "$ref"}}
    if "allOf" in schema:
        whole = {key: part for key, part in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            whole = _joined(whole, resolved(part, root))
        return whole
    return schema


def _joined(one: Schema, other: Schema) -> Schema:
    both = {**one, **other}
    for key in ("properties", "required"):
        if key in one and key in other:
            both[key] = (
                {**one[key], **other[key]} if key == "properties" else [*one[key], *other[key]]
            )
    return both


def shapes(schema: Schema, root: Schema) -> list[Shape]:
    """The shapes to choose from; none if there is nothing to choose."""
    if "if" in schema:
        then, otherwise = (resolved(schema.get(key, {}), root) for key in ("then", "else"))
        told_by = schema["if"].get("required")
        first = [Shape(told_by[0], then)] if told_by else [*_flat(then, root)]
        return [*first, *_flat(otherwise, root)]
    alternatives = schema.get("oneOf") or schema.get("anyOf") or []
    if alternatives and all(set(each) <= {"required"} for each in alternatives):
        return list(_by_required(schema, [each["required"] for each in alternatives]))
    if alternatives:
        base = {key: part for key, part in schema.items() if key not in ("oneOf", "anyOf")}
        return [
            shape
            for each in alternatives
            for shape in _flat(_joined(base, resolved(each, root)), root)
        ]
    if is_object(schema) and schema.get("minProperties") == schema.get("maxProperties") == 1:
        named = [[name] for name in schema["properties"]]
        return list(_by_required(schema, named)) if len(named) > 1 else []
    return []


def _flat(schema: Schema, root: Schema) -> Iterator[Shape]:
    """An alternative that is a list of words is one shape for each of them."""
    schema = resolved(schema, root)
    if "const" in schema:
        yield Shape(str(schema["const"]), schema)
    elif "enum" in schema:
        yield from (Shape(str(value), {"const": value}) for value in schema["enum"])
    elif inner := shapes(schema, root):
        yield from inner
    elif is_object(schema):
        required = schema.get("required") or list(schema["properties"])
        yield Shape(required[0], schema)
    elif schema:
        yield Shape(str(schema.get("type", "")), schema)


def _by_required(schema: Schema, alternatives: list[list[str]]) -> Iterator[Shape]:
    """One object, of whose properties each shape has some."""
    somewhere = {name for names in alternatives for name in names}
    without = ("oneOf", "anyOf", "minProperties", "maxProperties")
    base = {key: part for key, part in schema.items() if key not in without}
    for names in alternatives:
        properties = {
            name: part
            for name, part in schema["properties"].items()
            if name in names or name not in somewhere
        }
        required = [*base.get("required", []), *names]
        own = next((name for name in names if _is_own(name, alternatives)), names[0])
        yield Shape(own, {**base, "properties": properties, "required": required})


def _is_own(name: str, alternatives: list[list[str]]) -> bool:
    return sum(name in names for names in alternatives) == 1


def fitting(several: list[Shape], value: Any) -> Shape | None:
    return next((each for each in several if each.fits(value)), None)


def is_object(schema: Schema) -> bool:
    return "properties" in schema


def is_mapping(schema: Schema) -> bool:
    """Keys that people choose, each with a value of one kind."""
    return not is_object(schema) and isinstance(schema.get("additionalProperties"), dict)


def is_names(schema: Schema) -> bool:
    """One text in each language (`common.localized`)."""
    return set(schema.get("properties", ())) == {code for code, _name in settings.LANGUAGES}


def is_array(schema: Schema) -> bool:
    return schema.get("type") == "array" or "items" in schema


def items(schema: Schema, root: Schema) -> Schema:
    return resolved(schema.get("items", {}), root)


def is_scalar(schema: Schema, root: Schema) -> bool:
    compound = is_object(schema) or is_mapping(schema) or is_array(schema)
    return not compound and not shapes(schema, root)


def is_list(schema: Schema, root: Schema) -> bool:
    """An array of plain texts or numbers: typed into one field."""
    return is_array(schema) and is_scalar(items(schema, root), root)


def is_entries(schema: Schema, root: Schema) -> bool:
    """An array of things with a code and a name, such as rules: each is edited by itself."""
    return is_array(schema) and {"code", "names"} <= set(items(schema, root).get("properties", {}))


def is_whole_number(schema: Schema) -> bool:
    kind = schema.get("type")
    return kind == "integer" or (isinstance(kind, list) and "integer" in kind)
