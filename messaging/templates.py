"""
What can be said: texts that rooms register in `AppConfig.ready`, with variables of declared kinds.

A message keeps the values of its variables, not the text: each reader gets it in a language of
their own, years later too. So a template stays registered as long as its messages may be read, and
one that needs other variables gets another name.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import override

from common.amounts import money
from common.localized import TEXT_PATTERN
from messaging.models import Purpose
from programme import queries as programme

logger = logging.getLogger(__name__)

TEXT_MAX = 500


class UnknownTemplate(LookupError):
    """No room registered it: a mistake in the code, no refusal."""


class WrongVariables(ValueError):
    """Not the variables the template declares: a mistake in the code, no refusal."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is kept as JSON, and how the active language writes it."""

    keep: Callable[[Any], Any]
    show: Callable[[Any], Any]
    # A value for previews, as it is kept.
    sample: Any = None


class _Number(int):
    """Written with its thousands apart, and still a number by which a plural is chosen."""

    def __str__(self) -> str:
        return number_format(int(self), use_l10n=True, force_grouping=True)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(value)
    return value


def _iso_day(value: Any) -> str:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError(value)
    return value.isoformat()


def _short_text(value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > TEXT_MAX:
        raise TypeError(value)
    if not re.match(TEXT_PATTERN, value):
        raise TypeError(value)
    return value


def _exact(value: Any) -> str:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise TypeError(value)
    return str(value)


def _in_currency(kept: str) -> str:
    installed = programme.programme()
    return money(Decimal(kept), installed.currency if installed else "CNY")


NUMBER = Kind(keep=_whole, show=_Number, sample=1280)  # points, days left
DAY = Kind(
    keep=_iso_day,
    show=lambda kept: date_format(date.fromisoformat(kept), "DATE_FORMAT"),
    sample="2026-12-31",
)
TEXT = Kind(keep=_short_text, show=str, sample="示例")
MONEY = Kind(keep=_exact, show=_in_currency, sample="88.00")  # in the programme's currency


@dataclass(frozen=True, slots=True)
class Text:
    """A message as it is read."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Template:
    name: str
    subject: str | Promise
    body: str | Promise
    variables: Mapping[str, Kind]
    purpose: Purpose = Purpose.ACCOUNT
    # Whether a text message goes to a phone nobody has proven to be the member's.
    to_unproven: bool = False
    # Whether an e-mail goes to a member whose membership has ended.
    to_ended: bool = False
    # Otherwise it stands in the inbox alone, and nobody words it.
    leaves_the_house: bool = True
    # Of the values as they are kept: the path of the page that shows what it is about.
    page: Callable[[Mapping[str, Any]], str] | None = None

    def keep(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """
        The values as JSON.

        :raises WrongVariables: if one is missing, is of another kind or is not declared
        """
        if values.keys() != self.variables.keys():
            raise WrongVariables(f"{self.name} wants {sorted(self.variables)}, not {list(values)}")
        try:
            return {name: kind.keep(values[name]) for name, kind in self.variables.items()}
        except TypeError as error:
            raise WrongVariables(f"{self.name} cannot keep {values}") from error

    def show(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """The values as the active language writes them."""
        return {name: kind.show(kept[name]) for name, kind in self.variables.items()}

    def samples(self) -> dict[str, Any]:
        """Values for a preview, as the active language writes them."""
        return {
            name: "…" if kind.sample is None else kind.show(kind.sample)
            for name, kind in self.variables.items()
        }

    def example(self) -> Text:
        """What it says with sample values."""
        return self.put_in(self.samples())

    def fill(self, kept: Mapping[str, Any]) -> Text:
        """The text in the active language."""
        return self.put_in(self.show(kept))

    def put_in(self, shown: Mapping[str, Any]) -> Text:
        subject: Any = self.subject
        body: Any = self.body
        return Text(subject % shown, body % shown)


_templates: dict[str, Template] = {}


def register(
    name: str,
    *,
    subject: str | Promise,
    body: str | Promise,
    variables: Mapping[str, Kind],
    purpose: Purpose = Purpose.ACCOUNT,
    to_unproven: bool = False,
    to_ended: bool = False,
    leaves_the_house: bool = True,
    page: Callable[[Mapping[str, Any]], str] | None = None,
) -> None:
    """
    Make a text known under `<room>.<what it says>`.

    :param subject: one line, and `body`, lines: lazy translations with `%(variable)s`. A plural is
        chosen by `ngettext_lazy(…, "name of the variable")`; a per cent sign is written twice
    :param purpose: whether members may refuse it, or must have agreed to it
    :param to_unproven: also by text message to members who are not activated: it asks them to prove
        that the phone is theirs, and says nothing only they may know
    :param to_ended: also by e-mail after the membership has ended: it says what came of that
    :param leaves_the_house: otherwise it stands in the inbox alone
    :param page: of its values as they are kept, the path of the member's page about it
    """
    assert name not in _templates, f"two templates are named {name}"
    template = Template(
        name, subject, body, variables, purpose, to_unproven, to_ended, leaves_the_house, page
    )
    # A placeholder nobody fills shows at the start, not in front of a member. Untranslated, as
    # languages are not ready yet; that translations have the same placeholders is tested.
    with override(None):
        template.put_in(dict.fromkeys(variables, 1))
    _templates[name] = template


def names() -> list[str]:
    """What rooms registered, as far as staff may word it."""
    return sorted(name for name, each in _templates.items() if each.leaves_the_house)


def template(name: str) -> Template:
    """:raises UnknownTemplate: if no room of this release registered it"""
    try:
        return _templates[name]
    except KeyError as error:
        raise UnknownTemplate(name) from error


def shown(name: str, kept: Mapping[str, Any]) -> Text:
    """The text of a message on a page, which must open whatever became of a template since."""
    try:
        return template(name).fill(kept)
    except (LookupError, ValueError):
        logger.exception("A message of the template %s cannot be shown", name)
        return Text(_("Message"), _("This message can no longer be shown."))


def page_of(name: str, kept: Mapping[str, Any]) -> str:
    """The path of the page a message is about; empty: none. It opens whatever became of it."""
    try:
        find = template(name).page
        return find(kept) if find else ""
    except (LookupError, ValueError):
        logger.exception("A message of the template %s leads nowhere", name)
        return ""
