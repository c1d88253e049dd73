"""
From what a form sent to the value it edits.

A field is named by its path from what is edited (“v.funding.0.payer”). Beside fields there are
“…@kind”, which shape was chosen, “…@rows”, how many rows there were, “…@key”, the key of a row of a
mapping, and “…@more”, what was typed in beside what was ticked.
"""

import re
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from common.schemas._problems import Path, Problem
from common.schemas._shapes import (
    ABSENT,
    Schema,
    is_array,
    is_list,
    is_mapping,
    is_object,
    is_whole_number,
    items,
    resolved,
    shapes,
)

ROWS_MAX = 1000
# Of what is chosen: more of it, typed in.
MORE = "@more"
# What need not be said is neither.
YES, NO = "yes", "no"
# What people put between words and numbers.
BETWEEN = re.compile(r"[\s,;，；、]+")
# The same between what may hold a space, such as names.
COMMAS = re.compile(r"[,;，；、]+")
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}\Z", re.ASCII)


class Pairs(list[tuple[str, Any]]):
    """A mapping while it is edited: two rows may have the same key, or none yet."""


def read(schema: Schema, data: QueryDict, name: str, root: Schema, *, required: bool = True) -> Any:
    """Return what was typed in, ABSENT if nothing was and nothing need be. It may be nonsense."""
    schema = resolved(schema, root)
    if several := shapes(schema, root):
        chosen = next((each for each in several if each.key == data.get(f"{name}@kind")), None)
        value = read(chosen.schema, data, name, root) if chosen else ABSENT
        # What tells the shape is there though it is still empty: else the choice were forgotten.
        return {chosen.key: "", **value} if chosen and isinstance(value, dict) else value
    if "const" in schema:
        return schema["const"] if required or name in data else ABSENT
    if "enum" in schema:
        return next((each for each in schema["enum"] if str(each) == data.get(name)), ABSENT)
    if is_object(schema):
        return _object(schema, data, name, root, required=required)
    if is_mapping(schema) or is_array(schema):
        return _many(schema, data, name, root, required=required)
    return _scalar(schema, data, name, required=required)


def _object(schema: Schema, data: QueryDict, name: str, root: Schema, *, required: bool) -> Any:
    wanted = schema.get("required", ())
    found = {
        each: read(part, data, f"{name}.{each}", root, required=each in wanted)
        for each, part in schema["properties"].items()
    }
    given = {each: value for each, value in found.items() if value is not ABSENT}
    # What need not be there is not, if nothing was typed into any of its fields.
    blank = all(value in ("", {}, []) for value in given.values())
    return ABSENT if blank and not required else given


def _many(schema: Schema, data: QueryDict, name: str, root: Schema, *, required: bool) -> Any:
    found: list[Any]
    if is_mapping(schema):
        found = Pairs(
            (
                data.get(f"{name}.{nth}@key", "").strip(),
                read(schema["additionalProperties"], data, f"{name}.{nth}", root),
            )
            for nth in range(_rows(data, name))
        )
    elif is_list(schema, root):
        found = _list(items(schema, root), data, name)
    else:
        rows = (
            read(schema["items"], data, f"{name}.{nth}", root) for nth in range(_rows(data, name))
        )
        found = [{} if row is ABSENT else row for row in rows]
    return found if found or required else ABSENT


def _rows(data: QueryDict, name: str) -> int:
    text = data.get(f"{name}@rows", "")
    return min(int(text), ROWS_MAX) if text.isdecimal() else 0


def _list(item: Schema, data: QueryDict, name: str) -> list[Any]:
    if "enum" in item:
        chosen = data.getlist(name)
        return [each for each in item["enum"] if str(each) in chosen]
    if "choices" in item:
        parts = (COMMAS if is_lines(item) else BETWEEN).split(data.get(f"{name}{MORE}", ""))
    elif is_lines(item):
        parts = data.get(name, "").splitlines()
    else:
        parts = BETWEEN.split(data.get(name, ""))
    words = [part.strip() for part in parts if part.strip()]
    if "choices" in item:
        words = list(dict.fromkeys([*data.getlist(name), *words]))
    return [_number(word) for word in words] if is_whole_number(item) else words


def is_lines(item: Schema) -> bool:
    """Texts that may hold a space: each has a line of its own."""
    is_code = item.get("pattern", "").startswith(("^[a-z", "^[-a-z", "^[A-Z", "^[0-9"))
    return not is_code and not is_whole_number(item)


def _scalar(schema: Schema, data: QueryDict, name: str, *, required: bool) -> Any:
    if schema.get("type") == "boolean":
        if required:
            return name in data
        return {YES: True, NO: False}.get(data.get(name, ""), ABSENT)
    # Browsers send a line's end as two characters.
    text = data.get(name, "").strip().replace("\r\n", "\n")
    if text == "" and is_whole_number(schema):
        is_nullable = required and "null" in schema["type"]
        return None if is_nullable else ABSENT
    if text == "" and not required:
        return ABSENT
    return _number(text) if is_whole_number(schema) else text


def _number(text: str) -> int | str:
    """What is no number stays as it was typed, for the schema to refuse and the page to show."""
    return int(text) if WHOLE_NUMBER.match(text) else text


def settled(value: Any, path: Path, problems: list[Problem]) -> Any:
    """Return the value with mappings instead of pairs; what is there twice is a problem."""
    if isinstance(value, Pairs):
        keys = [key for key, _inner in value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        problems.extend(Problem((*path, key), _("The same is there twice.")) for key in twice)
        return {key: settled(inner, (*path, key), problems) for key, inner in value}
    if isinstance(value, dict):
        return {key: settled(inner, (*path, key), problems) for key, inner in value.items()}
    if isinstance(value, list):
        return [settled(inner, (*path, nth), problems) for nth, inner in enumerate(value)]
    return value


def act(value: Any, action: str, steps: tuple[str, ...]) -> None:
    """
    Do to rows what a button says, in place: “add” a row, or a “pair” to a mapping, at `steps`;
    “remove” the one at `steps`, or move it “up” or “down”. What makes no sense does nothing.
    """
    if not steps:
        return
    *way, last = steps
    around = _at(value, way)
    if action in ("add", "pair") and isinstance(around, dict):
        rows = around.setdefault(last, Pairs() if action == "pair" else [])
        rows.append(("", ABSENT) if action == "pair" else {})
    elif isinstance(around, list) and last.isdecimal() and int(last) < len(around):
        _move(around, int(last), action)


def _move(rows: list[Any], nth: int, action: str) -> None:
    if action == "remove":
        del rows[nth]
    other = nth + {"up": -1, "down": 1}.get(action, 0)
    if action in ("up", "down") and 0 <= other < len(rows):
        rows[nth], rows[other] = rows[other], rows[nth]


def _at(value: Any, steps: list[str]) -> Any:
    for step in steps:
        nth = int(step) if step.isdecimal() else None
        if isinstance(value, list) and nth is not None and nth < len(value):
            value = value[nth][1] if isinstance(value, Pairs) else value[nth]
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value
