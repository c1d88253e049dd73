"""
What a field that names something else may name, such as a tier or a store. Its schema says from
which source (`"choices": "tiers"`; of a mapping's keys in `propertyNames`), a room says what there
is (`source`): the form offers it, what is told calls it by its name, and the unknown is refused.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.dates import MONTHS
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.schemas._problems import Path, Problem
from common.schemas._shapes import (
    Schema,
    fitting,
    is_array,
    is_mapping,
    is_object,
    items,
    resolved,
    shapes,
)

# Values, as the document holds them, each with its name in the active language.
Listing = Callable[[Mapping[str, Any]], Iterable[tuple[Any, str]]]


@dataclass(frozen=True, slots=True)
class Source:
    """`label`: what one of them is called. `is_open`: others may be named too."""

    list: Listing
    label: str | Promise
    is_open: bool


_sources: dict[str, Source] = {}


def source(name: str, listing: Listing, *, label: str | Promise, is_open: bool = False) -> None:
    """Register what may be chosen, in the order it is offered, told the whole document."""
    _sources[name] = Source(listing, label, is_open)


source(
    "months", lambda _document: [(n, str(MONTHS[n])) for n in MONTHS], label=gettext_lazy("Month")
)
source(
    "days_of_month",
    lambda _document: [(n, str(n)) for n in range(1, 32)],
    label=gettext_lazy("Day of the month"),
)


class Choices:
    """
    What may be chosen in a document; each source is asked once. Of what several documents name,
    the first says how it is called.
    """

    def __init__(self, *documents: Mapping[str, Any]) -> None:
        self.documents = documents or ({},)
        self._found: dict[str, dict[Any, str]] = {}

    def of(self, name: str) -> dict[Any, str]:
        if name not in self._found:
            found: dict[Any, str] = {}
            for document in reversed(self.documents):
                found |= dict(_sources[name].list(document))
            self._found[name] = found
        return self._found[name]

    def in_order(self, keys: Schema, mapping: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """A mapping's entries as their keys are offered; the database keeps no order of its own."""
        offered = list(self.of(keys["choices"])) if "choices" in keys else []
        known = [key for key in offered if key in mapping]
        return [(key, mapping[key]) for key in dict.fromkeys([*known, *mapping])]

    def name(self, schema: Schema, value: Any) -> str:
        """What a value of a field is called; itself if nobody knows it."""
        named = self.of(schema["choices"]) if "choices" in schema else {}
        return str(named.get(value, value)) if isinstance(value, str | int) else str(value)


def is_open(name: str) -> bool:
    return _sources[name].is_open


def source_label(name: str) -> str:
    return str(_sources[name].label)


def unknown(
    schema: Schema, value: Any, *, root: Schema, choices: Choices, path: Path = ()
) -> Iterator[Problem]:
    """What a document that fits its schema names that there is not."""
    schema = resolved(schema, root)
    if several := shapes(schema, root):
        shape = fitting(several, value)
        schema = resolved(shape.schema, root) if shape else {}
    if "choices" in schema:
        yield from _refused(schema["choices"], value, choices, path)
    if is_array(schema):
        for nth, each in enumerate(value):
            yield from unknown(
                items(schema, root), each, root=root, choices=choices, path=(*path, nth)
            )
    elif is_object(schema):
        for name, part in schema["properties"].items():
            if name in value:
                yield from unknown(
                    part, value[name], root=root, choices=choices, path=(*path, name)
                )
    elif is_mapping(schema):
        for key, each in value.items():
            if "choices" in schema.get("propertyNames", {}):
                yield from _refused(schema["propertyNames"]["choices"], key, choices, (*path, key))
            yield from unknown(
                schema["additionalProperties"], each, root=root, choices=choices, path=(*path, key)
            )


def _refused(name: str, value: Any, choices: Choices, path: Path) -> Iterator[Problem]:
    if not is_open(name) and value not in choices.of(name):
        why = _("There is no “%(value)s” to choose here.")
        yield Problem(path, why % {"value": value})
