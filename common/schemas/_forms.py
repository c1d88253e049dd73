"""
A form for a document, made of its JSON Schema: the tree of fields that a template draws.

It needs no script: buttons that add, remove and move rows send the form and are answered with it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from common.localized import localized
from common.schemas import _reading
from common.schemas._choices import Choices, is_open, source_label
from common.schemas._labels import ANY, choice, help_text, label
from common.schemas._problems import Path, Problem
from common.schemas._shapes import (
    ABSENT,
    Schema,
    is_array,
    is_list,
    is_mapping,
    is_names,
    is_object,
    is_whole_number,
    items,
    resolved,
    shapes,
)

PREFIX = "v"
LONG_TEXT = 300
# More than so many are not all shown: they are found by typing.
SHOWN_MAX = 50
FOUND_MAX = 2000


@dataclass(slots=True)
class Node:
    """
    A field, or a group of fields.

    `kind` is the template that draws it: text, number, decimal, day, color, long, lines, tick,
    select, ticks, picks, shape, group, names, rows, pairs, row, const.
    """

    kind: str
    name: str
    path: Path
    label: str
    required: bool = True
    help: str = ""
    value: Any = ""
    # Value, name and whether it is chosen.
    options: list[tuple[str, str, bool]] = field(default_factory=list)
    body: list["Node"] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    # Of a row: its place, and in a mapping its key.
    number: int = 0
    is_last: bool = False
    key: str | None = None
    key_label: str = ""
    key_options: list[tuple[str, str, bool]] = field(default_factory=list)
    # The source whose choices are found by typing, if there is one.
    found_in: str = ""
    # Alone in a row: it needs no frame of its own.
    is_bare: bool = False
    autofocus: bool = False

    @property
    def id(self) -> str:
        return self.name.replace(".", "-").replace("@", "-")

    @property
    def described_by(self) -> str:
        told = [f"{self.id}-help"] if self.help else []
        return " ".join([*told, f"{self.id}-error"] if self.errors else told)

    @property
    def is_field(self) -> bool:
        """Whether one thing is typed into it or chosen, so that the focus can go there."""
        return self.kind not in (
            "group",
            "names",
            "rows",
            "pairs",
            "row",
            "ticks",
            "picks",
            "const",
        )

    def all(self) -> Iterator["Node"]:
        yield self
        for each in self.body:
            yield from each.all()


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong, for the list above the form. `anchor` is empty if it is not in this form."""

    place: str
    why: str
    anchor: str


@dataclass(slots=True)
class Form:
    """
    Edits the value at `path` of a document.

    `root`: the document's schema, into which references point. `without`: properties of the value
    that are edited elsewhere.
    """

    schema: Schema
    root: Schema
    path: Path = ()
    # Of the whole document, to which fields may refer.
    choices: Choices = field(default_factory=Choices)
    without: frozenset[str] = frozenset()
    value: Any = ABSENT
    wrong: list[Wrong] = field(default_factory=list)
    tree: Node | None = None
    # What is found by typing: values and names of each source.
    found: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.schema = resolved(self.schema, self.root)
        if self.without:
            kept = {
                name: part
                for name, part in self.schema["properties"].items()
                if name not in self.without
            }
            required = [name for name in self.schema.get("required", ()) if name in kept]
            self.schema = {**self.schema, "properties": kept, "required": required}

    def read(self, data: QueryDict) -> Any:
        """Return what was typed in, and remember it for showing it again."""
        self.value = _reading.read(self.schema, data, PREFIX, self.root)
        return self.value

    def act(self, button: str) -> str:
        """Do what a button like “add:v.funding” says; return where the focus goes."""
        action, _colon, name = button.partition(":")
        steps = tuple(name.split(".")[1:])
        _reading.act(self.value, action, steps)
        return name

    def settled(self, problems: list[Problem]) -> Any:
        return _reading.settled(self.value, self.path, problems)

    def draw(
        self, problems: Iterable[Problem] = (), *, focus: str = "", document: Any = None
    ) -> Node:
        """
        Return the fields with what is wrong beside them.

        :param document: the whole of it, as it was refused
        """
        draw = _Drawing(self.root, self.choices)
        self.tree = draw.node(self.schema, self.value, PREFIX, self.path, required=True)
        by_path = {each.path: each for each in reversed([*self.tree.all()]) if each.kind != "const"}
        self.wrong = [self._place(problem, by_path, document) for problem in problems]
        if focus:
            _focus(self.tree, focus)
        self.found = {
            name: _first(self.choices.of(name))
            for name in sorted({each.found_in for each in self.tree.all() if each.found_in})
        }
        return self.tree

    def _place(self, problem: Problem, by_path: dict[Path, Node], document: Any) -> Wrong:
        for length in range(len(problem.path), -1, -1):
            node = by_path.get(problem.path[:length])
            if node is not None:
                node.errors.append(problem.why)
                # Elsewhere in the document: the whole way is told.
                shown = problem.path[:length] if length > len(self.path) else problem.path
                way = place(shown, document)
                return Wrong(way, problem.why, node.id)
        return Wrong(place(problem.path, document), problem.why, "")


def _first(named: dict[Any, str]) -> list[tuple[str, str]]:
    return [(str(value), called) for value, called in islice(named.items(), FOUND_MAX)]


def place(path: Path, document: Any = None) -> str:
    """The way to a field in the words of those who fill it in; things are called by their names."""
    told = []
    there = document
    for length, step in enumerate(path, start=1):
        there = _below(there, step)
        if isinstance(step, str):
            told.append(label(path[:length]))
        elif isinstance(there, dict) and there.get("names"):
            told.append(f"“{localized(there['names'])}”")
        else:
            told.append(str(step + 1))
    return " › ".join(told)


def _below(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


def _focus(tree: Node, name: str) -> None:
    """The last row of what was added to, or what has just changed."""
    around = next((each for each in tree.all() if each.name == name), None)
    if around is None:
        return
    if around.kind in ("rows", "pairs") and around.body:
        around = around.body[-1]
    first = next((each for each in around.all() if each.is_field), None)
    if first is not None:
        first.autofocus = True


@dataclass(frozen=True, slots=True)
class _Drawing:
    root: Schema
    choices: Choices

    def node(self, schema: Schema, value: Any, name: str, path: Path, *, required: bool) -> Node:
        schema = resolved(schema, self.root)
        made = Node("", name, path, label(path), required, help_text(path))
        if shapes(schema, self.root):
            self._shape(made, schema, value)
        elif is_object(schema):
            made.kind = "names" if is_names(schema) else "group"
            made.body = self._properties(schema, value, name, path)
        elif is_mapping(schema):
            self._pairs(made, schema, value)
        elif is_list(schema, self.root):
            self._list(made, items(schema, self.root), value)
        elif is_array(schema):
            self._rows(made, schema, value)
        elif "choices" in schema:
            self._chosen(made, schema["choices"], value)
        else:
            _scalar(made, schema, value)
        return made

    def _properties(self, schema: Schema, value: Any, name: str, path: Path) -> list[Node]:
        given = value if isinstance(value, dict) else {}
        wanted = schema.get("required", ())
        return [
            self.node(
                part,
                given.get(each, ABSENT),
                f"{name}.{each}",
                (*path, each),
                required=each in wanted,
            )
            for each, part in schema["properties"].items()
        ]

    def _shape(self, made: Node, schema: Schema, value: Any) -> None:
        several = shapes(schema, self.root)
        chosen = next((each for each in several if each.fits(value)), None)
        if chosen is None and made.required:
            chosen = several[0]
        made.kind = "shape"
        made.options = _options(
            made, [each.key for each in several], chosen.key if chosen else None
        )
        if chosen is None or "const" in chosen.schema:
            return
        inner = self.node(chosen.schema, value, made.name, made.path, required=True)
        made.body = inner.body if inner.kind == "group" else [inner]

    def _pairs(self, made: Node, schema: Schema, value: Any) -> None:
        made.kind = "pairs"
        keys = schema.get("propertyNames", {})
        pairs = self.choices.in_order(keys, value) if isinstance(value, dict) else value or []
        for nth, (key, inner) in enumerate(pairs):
            row = self.node(
                schema["additionalProperties"],
                inner,
                f"{made.name}.{nth}",
                (*made.path, key),
                required=True,
            )
            # The key is typed in: the row is called by what it is a row of.
            row.label = label((*made.path, ANY))
            row = _row(made, nth, row, key=key)
            self._key(row, keys.get("choices"))
            made.body.append(row)
        _mark_last(made)

    def _key(self, row: Node, name: str | None) -> None:
        if name is None:
            row.key_label = _("Code")
            return
        row.key_label = source_label(name)
        if self._is_typed(name):
            row.found_in = name
        else:
            row.key_options = self._options(name, row.key, is_optional=False)

    def _chosen(self, made: Node, name: str, value: Any) -> None:
        """One of those there are."""
        if self._is_typed(name):
            made.kind, made.value, made.found_in = "text", "" if value is ABSENT else value, name
        else:
            made.kind = "select"
            made.options = self._options(name, value, is_optional=not made.required)

    def _is_typed(self, name: str) -> bool:
        return is_open(name) or len(self.choices.of(name)) > SHOWN_MAX

    def _options(self, name: str, value: Any, *, is_optional: bool) -> list[tuple[str, str, bool]]:
        """Also what is chosen though there is no such thing, lest another be taken for it."""
        known = self.choices.of(name)
        is_said = value is not ABSENT and value not in ("", None)
        offered = known if not is_said or value in known else {**known, value: str(value)}
        made = [(str(each), called, each == value) for each, called in offered.items()]
        return made if is_said and not is_optional else [("", "–", False), *made]

    def _list(self, made: Node, item: Schema, value: Any) -> None:
        if "choices" not in item:
            _list(made, item, value)
            return
        name = item["choices"]
        given = value if isinstance(value, list) else []
        known = self.choices.of(name)
        shown = known if len(known) <= SHOWN_MAX else {}
        made.kind = "picks"
        made.options = [
            (str(each), str(known.get(each, each)), each in given)
            for each in dict.fromkeys([*shown, *given])
        ]
        made.found_in = name if self._is_typed(name) else ""

    def _rows(self, made: Node, schema: Schema, value: Any) -> None:
        made.kind = "rows"
        for nth, inner in enumerate(value or []):
            row = self.node(
                schema["items"], inner, f"{made.name}.{nth}", (*made.path, nth), required=True
            )
            made.body.append(_row(made, nth, row))
        _mark_last(made)


def _row(made: Node, nth: int, inner: Node, key: str | None = None) -> Node:
    body = inner.body if inner.kind in ("group", "names") else [inner]
    inner.is_bare = True
    return Node("row", inner.name, inner.path, made.label, body=body, number=nth + 1, key=key)


def _mark_last(made: Node) -> None:
    made.value = len(made.body)
    if made.body:
        made.body[-1].is_last = True


def _list(made: Node, item: Schema, value: Any) -> None:
    given = value if isinstance(value, list) else []
    if "enum" in item:
        made.kind = "ticks"
        made.options = [
            (str(each), choice(made.path, each), each in given) for each in item["enum"]
        ]
    elif _reading.is_lines(item):
        made.kind, made.value = "lines", "\n".join(map(str, given))
    else:
        made.kind, made.value = "text", ", ".join(map(str, given))


def _scalar(made: Node, schema: Schema, value: Any) -> None:
    made.value = "" if value is ABSENT or value is None else value
    pattern = schema.get("pattern", "")
    if "const" in schema:
        made.kind = "const" if made.required else "tick"
        made.value = made.kind == "const" or value == schema["const"]
    elif "enum" in schema:
        made.kind = "select"
        made.options = _options(made, schema["enum"], value)
    elif schema.get("type") == "boolean":
        made.kind = "tick" if made.required else "select"
        made.value = value is True
        answers = [(_reading.YES, _("Yes"), True), (_reading.NO, _("No"), False)]
        offered = [(answer, name, value is means) for answer, name, means in answers]
        made.options = [("", "–", False), *offered]
    elif is_whole_number(schema):
        made.kind = "number"
    elif schema.get("format") == "date":
        made.kind = "day"
    elif pattern.startswith("^#[0-9a-f]") and made.required:
        made.kind = "color"
    elif "[0-9]" in pattern and "a-z" not in pattern:
        made.kind = "decimal"
    else:
        made.kind = "long" if schema.get("maxLength", 0) > LONG_TEXT else "text"


def _options(made: Node, values: Sequence[Any], chosen: Any) -> list[tuple[str, str, bool]]:
    offered = [(str(each), choice(made.path, each), each == chosen) for each in values]
    is_open = not made.required or not any(is_chosen for *_more, is_chosen in offered)
    return [("", "–", False), *offered] if is_open else offered
