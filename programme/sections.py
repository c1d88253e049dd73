"""
The register of rulebook sections: how a higher room hangs its rules on a version.

A room registers, in its AppConfig, the part of the programme's YAML file that is its own: a JSON
Schema, a writer and a reader. Load and export walk the register, so this room knows none of them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from programme.models import Version

# A place below the section, such as “rules[0].code”, and why it makes no sense.
Contradiction = tuple[str, str]


def _none(_document: dict[str, Any]) -> Iterable[Contradiction]:
    return ()


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    schema: dict[str, Any]
    # Write the section's rows for a version that is not published yet.
    load: Callable[[Version, Any], None]
    # Return what `load` would accept and write again.
    dump: Callable[[Version], Any]
    # What a file means that leaves the section out; None: it must not.
    default: Any = None
    # What in it makes no sense though the schema allows it. Told the whole document, because it may
    # speak of what other sections say.
    contradictions: Callable[[dict[str, Any]], Iterable[Contradiction]] = _none


_sections: dict[str, Section] = {}


def register(section: Section) -> None:
    _sections[section.name] = section


def all_sections() -> list[Section]:
    return list(_sections.values())
