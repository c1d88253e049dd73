"""
From the cells of a row to a person, or to all that is wrong with it.

A row with a mistake is refused whole, and each mistake is told: nothing is corrected, and nothing
that is not in the file is made up. What is suspicious but possible is a warning, and the operator
decides for all rows what becomes of it (`mapping.DECISIONS`).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from campaigns import cells
from campaigns.member_files.fields import ATTRIBUTE
from campaigns.member_files.mapping import (
    KEEP,
    LEAVE_OUT,
    YES_NO,
    InvalidDay,
    InvalidSex,
    day_fields,
    sex,
)
from campaigns.member_files.mapping import Mapping as ColumnMapping
from campaigns.operations import InvalidAmount
from common import tables
from common.errors import DomainError, Invalid
from common.tables import Row
from members import attributes, phones, products
from members import operations as members
from members.models import Attribute, AttributeKind
from members.numbers import looks_like_one
from partners.queries import UnknownStore
from points import operations as points
from points.queries import start_of_day
from programme.policies import Policies

NAME_MAX = 100
PLACE_MAX = 50
PRODUCT_NAME_MAX = 200
AGE_MAX = 150
IMPLAUSIBLE_AGE = 110
# What systems write where they know no birthday.
PLACEHOLDERS = {date(1900, 1, 1), date(1901, 1, 1), date(1970, 1, 1)}
ID_NUMBER = re.compile(r"[0-9A-Za-z()\-]{4,32}\Z", re.ASCII)
RESIDENT_ID = re.compile(r"[0-9]{17}[0-9X]\Z", re.ASCII)
NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,4})?\Z", re.ASCII)


class InvalidName(Invalid):
    code = "invalid_name"
    message = _("A name has 1 to 100 printable characters.")


class InvalidEmail(Invalid):
    code = "invalid_email"
    message = _("This is no e-mail address.")


class InvalidAge(Invalid):
    code = "invalid_age"
    message = _("An age is a whole number of years up to 150.")


class InvalidIdNumber(Invalid):
    code = "invalid_id_number"
    message = _("This is no ID number, or its check digit does not fit.")


class TextTooLong(Invalid):
    code = "text_too_long"
    message = _("This is longer than %(most)s characters, or has some that cannot be printed.")


class InvalidExternalNumber(Invalid):
    code = "invalid_external_number"
    message = _("An external number has 1 to 64 printable characters and no form of ours.")


class NothingIdentifies(Invalid):
    code = "nothing_identifies"
    message = _("A row needs an external number, a phone or a product identifier.")


class ProductUnidentified(Invalid):
    code = "product_unidentified"
    message = _("A product is told of without its identifier.")


class JoinedMissing(Invalid):
    code = "joined_missing"
    message = _("The day of joining is missing.")


class LongAgo(Invalid):
    code = "dated_long_ago"
    message = _("The date lies before %(year)s.")


class DuplicateInFile(Invalid):
    code = "duplicate_in_file"
    message = _("Row %(row)s has the same.")


class FurtherPoints(Invalid):
    code = "points_in_further_row"
    message = _(
        "Points and spend of a customer stand in one row; row %(row)s has the same customer."
    )


class PlaceholderBirthday(Invalid):
    code = "placeholder_birthday"
    message = _("%(day)s looks like a birthday nobody knew.")


class ImplausibleAge(Invalid):
    code = "implausible_age"
    message = _("An age of %(years)s years is hardly possible.")


class NameMissing(Invalid):
    code = "name_missing"
    message = _("The name is missing.")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a field of a row; of the row itself if the field is empty."""

    field: str
    refusal: DomainError
    # The operator's decision if it is a warning; empty: a mistake.
    decision: str = ""

    @property
    def refuses(self) -> bool:
        return self.decision not in (KEEP, LEAVE_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """
    What is the same for all rows of a file.

    :param points: what each member gets to start with
    :param rate: points for each unit of last year's spend; None: the file tells none
    """

    store_id: int | None = None
    points: int = 0
    rate: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A row that was read and found good."""

    row: Row
    historic: members.Historic
    tags: Sequence[str] = ()
    points: int = 0


@dataclass(slots=True)
class Read:
    """What a row came to: `person` is None if it is refused."""

    row: Row
    problems: list[Problem] = field(default_factory=list)
    person: Person | None = None

    def refuse(self, name: str, refusal: DomainError) -> None:
        self.problems.append(Problem(name, refusal))
        self.person = None


class Column(NamedTuple):
    """A mapped field: where it stands, what its values mean, and how the text is read."""

    field: str
    position: int
    values: Mapping[str, str]
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """
    Reads rows by a mapping. Asks the database nothing.

    :param positions: the place of each column the mapping names
    :param stores: ids by code, of those that members of the file may belong to
    :param tags: put on all of them
    :param today: the day of `now` in the programme's zone
    """

    mapping: ColumnMapping
    positions: Mapping[str, int]
    definitions: Mapping[str, Attribute]
    stores: Mapping[str, int]
    tags: Sequence[str]
    terms: Terms
    policies: Policies
    now: datetime
    today: date

    def columns(self) -> list[Column]:
        """How the text of each mapped field becomes what it means."""
        days = set(day_fields(self.mapping, self.definitions))
        known: dict[str, Callable[[str], Any]] = {
            **_PLAIN,
            "birthday": self._birthday,
            "joined_on": self._past_day("joined_on"),
            "purchased_on": self._past_day("purchased_on"),
            "store": self._store,
            "tags": self._tags,
            "product": self._product,
        }
        found = []
        for name, column in self.mapping.columns.items():
            if name in known:
                read = known[name]
            else:
                attribute = self.definitions[name.removeprefix(ATTRIBUTE)]
                day = partial(self.mapping.day, name) if name in days else None
                read = partial(_attribute, attribute, day)
            values = self.mapping.values.get(name, {})
            found.append(Column(name, self.positions[column], values, read))
        return found

    def read(self, row: Row, columns: Iterable[Column]) -> Read:
        """:param columns: of `columns`, made once for all rows"""
        answer = Read(row)
        told: dict[str, Any] = {}
        faults: dict[int, Problem] = {}
        for name, position, values, read in columns:
            if fault := row.faults.get(position):
                # A ragged row has one fault, whatever the number of its cells.
                of = "" if isinstance(fault, tables.RaggedRow) else name
                faults.setdefault(id(fault), Problem(of, fault))
                continue
            text = row.cells[position].strip()
            text = values.get(text, text)
            if not text:
                continue
            try:
                told[name] = read(text)
            except DomainError as refusal:
                answer.problems.append(Problem(name, refusal))
        answer.problems += faults.values()
        if not faults:
            answer.problems += self._warnings(told, answer.problems)
            answer.problems += self._missing(told, {each.field for each in answer.problems})
        if not any(problem.refuses for problem in answer.problems):
            self._leave_out(told, answer.problems)
            answer.person = self._person(row, told)
        return answer

    def _warnings(self, told: Mapping[str, Any], problems: Iterable[Problem]) -> list[Problem]:
        wrong = {problem.field for problem in problems}
        found: list[tuple[str, DomainError]] = []
        birthday = told.get("birthday")
        if birthday in PLACEHOLDERS:
            found.append(("birthday", PlaceholderBirthday(day=birthday.isoformat())))
        elif birthday and (years := _age(birthday, self.today)) >= IMPLAUSIBLE_AGE:
            found.append(("birthday", ImplausibleAge(years=years)))
        if told.get("age", 0) >= IMPLAUSIBLE_AGE:
            found.append(("age", ImplausibleAge(years=told["age"])))
        if "name" in self.mapping.columns and not {"name"} & (told.keys() | wrong):
            found.append(("name", NameMissing()))
        return [
            Problem(name, refusal, self.mapping.decision(refusal.code)) for name, refusal in found
        ]

    def _missing(self, told: Mapping[str, Any], wrong: set[str]) -> list[Problem]:
        """What the row needs and neither has nor has wrongly."""
        problems = []
        identifying = {"external_number", "phone", "product"}
        if not identifying & (told.keys() | wrong):
            problems.append(Problem("", NothingIdentifies()))
        if "joined_on" in self.mapping.columns and not {"joined_on"} & (told.keys() | wrong):
            problems.append(Problem("joined_on", JoinedMissing()))
        tells = told.keys() & {"product_name", "purchased_on"}
        if tells and "product" not in told.keys() | wrong:
            problems.append(Problem("product", ProductUnidentified()))
        return problems

    def _leave_out(self, told: dict[str, Any], problems: Iterable[Problem]) -> None:
        """Take the cell as empty, and so whatever else the mapping reads from its column."""
        for problem in problems:
            if problem.decision == LEAVE_OUT:
                column = self.mapping.columns[problem.field]
                for name, of in self.mapping.columns.items():
                    if of == column:
                        told.pop(name, None)

    def _person(self, row: Row, told: Mapping[str, Any]) -> Person:
        joined = told.get("joined_on")
        product = None
        if "product" in told:
            product = members.ProductFacts(
                identifier=told["product"],
                name=told.get("product_name", ""),
                purchased_on=told.get("purchased_on"),
            )
        profile = members.Profile(
            **{name: told[name] for name in _OF_PROFILE if name in told},
            attributes={
                name.removeprefix(ATTRIBUTE): value
                for name, value in told.items()
                if name.startswith(ATTRIBUTE)
            },
        )
        return Person(
            row=row,
            historic=members.Historic(
                profile=profile,
                joined_at=start_of_day(joined) if joined else self.now,
                external_number=told.get("external_number", ""),
                store_id=told.get("store", self.terms.store_id),
                product=product,
            ),
            tags=told.get("tags", self.tags),
            points=self._points(told),
        )

    def _points(self, told: Mapping[str, Any]) -> int:
        given: int = self.terms.points + told.get("starting_points", 0)
        if self.terms.rate is not None and "spend" in told:
            exact = Fraction(told["spend"]) * Fraction(self.terms.rate)
            given += self.policies.rounding.whole(exact)
        return given

    # --- Values that depend on the file

    def _birthday(self, text: str) -> date:
        day = self.mapping.day("birthday", text)
        if not date(1900, 1, 1) <= day <= self.today:
            raise members.BirthdayOutOfRange
        return day

    def _past_day(self, name: str) -> Callable[[str], date]:
        def read(text: str) -> date:
            day = self.mapping.day(name, text)
            if day > self.today:
                raise points.DatedInFuture
            if day.year < cells.EARLIEST_YEAR:
                raise LongAgo(year=cells.EARLIEST_YEAR)
            return day

        return read

    def _store(self, text: str) -> int:
        try:
            return self.stores[text]
        except KeyError as error:
            raise UnknownStore(store=text[:50]) from error

    def _tags(self, text: str) -> Sequence[str]:
        return members.read_tags(",".join((*self.tags, text)))

    def _product(self, text: str) -> str:
        identifier = products.normalize(text)
        if self.policies.asks_for_vins:
            products.require_vin(identifier)
        return identifier


# --- Values that read the same in every file ------------------------------------------------------


def _name(text: str) -> str:
    if len(text) > NAME_MAX or not text.isprintable():
        raise InvalidName
    return text


def _email(text: str) -> str:
    try:
        validate_email(text)
    except ValidationError as error:
        raise InvalidEmail from error
    return text


def _years(text: str) -> int:
    if not re.match(r"[0-9]{1,3}\Z", text, re.ASCII) or int(text) > AGE_MAX:
        raise InvalidAge
    return int(text)


def _id_number(text: str) -> str:
    number = text.upper()
    if not ID_NUMBER.match(number):
        raise InvalidIdNumber
    # GB 11643: 18 characters, the last of which is made of the others.
    if RESIDENT_ID.match(number):
        total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(number[:17]))
        if "10X98765432"[total % 11] != number[17]:
            raise InvalidIdNumber
    return number


def _external_number(text: str) -> str:
    if not cells.names_a_customer(text) or looks_like_one(text):
        raise InvalidExternalNumber
    return text


def _text(most: int, text: str) -> str:
    if len(text) > most or not text.isprintable():
        raise TextTooLong(most=most)
    return text


def _points(text: str) -> int:
    given = cells.points(text)
    if given > points.POINTS_MAX:
        raise points.PointsOutOfRange(limit=points.POINTS_MAX)
    return given


def _attribute(attribute: Attribute, day: Callable[[str], date] | None, text: str) -> Any:
    """:raises InvalidDay: :raises attributes.InvalidAttribute: if it is not of its kind"""
    value: Any = text
    match attribute.kind:
        case AttributeKind.NUMBER if NUMBER.match(text):
            value = float(text)
        case AttributeKind.DATE if day is not None:
            value = day(text)
        case AttributeKind.YES_NO:
            value = YES_NO.get(text.casefold(), text)
        case AttributeKind.CHOICE:
            value = _choice(attribute, text)
        case AttributeKind.CHOICES:
            parts = re.split("[,，;；、]", text)
            value = [_choice(attribute, each.strip()) for each in parts if each.strip()]
    code = attribute.code
    return attributes.merged({}, {code: value}, {code: attribute})[code]


def _choice(attribute: Attribute, text: str) -> str:
    """Its code, also if the file says its name in any language."""
    for option in attribute.options.all():
        if option.is_active and text in (option.code, *option.names.values()):
            return option.code
    return text


def _age(birthday: date, today: date) -> int:
    return today.year - birthday.year - ((today.month, today.day) < (birthday.month, birthday.day))


_PLAIN: Mapping[str, Callable[[str], Any]] = {
    "external_number": _external_number,
    "name": _name,
    "sex": sex,
    "phone": phones.normalize,
    "email": _email,
    "age": _years,
    "id_number": _id_number,
    "province": partial(_text, PLACE_MAX),
    "city": partial(_text, PLACE_MAX),
    "starting_points": _points,
    "spend": cells.amount,
    "product_name": partial(_text, PRODUCT_NAME_MAX),
}
_OF_PROFILE = ("name", "sex", "phone", "email", "birthday", "id_number", "province", "city")

# Everything a row may be refused for, so that its code can be said later and in any language.
REFUSALS: Mapping[str, type[DomainError]] = {
    refusal.code: refusal
    for refusal in (
        DuplicateInFile,
        FurtherPoints,
        ImplausibleAge,
        InvalidAge,
        InvalidAmount,
        InvalidDay,
        InvalidEmail,
        InvalidExternalNumber,
        InvalidIdNumber,
        InvalidName,
        InvalidSex,
        JoinedMissing,
        LongAgo,
        NameMissing,
        NothingIdentifies,
        PlaceholderBirthday,
        ProductUnidentified,
        TextTooLong,
        UnknownStore,
        attributes.InvalidAttribute,
        cells.InvalidPoints,
        members.BirthdayOutOfRange,
        members.ExternalNumberTaken,
        members.InvalidTag,
        members.PhoneTaken,
        members.ProductTaken,
        members.TooManyTags,
        phones.InvalidPhone,
        points.DatedInFuture,
        points.PointsOutOfRange,
        products.InvalidIdentifier,
        products.InvalidVin,
        tables.Formula,
        tables.ImpreciseNumber,
        tables.RaggedRow,
    )
}
