"""
What a brand wants to know of its members besides what every programme asks: typed, and checked
when it is written (M2). Values stand with the member as JSON, by the attribute's code.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from members.models import Attribute, AttributeKind

TEXT_MAX = 200
NUMBER_MAX = 10**12
# Of a number behind the point: what JSON keeps exactly beside twelve in front of it.
DECIMALS = 2


class UnknownAttribute(Invalid):
    code = "unknown_attribute"
    message = _("There is no attribute %(attribute)s.")


class InvalidAttribute(Invalid):
    code = "invalid_attribute"
    message = _("%(attribute)s: this is not %(expected)s.")


class AttributeRequired(Invalid):
    code = "attribute_required"
    message = _("%(attribute)s must be given.")


_EXPECTED = {
    AttributeKind.TEXT: _("a text of one line and 200 characters at most"),
    AttributeKind.NUMBER: _("a number with two decimals at most"),
    AttributeKind.DATE: _("a date"),
    AttributeKind.YES_NO: _("yes or no"),
    AttributeKind.CHOICE: _("one of its choices"),
    AttributeKind.CHOICES: _("some of its choices"),
}


def defined() -> dict[str, Attribute]:
    """Those in use, by code, in the order of forms: in two queries."""
    in_use = (
        Attribute.objects.filter(is_active=True)
        .order_by("position", "code")
        .prefetch_related("options")
    )
    return {each.code: each for each in in_use}


def merged(
    known: Mapping[str, Any], changes: Mapping[str, Any], definitions: Mapping[str, Attribute]
) -> dict[str, Any]:
    """
    Return what is known of a member after some attributes changed.

    :param changes: by code; None or an empty text or list: not known any more
    :raises UnknownAttribute: if no attribute in use has the code
    :raises InvalidAttribute: if the value is not of its kind
    :raises AttributeRequired: if what must be known would not be
    """
    after = dict(known)
    for code, value in changes.items():
        if code not in definitions:
            raise UnknownAttribute(attribute=code[:50])
        attribute = definitions[code]
        if value is None or value in ("", []):
            if attribute.is_required:
                raise AttributeRequired(attribute=attribute.name)
            after.pop(code, None)
        else:
            after[code] = _checked(attribute, value)
    return after


def told(known: Mapping[str, Any], definitions: Iterable[Attribute]) -> list[tuple[str, Any]]:
    """Names and values for people, of what is known; dates as dates, choices by their names."""
    return [
        (attribute.name, _told(attribute, known[attribute.code]))
        for attribute in definitions
        if attribute.code in known
    ]


def _checked(attribute: Attribute, value: Any) -> Any:
    kind = AttributeKind(attribute.kind)
    checked = _CHECKS[kind](attribute, value)
    if checked is None:
        raise InvalidAttribute(attribute=attribute.name, expected=_EXPECTED[kind])
    return checked


def _text(_attribute: Attribute, value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > TEXT_MAX or not value.isprintable():
        return None
    return value.strip() or None


def _number(_attribute: Attribute, value: Any) -> int | float | None:
    # bool is an int to Python, and to nobody else.
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if abs(value) > NUMBER_MAX or round(value, DECIMALS) != value:
        return None
    return int(value) if value == int(value) else value


def _date(_attribute: Attribute, value: Any) -> str | None:
    if isinstance(value, date):
        return value.isoformat()
    try:
        # Only the one form: fromisoformat also reads 20260131 and 2026-W05-6.
        day = date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        return None
    return day if day == value else None


def _yes_no(_attribute: Attribute, value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _choice(attribute: Attribute, value: Any) -> str | None:
    return value if isinstance(value, str) and value in attribute.open_choices else None


def _choices(attribute: Attribute, value: Any) -> list[str] | None:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return None
    chosen = set(value)
    if not chosen <= attribute.open_choices.keys():
        return None
    return [code for code in attribute.open_choices if code in chosen]


_CHECKS = {
    AttributeKind.TEXT: _text,
    AttributeKind.NUMBER: _number,
    AttributeKind.DATE: _date,
    AttributeKind.YES_NO: _yes_no,
    AttributeKind.CHOICE: _choice,
    AttributeKind.CHOICES: _choices,
}


def _told(attribute: Attribute, value: Any) -> Any:
    match AttributeKind(attribute.kind):
        case AttributeKind.DATE:
            return date.fromisoformat(value)
        case AttributeKind.YES_NO:
            return _("Yes") if value else _("No")
        case AttributeKind.CHOICE:
            return attribute.choices.get(value, value)
        case AttributeKind.CHOICES:
            return "、".join(attribute.choices.get(each, each) for each in value)
    return value
