"""
The rule check: what a draft says that is allowed, but that nobody can have meant.

A room registers, in its AppConfig, functions that look through a document its section has accepted
and yield what strikes them. Whoever drafts is shown it; a mistake keeps the draft from being
published, all else is for people to judge.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from common.schemas import Path


class Severity(IntEnum):
    """The graver, the greater."""

    NOTE = 1
    WARNING = 2
    # Published, it would break what is in use.
    MISTAKE = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """`path`: the place in the document; `text`: a sentence in the active language."""

    severity: Severity
    path: Path
    text: str


Check = Callable[[dict[str, Any]], Iterable[Finding]]

_checks: list[Check] = []


def register(*checks: Check) -> None:
    _checks.extend(check for check in checks if check not in _checks)


def run(document: dict[str, Any]) -> list[Finding]:
    """What all rooms find in a document, the gravest first, then in the order of the rooms."""
    found = [finding for check in _checks for finding in check(document)]
    return sorted(found, key=lambda finding: -finding.severity)
