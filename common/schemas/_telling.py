"""What a document says, and in what two differ, in the words of those who filled in its form."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from common.localized import localized
from common.schemas._choices import Choices
from common.schemas._forms import place
from common.schemas._labels import choice, label
from common.schemas._problems import Path
from common.schemas._shapes import (
    ABSENT,
    Schema,
    Shape,
    fitting,
    is_array,
    is_entries,
    is_mapping,
    is_names,
    is_object,
    items,
    resolved,
    shapes,
)

NOTHING = "–"


class Kind(StrEnum):
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Change:
    """`place`: the way to the field, in words. `before` and `after`: what it says, “–” nothing."""

    kind: Kind
    path: Path
    place: str
    before: str
    after: str


# Says a value in one phrase.
Teller = Callable[[Any, Choices], str]

_tellers: dict[str, Teller] = {}


def teller(name: str, tell: Teller) -> None:
    """Register how a value whose schema says `"told": name` is told, better than field by field."""
    _tellers[name] = tell


def told(
    schema: Schema, value: Any, *, root: Schema, path: Path = (), choices: Choices | None = None
) -> str:
    """Say in one line what a value that fits its schema says."""
    return _Telling(root, choices or Choices()).told(schema, value, path)


def changes(
    schema: Schema,
    before: Any,
    after: Any,
    *,
    root: Schema,
    path: Path = (),
    choices: Choices | None = None,
) -> list[Change]:
    """
    Return what changed, from the document's beginning to its end.

    Things with a code (rules, tiers) are the same thing as long as the code is the same, wherever
    they stand. Other lists are compared as a whole.
    """
    telling = _Telling(root, choices or Choices())
    return [*telling.changes(schema, before, after, _At(path, place(path)))]


@dataclass(frozen=True, slots=True)
class _At:
    """A place in the document, and the way to it in words."""

    path: Path
    way: str

    def further(self, step: str | int, name: str) -> "_At":
        return _At((*self.path, step), f"{self.way} › {name}" if self.way else name)


@dataclass(frozen=True, slots=True)
class _Telling:
    root: Schema
    choices: Choices

    def told(self, schema: Schema, value: Any, path: Path) -> str:
        schema = resolved(schema, self.root)
        if value is ABSENT or value is None:
            return NOTHING
        if "told" in schema:
            return _tellers[schema["told"]](value, self.choices)
        if several := shapes(schema, self.root):
            return self._shape(several, value, path)
        return self._plain(schema, value, path)

    def _plain(self, schema: Schema, value: Any, path: Path) -> str:
        if is_names(schema):
            return localized(value)
        if is_array(schema):
            return self._list(items(schema, self.root), value, path)
        if isinstance(value, dict):
            return self._named(schema, value, path)
        return self._scalar(schema, value, path)

    def _shape(self, several: list[Shape], value: Any, path: Path) -> str:
        shape = fitting(several, value)
        if shape is None or "const" in shape.schema:
            return choice(path, shape.key if shape else value)
        inner = resolved(shape.schema.get("properties", {}).get(shape.key, {}), self.root)
        if "const" in inner:
            return choice(path, shape.key)
        if is_array(inner) and len(value) == 1:
            said = self.told(inner, value[shape.key], (*path, shape.key))
            return _("%(name)s: %(value)s") % {"name": choice(path, shape.key), "value": said}
        return self.told(shape.schema, value, path)

    def _list(self, item: Schema, value: list[Any], path: Path) -> str:
        told = [self.told(item, each, path) for each in value]
        # What says several things of itself must be told from its neighbour.
        if "told" not in item and any(isinstance(each, dict) for each in value):
            told = [_("(%(text)s)") % {"text": each} for each in told]
        return _(", ").join(told) or NOTHING

    def _named(self, schema: Schema, value: dict[str, Any], path: Path) -> str:
        """An object's properties by their labels, a mapping's values by their keys."""
        if is_object(schema):
            parts = [
                (label((*path, name)), self.told(part, value[name], (*path, name)))
                for name, part in schema["properties"].items()
                if name in value
            ]
        else:
            inner = schema.get("additionalProperties", {})
            keys = schema.get("propertyNames", {})
            parts = [
                (self.choices.name(keys, key), self.told(inner, each, (*path, key)))
                for key, each in self.choices.in_order(keys, value)
            ]
        said = (
            _("%(name)s: %(value)s") % {"name": name, "value": part}
            for name, part in parts
            if part != NOTHING
        )
        return _("; ").join(said) or NOTHING

    def _scalar(self, schema: Schema, value: Any, path: Path) -> str:
        if value is True or value is False:
            return _("Yes") if value else _("No")
        if "choices" in schema:
            return self.choices.name(schema, value)
        if "enum" in schema or "const" in schema:
            return choice(path, value)
        if schema.get("format") == "date":
            return date_format(date.fromisoformat(value))
        return str(value) if value != "" else NOTHING

    def changes(self, schema: Schema, before: Any, after: Any, at: _At) -> Iterator[Change]:
        if before == after:
            return
        schema = resolved(schema, self.root)
        if "told" not in schema:
            schema = self._common_shape(schema, before, after)
        if {"enum", "choices"} & schema.get("items", {}).keys() and self._are_ticked_alike(
            before, after
        ):
            return
        are_objects = isinstance(before, dict) and isinstance(after, dict)
        if is_entries(schema, self.root):
            yield from self._entries(items(schema, self.root), before or [], after or [], at)
        elif are_objects and is_object(schema) and "told" not in schema:
            for name, part in schema["properties"].items():
                inside = at.further(name, label((*at.path, name)))
                yield from self.changes(
                    part, before.get(name, ABSENT), after.get(name, ABSENT), inside
                )
        elif are_objects and is_mapping(schema):
            for key in dict.fromkeys([*before, *after]):
                yield from self.changes(
                    schema["additionalProperties"],
                    before.get(key, ABSENT),
                    after.get(key, ABSENT),
                    at.further(key, self.choices.name(schema.get("propertyNames", {}), key)),
                )
        else:
            said = [self.told(schema, value, at.path) for value in (before, after)]
            if said != [NOTHING, NOTHING]:
                yield Change(Kind.CHANGED, at.path, at.way, *said)

    def _are_ticked_alike(self, before: Any, after: Any) -> bool:
        """What is ticked in a list has no order."""
        are_lists = isinstance(before, list) and isinstance(after, list)
        return are_lists and sorted(map(str, before)) == sorted(map(str, after))

    def _common_shape(self, schema: Schema, before: Any, after: Any) -> Schema:
        """The shape that both have, if there are several and they have the same."""
        several = shapes(schema, self.root)
        shape = fitting(several, before)
        return shape.schema if shape and shape == fitting(several, after) else schema

    def _entries(
        self, schema: Schema, before: list[Any], after: list[Any], at: _At
    ) -> Iterator[Change]:
        was = {each["code"]: each for each in before}
        now = {each["code"]: (nth, each) for nth, each in enumerate(after)}
        for code, each in was.items():
            if code not in now:
                there = at.further(code, _name(each))
                said = self.told(schema, each, at.path)
                yield Change(Kind.REMOVED, at.path, there.way, said, NOTHING)
        for code, (nth, each) in now.items():
            here = at.further(nth, _name(each))
            if code in was:
                yield from self.changes(schema, was[code], each, here)
            else:
                said = self.told(schema, each, at.path)
                yield Change(Kind.ADDED, here.path, here.way, NOTHING, said)
        stood = [code for code in was if code in now]
        stand = [code for code in now if code in was]
        if stood != stand:
            orders = (
                _(", ").join(_name(now[code][1]) for code in codes) for codes in (stood, stand)
            )
            yield Change(Kind.MOVED, at.path, at.way, *orders)


def _name(entry: dict[str, Any]) -> str:
    return localized(entry["names"]) or str(entry["code"])
