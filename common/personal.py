"""
What is known of a person: each room says here what of it a member is handed, and what goes when
the member is erased.

A room declares its tables once; the erasing, and the proof that nothing was left, are made of the
same declaration. The room's name for the person is the member's id; what that is, common does not
know. What stays after an erasure (the ledger, decisions, the audit trail) names a member number
and nobody.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid

# --- What a member is handed ----------------------------------------------------------------------

# A list of rows, or one row: plain values by keys that never change.
Told = Sequence[Mapping[str, Any]] | Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the file a member gets."""

    name: str
    order: int
    title: str | Promise
    tell: Callable[[int], Told]
    # Words for the keys, for people.
    labels: Mapping[str, Any]
    # What it tells of.
    tables: tuple[str, ...] = ()


_sections: dict[str, Section] = {}


def section(
    name: str,
    *,
    order: int,
    title: str | Promise,
    labels: Mapping[str, Any],
    tables: Iterable[str] = (),
) -> Callable[[Callable[[int], Told]], Callable[[int], Told]]:
    """
    Make a function of the member's id part of the file a member gets.

    It is asked in the reader's language, and tells nothing of other people and no secret.

    :param name: `<room>.<what>`: the key in data.json
    :param labels: for each key of a row, what people call it
    :param tables: what it tells of; a table with rows of members that no section tells of, and
        that is not `untold`, fails a test
    """

    def declare(tell: Callable[[int], Told]) -> Callable[[int], Told]:
        assert name not in _sections, f"two sections are named {name}"
        _sections[name] = Section(
            name=name, order=order, title=title, tell=tell, labels=labels, tables=tuple(tables)
        )
        return tell

    return declare


def sections() -> list[Section]:
    """In the order of the file."""
    return sorted(_sections.values(), key=lambda each: each.order)


_untold: dict[str, str] = {}


def untold(*names: str, why: str) -> None:
    """Declare tables with rows of members that are in no section of the file, and why not."""
    for name in names:
        assert name not in _untold, f"{name} is declared twice"
        _untold[name] = why


def told() -> Mapping[str, str]:
    """By table with rows of members: the section that tells of it, or why none does."""
    return _untold | {name: each.name for each in _sections.values() for name in each.tables}


# --- What goes ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Blank:
    """
    What takes the place of a value, in SQL.

    :param done: the condition that it has; None: the value equals it
    """

    value: str
    done: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    name: str
    of: str
    blank: Mapping[str, Blank] = field(default_factory=dict)
    # Of these columns nothing is known of a person; they are named so that none is forgotten.
    keeps: frozenset[str] = frozenset()

    @property
    def is_dirty(self) -> str:
        """The rows of some members in which something is left."""
        still = [
            f"NOT coalesce({each.done}, false)"
            if each.done
            else f"{column} IS DISTINCT FROM {each.value}"
            for column, each in self.blank.items()
        ]
        return f"({self.of})" + (f" AND ({' OR '.join(still)})" if still else "")

    @property
    def erasing(self) -> str:
        if not self.blank:
            return f"DELETE FROM {self.name} WHERE {self.is_dirty}"  # noqa: S608 - our own words
        given = ", ".join(f"{column} = {each.value}" for column, each in self.blank.items())
        return f"UPDATE {self.name} SET {given} WHERE {self.is_dirty}"  # noqa: S608 - our own words


_tables: dict[str, Table] = {}

OF_MEMBER = "member_id = ANY(%(members)s)"


def table(
    name: str,
    *,
    of: str = OF_MEMBER,
    blank: Mapping[str, str | Blank] | None = None,
    keeps: Iterable[str] = (),
) -> None:
    """
    Declare what goes from a table when members are erased.

    :param of: the SQL condition of their rows; `%(members)s` is an array of ids
    :param blank: by column, what takes the place of its value; without it the rows go
    :param keeps: columns of text or JSON that say nothing of a person
    """
    assert name not in _tables, f"{name} is declared twice"
    given = {
        column: value if isinstance(value, Blank) else Blank(value)
        for column, value in (blank or {}).items()
    }
    _tables[name] = Table(name=name, of=of, blank=given, keeps=frozenset(keeps))


_stays: dict[str, str] = {}


def stays(*names: str, why: str) -> None:
    """Declare tables that know a member, or hold texts, and of which nothing goes; and why."""
    for name in names:
        assert name not in _stays, f"{name} is declared twice"
        _stays[name] = why


def tables() -> Mapping[str, Table]:
    return _tables


def staying() -> Mapping[str, str]:
    """By table of which nothing goes: why."""
    return _stays


def erase(member_ids: Sequence[int]) -> int:
    """
    Take what is personal of members out of every table that rooms declared, one statement a table,
    in the caller's transaction. What is gone already is left alone.

    :returns: how many rows it took
    """
    assert transaction.get_connection().in_atomic_block, "all of a member goes, or nothing"
    rows = 0
    with connection.cursor() as cursor:
        for each in _tables.values():
            cursor.execute(each.erasing, {"members": list(member_ids)})
            rows += cursor.rowcount
    return rows


def left(member_ids: Sequence[int]) -> dict[str, int]:
    """In how many rows of which tables something personal of erased members is left."""
    found = {}
    with connection.cursor() as cursor:
        for each in _tables.values():
            cursor.execute(
                f"SELECT count(*) FROM {each.name} WHERE {each.is_dirty}",  # noqa: S608 - as above
                {"members": list(member_ids)},
            )
            if count := cursor.fetchone()[0]:
                found[each.name] = int(count)
    return found


# --- What never belongs into what stays -----------------------------------------------------------

# A mobile phone, an e-mail address, an ID number: with blanks or dashes between, as people type.
_CONTACT = re.compile(
    r"(?<!\d)(?:\+?86[ -]?)?1[3-9](?:[ -]?\d){9}(?!\d)"
    r"|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]+"
    r"|(?<!\d)\d{17}[\dXx](?![\dA-Za-z])"
    # An ID number in its parts: place, birthday, the rest.
    r"|(?<!\d)\d{6}[ -](?:19|20)\d{6}[ -]\d{3}[\dXx](?![\dA-Za-z])"
)


def names_somebody(text: str) -> bool:
    """Whether a text holds a phone, an e-mail address or an ID number."""
    return _CONTACT.search(_typed(text)) is not None


def without_contacts(text: str) -> str:
    """A text of others, such as a server's answer, without what names somebody."""
    typed = _typed(text)
    return _CONTACT.sub("***", typed) if _CONTACT.search(typed) else text


def _typed(text: str) -> str:
    """Wide digits and signs, as Chinese keyboards make them, as the narrow ones they stand for."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


class NamesSomebody(Invalid):
    code = "names_somebody"
    message = _("Leave out phones, e-mail addresses and ID numbers: this record stays for ever.")


def keep_out(text: str) -> None:
    """
    Look at a reason or a note before it goes where nothing is erased.

    :raises NamesSomebody: if it holds a phone, an e-mail address or an ID number
    """
    if names_somebody(text):
        raise NamesSomebody


def as_json(value: Any) -> Any:
    """A value of a section as data.json has it: days and times by ISO 8601."""
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
