"""
Whom members ask, and what they ask often: what a programme says beside its rules. Members read it
on their page of help.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from common.localized import LINES_PATTERN, NAMES_SCHEMA, localized
from programme.models import Programme

QUESTIONS_MAX = 50
ANSWER_MAX = 2000

CONTACT_SCHEMA = {
    "type": "object",
    "properties": {
        "hotline": {"type": "string", "pattern": r"^[+0-9][ 0-9()-]{2,29}\Z"},
        "email": {
            "type": "string",
            "maxLength": 254,
            "pattern": r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z",
        },
        "hours": NAMES_SCHEMA,
        "address": NAMES_SCHEMA,
    },
    "additionalProperties": False,
}
QUESTIONS_SCHEMA = {
    "type": "array",
    "maxItems": QUESTIONS_MAX,
    "items": {
        "type": "object",
        "properties": {
            "code": {"type": "string", "pattern": r"^[a-z][a-z0-9-]{0,49}\Z"},
            "names": NAMES_SCHEMA,
            "answer": {
                "type": "object",
                "properties": {
                    code: {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": ANSWER_MAX,
                        "pattern": LINES_PATTERN,
                    }
                    for code, _name in settings.LANGUAGES
                },
                "required": [settings.LANGUAGE_CODE],
                "additionalProperties": False,
            },
        },
        "required": ["code", "names", "answer"],
        "additionalProperties": False,
    },
}


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom members ask, in the active language; what nobody told is empty."""

    hotline: str = ""
    email: str = ""
    hours: str = ""
    address: str = ""

    @property
    def dialled(self) -> str:
        """The hotline as a phone dials it."""
        return "".join(sign for sign in self.hotline if sign in "+0123456789")


def contact(programme: Programme | None) -> Contact:
    told = programme.contact if programme else {}
    return Contact(
        hotline=told.get("hotline", ""),
        email=told.get("email", ""),
        hours=localized(told.get("hours", {})),
        address=localized(told.get("address", {})),
    )


def questions(programme: Programme | None) -> list[tuple[str, str]]:
    """What members ask often and the answers, in the active language."""
    told = programme.questions if programme else []
    return [(localized(each["names"]), localized(each["answer"])) for each in told]


def contradictions(programme: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Questions that have one code: nobody could tell which of them was changed."""
    codes = [each["code"] for each in programme.get("questions", [])]
    for nth, code in enumerate(codes):
        if code in codes[:nth]:
            yield f"questions[{nth}].code", _("“%(key)s” twice") % {"key": code}
