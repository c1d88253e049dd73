"""
How fields are called. A name is looked up with as much of its path as somebody registered, the
longest first: “vesting.days” before “days”. What nobody named is shown as it is written.
"""

from collections.abc import Iterator, Mapping

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from common.schemas._problems import Path

# Stands in a path for a key that people choose, such as a line category.
ANY = "*"
# Stands at the end of the path of something that takes one of several shapes.
KIND = "@kind"

_labels: dict[str, str | Promise] = {
    **dict(settings.LANGUAGES),
    KIND: gettext_lazy("Kind"),
}
_helps: dict[str, str | Promise] = {}


def labels(
    names: Mapping[str, str | Promise], helps: Mapping[str, str | Promise] | None = None
) -> None:
    """
    Register what fields (“vesting.days”) and choices (“rounding.mode=down”) are called.

    A shape that is chosen is called by the property that tells it from the others
    (“validity=months”).
    """
    _labels.update(names)
    _helps.update(helps or {})


def label(path: Path) -> str:
    """The name of the field at a path, in the active language."""
    for key in _keys(path):
        if key in _labels:
            return str(_labels[key])
    last = next((each for each in reversed(path) if isinstance(each, str)), "")
    return last.replace("_", " ").replace("-", " ").capitalize()


def help_text(path: Path) -> str:
    return next((str(_helps[key]) for key in _keys(path) if key in _helps), "")


def choice(path: Path, value: object) -> str:
    """What one of the values or shapes at a path is called."""
    for key in (*_keys(path), ""):
        named = f"{key}={value}"
        if named in _labels:
            return str(_labels[named])
    return str(value)


def is_named(path: Path) -> bool:
    """Whether somebody registered a label for it."""
    return any(key in _labels for key in _keys(path))


def _keys(path: Path) -> Iterator[str]:
    names = [each for each in path if isinstance(each, str)]
    for start in range(len(names)):
        yield ".".join(names[start:])
