"""Holds: a till sets points aside, then spends them, in part or not at all."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError, Invalid
from members.queries import Identity
from points import queries
from points.models import Entry, EntryKind
from points.operations._ledger import too_few
from points.operations._pool import returning, spend_pooled
from points.operations._posting import (
    TAKEN,
    Posting,
    ReferenceReused,
    Repeat,
    Source,
    active_until,
    call,
    post,
    refusal_of,
    refuse,
    require_in_range,
    require_not_before,
    require_not_in_future,
    require_note,
    require_reference,
    when_given,
)


class HoldEnded(DomainError):
    code = "hold_ended"
    message = _("This hold has ended.")


class HoldExceeded(DomainError):
    code = "hold_exceeded"
    message = _("%(requested)s points were to be spent, the hold has %(held)s.")


class InvalidUntil(Invalid):
    code = "invalid_until"
    message = _("A hold must end after it begins.")


class HoldTooLong(Invalid):
    code = "hold_too_long"
    message = _("A hold may last %(minutes)s minutes at most.")


@dataclass(frozen=True, slots=True)
class EndedHold:
    """What became of a hold: the entry that spent, and the one that gave back the rest."""

    redemption: int | None
    release: int | None
    balance_after: int
    replayed: bool = False


def hold(
    *,
    member: Identity,
    points: int,
    at: datetime,
    until: datetime,
    reference: str,
    source: Source,
    longest: timedelta | None = None,
    until_was_given: bool = True,
    note: str = "",
    pooled: bool = False,
    now: datetime | None = None,
) -> Posting:
    """
    Set points aside until a moment: they leave the balance, earliest expiry first.

    :param longest: how long a hold may last; None: as long as it is asked to
    :param until_was_given: False when the caller said neither an end nor a length: then a repeat
        with another end is still the same
    :param pooled: also of what others share with the member, where the own points are too few
    :raises InvalidUntil: if that moment is not after `at`
    :raises HoldTooLong: if that is longer
    :raises InsufficientPoints: and as `redeem`
    """
    require_in_range(points)
    require_reference(reference)
    require_note(note)
    if now is not None:
        require_not_in_future(at, now=now)
    held = (at, until) if until_was_given else None
    repeat = Repeat(member, EntryKind.HOLD, -points, source, reference, note, held=held)
    # A till that repeats late, or under another rulebook, asks for what is long over or too long
    # by now, and still gets the first answer.
    length = partial(_require_length, at, until, longest)
    spending = partial(member.require_can_spend, at)
    for check in (length, spending):
        if refusal := refusal_of(check):
            return repeat.earlier() or refuse(refusal)
    if pooled:
        return spend_pooled(repeat, at=at, until=until)
    posting = post(
        "points_debit",
        (
            member.id, points, at, settings.TIME_ZONE, EntryKind.HOLD, source.issuer_id, reference,
            source.store_id, source.client_id, source.version_id, note or None, until,
        ),
        repeat,
    )  # fmt: skip
    return posting or repeat.earlier() or too_few(member, points, at)


def confirm(
    *,
    held: Entry,
    at: datetime,
    source: Source,
    points: int | None = None,
    note: str = "",
    now: datetime | None = None,
) -> EndedHold:
    """
    Spend what a hold set aside, or a part of it; the rest goes back to its lots.

    The redemption has the hold's reference. Confirming the same again answers the same.

    :param held: the HOLD entry
    :param points: None for all of it
    :param note: what they were spent on; empty: as the hold says
    :raises DatedBeforeOriginal: if that was before the hold
    :raises HoldEnded: if it was released, or its time is over
    :raises HoldExceeded: if it has fewer
    :raises ReferenceReused: if another part of it was confirmed, or a redemption has its reference
    """
    if now is not None:
        require_not_in_future(at, now=now)
    require_not_before(at, held)
    require_note(note)
    note = note or held.note or ""
    points = -held.points if points is None else points
    require_in_range(points)
    active = active_until(EntryKind.REDEEM, at)
    with returning(held, at=at):
        answer = _end(
            held, points, at, source, **when_given(p_note=note or None, p_lapses_on=active)
        )
    if isinstance(answer, list):
        if answer[0] == -1:
            raise HoldExceeded(requested=points, held=answer[1])
        return _ended(held, answer)
    first = queries.end_of_hold(held, EntryKind.REDEEM)
    if first is None:
        # Somebody else's redemption may have the reference.
        raise ReferenceReused(reference=held.reference) if answer is TAKEN else HoldEnded
    if (first.worth, first.note or "") != (-points, note):
        raise ReferenceReused(reference=held.reference)
    rest = queries.end_of_hold(held, EntryKind.RELEASE)
    last = rest or first
    return EndedHold(first.seq, rest.seq if rest else None, last.balance_after, replayed=True)


def release(*, held: Entry, at: datetime, source: Source, now: datetime | None = None) -> EndedHold:
    """
    Give all that a hold set aside back to its lots. Releasing it again answers the same, also when
    its time was over before.

    :raises HoldEnded: if it was confirmed
    :raises DatedBeforeOriginal: if that was before the hold
    """
    if now is not None:
        require_not_in_future(at, now=now)
    require_not_before(at, held)
    with returning(held, at=at):
        answer = _end(held, 0, at, source)
    if isinstance(answer, list):
        return _ended(held, answer)
    first = queries.end_of_hold(held, EntryKind.RELEASE)
    if first is None or first.worth != -held.points:
        raise HoldEnded
    return EndedHold(None, first.seq, first.balance_after, replayed=True)


def release_overdue(*, low: int, high: int, at: datetime) -> tuple[int, int, int]:
    """
    Give back what holds whose time is over still set aside, for the members low … high.

    :returns: members, holds, points
    """
    members, holds, points = call("points_release_overdue", (low, high, at, settings.TIME_ZONE))
    return members, holds, points


def _require_length(at: datetime, until: datetime, longest: timedelta | None) -> None:
    if until <= at:
        raise InvalidUntil
    if longest is not None and until - at > longest:
        raise HoldTooLong(minutes=longest // timedelta(minutes=1))


def _ended(held: Entry, answer: list[Any]) -> EndedHold:
    ended = EndedHold(*answer)
    if held.group_id is None:
        return ended
    # What had been fetched has gone home since.
    return replace(ended, balance_after=queries.balance(held.member_id))


def _end(held: Entry, points: int, at: datetime, source: Source, **named: Any) -> Any:
    return call(
        "points_end_hold",
        (
            held.member_id, held.seq, points, at, settings.TIME_ZONE, source.issuer_id,
            held.reference, source.store_id, source.client_id, source.version_id,
        ),
        **named,
    )  # fmt: skip
