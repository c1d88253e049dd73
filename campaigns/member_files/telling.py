"""What is wrong with rows, in words: for a page, a file of refused rows, a summary."""

from collections.abc import Mapping, Sequence
from typing import Any

from campaigns.member_files.fields import label_of
from campaigns.member_files.reading import REFUSALS, Problem
from common.errors import DomainError
from members.models import Attribute


class RowRefused(DomainError):
    """All that is wrong with a row, as one refusal with the codes and sentences of each."""

    def __init__(self, problems: Sequence[Problem], definitions: Mapping[str, Attribute]) -> None:
        super().__init__()
        self.code = " ".join(dict.fromkeys(problem.refusal.code for problem in problems))
        self._sentence = " ".join(sentence(each, definitions) for each in problems)

    @property
    def sentence(self) -> str:
        return self._sentence


def sentence(problem: Problem, definitions: Mapping[str, Attribute]) -> str:
    """Which field, and what is wrong with it."""
    told = problem.refusal.sentence
    return f"{label_of(problem.field, definitions)}: {told}" if problem.field else told


def again(*, field: str, code: str, details: Mapping[str, Any]) -> Problem:
    """A problem as it was noted, to be told in the reader's language."""
    kind = REFUSALS.get(code)
    if kind is None:  # of another release
        kind = type(code, (DomainError,), {"code": code, "message": code})
    return Problem(field, kind(**details))


class _Anything(dict[str, str]):
    def __missing__(self, _name: str) -> str:
        return "…"


def title_of(code: str) -> str:
    """What a code means, for rows of any content: with dots for what differs from row to row."""
    kind = REFUSALS.get(code)
    return str(kind.message) % _Anything() if kind else code
