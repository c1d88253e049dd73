"""
What an operation answers when it refuses.

A refusal is a fact, not a failure: it has a stable `code` that callers may program against and a
sentence in the reader's language. Each room declares its own refusals beside its operations.
"""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class DomainError(Exception):
    """A refusal. `status` is the HTTP answer: 409 means refused, do not retry."""

    code = "refused"
    message: str | Promise = _("The request was refused.")
    status = 409

    def __init__(self, **details: Any) -> None:
        super().__init__(self.code)
        self.details = details

    @property
    def sentence(self) -> str:
        """The message in the active language, with the details filled in."""
        return str(self.message) % self.details if self.details else str(self.message)

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}"


class NotFound(DomainError):
    """Absent, or not the caller's to see: the two look alike on purpose."""

    code = "not_found"
    message = _("There is no such thing, or it is not yours to see.")
    status = 404


class Invalid(DomainError):
    """The request is well formed but its content makes no sense."""

    code = "invalid"
    message = _("The request is not valid.")
    status = 422
