"""What drafts of the rulebook may name of this room (see `common.schemas.source`)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.activity_rulebook import ACTIVITIES, CONSUMPTION
from common import schemas
from common.localized import localized

# What any text may be called that a till sends; what the document names already is offered.
OPEN = {
    "categories": gettext_lazy("Line category"),
    "channels": gettext_lazy("Channel"),
    "products": gettext_lazy("Product"),
    "group": gettext_lazy("Group"),
}
GIVER = gettext_lazy("Rule, boost or activity")
GIVERS = (
    ("earning", "rules"),
    ("earning", "boosts"),
    ("activities", "kinds"),
    ("activities", "tasks"),
)


def register() -> None:
    for name, label in OPEN.items():
        schemas.source(name, _named_already(name), label=label, is_open=True)
    schemas.source("givers", _givers, label=GIVER)
    schemas.source("campaign_parts", _campaign_parts, label=GIVER)


def _named_already(name: str) -> Any:
    def listing(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        found = {each for value in _values(document.get("earning"), name) for each in value}
        return ((each, each) for each in sorted(found))

    return listing


def _values(content: Any, name: str) -> Iterator[list[str]]:
    """What stands anywhere under this name."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            if key == name:
                yield value if isinstance(value, list) else [value]
            else:
                yield from _values(value, name)
    elif isinstance(content, list):
        for each in content:
            yield from _values(each, name)


def _givers(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What gives points, and so may be limited."""
    yield ACTIVITIES, _("All activities and tasks")
    yield CONSUMPTION, _("All purchases")
    yield from _entries(document, GIVERS)


def _campaign_parts(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _entries(document, [*GIVERS, ("activities", "gifts")])


def _entries(
    document: Mapping[str, Any], lists: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    for section, listed in lists:
        for each in document.get(section, {}).get(listed, ()):
            yield each["code"], localized(each["names"])
