"""Families and companies: how many, and whose points can be spent together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROLES = ["owner", "admin", "member"]
KINDS = ["family", "company"]

_TERMS = {
    "type": "object",
    "properties": {
        "members": {"type": "integer", "minimum": 2, "maximum": 1000},
        "spenders": {
            "type": "array",
            "items": {"enum": ROLES},
            "minItems": 1,
            "maxItems": len(ROLES),
            "uniqueItems": True,
        },
    },
    "required": ["members"],
    "additionalProperties": False,
}

GROUPS_SCHEMA = {
    "type": "object",
    "properties": dict.fromkeys(KINDS, _TERMS),
    "minProperties": 1,
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class GroupTerms:
    """
    What holds for groups of a kind.

    `members`: how many one may have. `spenders`: the roles that may spend what others share, in
    capitals as groups write them; without any, nothing is shared.
    """

    members: int
    spenders: tuple[str, ...] = ()

    @classmethod
    def parse_all(cls, document: Mapping[str, Any]) -> "dict[str, GroupTerms]":
        """By the kind, in capitals as groups write it."""
        return {
            kind.upper(): cls(
                terms["members"], tuple(role.upper() for role in terms.get("spenders", ()))
            )
            for kind, terms in document.items()
        }
