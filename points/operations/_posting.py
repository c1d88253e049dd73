"""One posting: what it is told, what it answers, and the one call that makes it."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, NoReturn

from django.db import IntegrityError, connection, transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import personal
from common.errors import DomainError, Invalid
from common.postgres.calls import first_row
from members import queries as members
from members.queries import Identity
from points import queries
from points.models import Entry, EntryKind
from programme import queries as programme

# A member who earns more than this in one posting is a mistake, and 8 bytes never overflow.
POINTS_MAX = 1_000_000_000_000
# Tills' clocks run ahead by a little; by more, something is wrong.
CLOCK_TOLERANCE = timedelta(minutes=5)
REFERENCE_MAX = 64
NOTE_MAX = 200


class InsufficientPoints(DomainError):
    code = "insufficient_points"
    message = _("%(requested)s points were requested, %(spendable)s can be spent.")


class ReferenceReused(DomainError):
    code = "reference_reused"
    message = _("The reference “%(reference)s” stands for something else already.")


class PointsOutOfRange(Invalid):
    code = "points_out_of_range"
    message = _("Points must be a whole number from 1 to %(limit)s.")


class LapsedAlready(Invalid):
    code = "lapsed_already"
    message = _("Points cannot lapse on %(last_day)s, before they are credited.")


class InvalidReference(Invalid):
    code = "invalid_reference"
    message = _("A reference has 1 to 64 printable characters and no blanks at its ends.")


class InvalidNote(Invalid):
    code = "invalid_note"
    message = _("A note has at most 200 printable characters.")


class DatedInFuture(Invalid):
    code = "dated_in_future"
    message = _("The date lies in the future.")


class DatedBeforeOriginal(Invalid):
    code = "dated_before_original"
    message = _("This cannot have happened before what it is about.")


class AlreadySpent(DomainError):
    code = "already_spent"
    message = _("The points of this purchase have been spent.")


class AccountMerged(DomainError):
    """Nothing is posted to an account that was given up, also if it was a moment ago."""

    code = "account_merged"
    message = _("The account of member %(number)s was merged into that of member %(into)s.")


class AccountMoved(DomainError):
    code = "account_moved"
    message = _("The account is being merged into another. Please try again.")
    status = 503
    headers = {"Retry-After": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a posting comes from: whose document, which store, which system."""

    issuer_id: int
    store_id: int | None = None
    client_id: int | None = None
    version_id: int | None = None
    # Who pays (see `funding`); None where it is not an earn.
    funding_id: int | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """The entry an operation made, or found made before."""

    seq: int
    balance_after: int
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Repeat:
    """What tells a repeat of a posting from another use of its reference."""

    member: Identity
    kind: EntryKind
    points: int
    source: Source
    reference: str
    note: str = ""
    reason: str | None = None
    # Who gets what is given away.
    counterpart: Identity | None = None
    # A hold's beginning and end; None: however long it was, it is the same.
    held: tuple[datetime, datetime] | None = None

    def earlier(self) -> Posting | None:
        entry = Entry.objects.filter(
            issuer_id=self.source.issuer_id, kind=self.kind, reference=self.reference
        ).first()
        if entry is None:
            return None
        asked = (self.points, self.source.store_id, self.note, self.reason)
        posted = (entry.worth, entry.store_id, entry.note or "", entry.reason)
        same_members = _is(entry.member_id, self.member) and _is(
            entry.counterpart_id, self.counterpart
        )
        if asked != posted or not same_members or not self._lasts_as_long(entry):
            raise ReferenceReused(reference=self.reference)
        return Posting(entry.seq, entry.balance_after, replayed=True)

    def _lasts_as_long(self, entry: Entry) -> bool:
        if self.held is None or entry.until is None:
            return True
        at, until = self.held
        # Who says how long, but not from when, says the same again a minute later.
        return entry.until in (until, entry.effective_at + (until - at))


def _is(member_id: int | None, asked: Identity | None) -> bool:
    """Whether a row is of whom a caller names, before a merge or after it."""
    return member_id == asked if asked is None else member_id in (asked.id, asked.asked_id)


def post(function: str, arguments: tuple[Any, ...], repeat: Repeat, **named: Any) -> Posting | None:
    """
    Call a posting function; return its Posting, the first one on a repeat, or None when it refuses.

    :param named: arguments most calls leave to their defaults, by their names in SQL
    """
    answer = call(function, arguments, **named)
    if answer is TAKEN:
        return repeat.earlier()
    return Posting(*answer) if answer else None


# What `call` returns when a posting's reference stands for something already.
TAKEN: Any = object()


def call(function: str, arguments: tuple[Any, ...], **named: Any) -> Any:
    """
    Call a function of the ledger and return its answer, or TAKEN.

    Outside a transaction this is one round trip. Inside one, a savepoint keeps a repeat's unique
    violation from spoiling the caller's work.
    """
    statement = _calling(function, len(arguments), tuple(named))
    savepoint = transaction.atomic() if connection.in_atomic_block else contextlib.nullcontext()
    try:
        with savepoint:
            row = first_row(statement, (*arguments, *named.values()))
    except IntegrityError as error:
        if "points_entry_reference_once" not in str(error):
            raise
        return TAKEN
    assert row is not None, "a function answers"
    return row[0]


@cache
def _calling(function: str, arguments: int, named: tuple[str, ...]) -> str:
    places = ["%s"] * arguments + [f"{name} => %s" for name in named]
    return f"SELECT {function}({', '.join(places)})"


def when_given(**named: Any) -> dict[str, Any]:
    """Leave out what is None: the function's own default is meant."""
    return {name: value for name, value in named.items() if value is not None}


def active_until(kind: EntryKind, at: datetime) -> date | None:
    """
    The last day of an account after an activity, where points lapse by inactivity; else None.

    Which kinds count is for the rulebook of the day to say.
    """
    try:
        validity = programme.rulebook_on(localdate(at)).policies.validity
    except programme.NoRulebook:
        return None
    if not (validity.rolls and validity.counts(kind)):
        return None
    return validity.account_last_day(localdate(at))


def begins_with(kind: EntryKind, at: datetime) -> tuple[date | None, bool]:
    """
    The last day of an account to which points come, if that begins or moves, and whether it moves.

    A cycle begins with the first points, however they came.
    """
    try:
        validity = programme.rulebook_on(localdate(at)).policies.validity
    except programme.NoRulebook:
        return None, False
    if validity.rolls:
        return active_until(kind, at), True
    return validity.account_last_day(localdate(at)), False


def require_not_merged(member: Identity) -> None:
    """
    Asked after a function refused, never before it is called.

    :raises AccountMerged: if so
    :raises AccountMoved: if the member was joined with another since we were told who it is: who
        asks again is led to who remains
    """
    into = queries.merged_into(member.id)
    if into is None:
        return
    if members.survivors([member.id])[member.id].id != member.id:
        raise AccountMoved
    raise AccountMerged(number=member.number, into=into)


def require_reference(reference: str) -> None:
    """:raises InvalidReference: if it cannot name a fact"""
    is_padded = reference.strip() != reference
    if not reference or is_padded or not _is_text(reference, most=REFERENCE_MAX):
        raise InvalidReference


def require_note(note: str) -> None:
    if not _is_text(note, most=NOTE_MAX):
        raise InvalidNote
    # An entry is never changed, also when its member is erased.
    personal.keep_out(note)


def _is_text(text: str, *, most: int) -> bool:
    # What is not printable (NUL, half a surrogate pair) the database would refuse to store.
    return len(text) <= most and text.isprintable()


def require_in_range(points: int) -> None:
    # A bool or a float comes from a door that did not look; the ledger has whole numbers only.
    if type(points) is not int or not 0 < points <= POINTS_MAX:
        raise PointsOutOfRange(limit=POINTS_MAX)


def require_last_day(expires_on: date, *, at: datetime) -> None:
    if expires_on < localdate(at):
        raise LapsedAlready(last_day=expires_on)


def refusal_of(check: Callable[[], None]) -> DomainError | None:
    """
    Return what a check refuses, if it does.

    Who asks again about something posted before the member was frozen gets the first answer: so a
    refusal is raised only after a look for an earlier posting.
    """
    try:
        check()
    except DomainError as refusal:
        return refusal
    return None


def refuse(refusal: DomainError) -> NoReturn:
    raise refusal


def require_not_in_future(at: datetime, *, now: datetime) -> None:
    """:raises DatedInFuture: if a caller's time is ahead of ours by more than clocks differ"""
    if at > now + CLOCK_TOLERANCE:
        raise DatedInFuture


def require_not_before(at: datetime, original: Entry) -> None:
    """:raises DatedBeforeOriginal: by more than two tills' clocks differ"""
    if at < original.effective_at - CLOCK_TOLERANCE:
        raise DatedBeforeOriginal
