"""The ledger's verbs for one account: each is one call of a SQL function."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, NoReturn

from django.conf import settings
from django.db import connection, transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _
from psycopg2.extras import Json

from common import audit
from common.errors import DomainError
from common.models import User
from members import queries as members
from members.models import MemberStatus
from members.queries import Identity
from points import queries
from points.models import Account, AdjustmentReason, Entry, EntryKind, PointType
from points.operations._pool import returning, spend_pooled
from points.operations._posting import (
    InsufficientPoints,
    PointsOutOfRange,
    Posting,
    ReferenceReused,
    Repeat,
    Source,
    active_until,
    begins_with,
    call,
    post,
    refusal_of,
    refuse,
    require_in_range,
    require_last_day,
    require_not_before,
    require_not_in_future,
    require_not_merged,
    require_note,
    require_reference,
    when_given,
)


class NothingPending(DomainError):
    code = "nothing_pending"
    message = _("No points of this purchase are waiting there.")


class NothingToReinstate(DomainError):
    code = "nothing_to_reinstate"
    message = _("Only %(left)s points of this can still be given back.")


class ApprovalNeeded(DomainError):
    code = "approval_needed"
    message = _("A correction of more than %(limit)s points needs the approval of a second person.")


@dataclass(frozen=True, slots=True)
class PendingLine:
    """Points that wait. `vests_on` None: until somebody says so. `line` empty: of no one line."""

    line: str
    points: int
    vests_on: date | None


def pending_json(lines: Sequence[PendingLine]) -> Json | None:
    """As the functions in SQL read it."""
    if not lines:
        return None
    return Json(
        [
            {
                "line": each.line,
                "points": each.points,
                "vests_on": each.vests_on.isoformat() if each.vests_on else None,
            }
            for each in lines
        ]
    )


def earn(
    *,
    member: Identity,
    points: int,
    at: datetime,
    expires_on: date,
    reference: str,
    source: Source,
    type: PointType = PointType.CONSUMPTION,  # noqa: A002 - the field's word (P1)
    pending: Sequence[PendingLine] = (),
    qualifying: int | None = None,
    lapses_on: date | None = None,
    rolls: bool = False,
) -> Posting:
    """
    Credit points as a lot of their own; a debt is paid from them first.

    :param points: what can be spent at once; with `pending`, it may be none
    :param qualifying: towards tiers (T3); by default all of it for consumption points, else none
    :param lapses_on: the account's last day if its cycle begins with these, or, where the account
        lapses by inactivity (`rolls`), after this activity
    :raises MemberFrozen: :raises MemberClosed: if the member may not earn
    :raises AccountMerged: if the account was given up
    :raises ReferenceReused: if the reference stands for something else
    :raises LapsedAlready: :raises PointsOutOfRange: :raises InvalidReference: if so
    """
    total = _total(points, pending)
    require_last_day(expires_on, at=at)
    require_reference(reference)
    if qualifying is None:
        qualifying = total if type == PointType.CONSUMPTION else 0
    repeat = Repeat(member, EntryKind.EARN, total, source, reference)
    if refusal := refusal_of(member.require_can_earn):
        return repeat.earlier() or refuse(refusal)
    posting = post(
        "points_credit",
        (
            member.id, points, expires_on, at, settings.TIME_ZONE, EntryKind.EARN, type,
            source.issuer_id, reference, source.store_id, source.client_id, source.version_id,
            source.funding_id, qualifying,
        ),
        repeat,
        **when_given(
            p_pending=pending_json(pending), p_lapses_on=lapses_on, p_rolls=rolls or None
        ),
    )  # fmt: skip
    return posting or repeat.earlier() or _merged(member)


def vest(
    *,
    earned: Entry,
    at: datetime,
    reference: str,
    source: Source,
    line: str | None = None,
    now: datetime | None = None,
) -> Posting:
    """
    Make the points that wait of one earn, or of one line of it, spendable now.

    :raises NothingPending: if none wait there (any more)
    :raises DatedBeforeOriginal: if that was before they were earned
    :raises ReferenceReused: if the reference stands for something else
    :raises InvalidReference: if it cannot name a fact
    """
    require_reference(reference)
    if now is not None:
        require_not_in_future(at, now=now)
    require_not_before(at, earned)
    homes = [(earned.member_id, earned.seq)]
    answer = _vest(homes[0], line, at, reference, source)
    if answer is None:
        # They may wait where merges have taken them.
        homes = queries.heirs(earned)
        for home in homes:
            answer = answer or _vest(home, line, at, reference, source)
    if isinstance(answer, list):
        return Posting(*answer)
    first = queries.posted(source.issuer_id, EntryKind.VEST, reference)
    if first is None:
        raise NothingPending
    if (first.member_id, first.reverses) not in homes or first.line != line:
        raise ReferenceReused(reference=reference)
    return Posting(first.seq, first.balance_after, replayed=True)


def _vest(
    home: tuple[int, int], line: str | None, at: datetime, reference: str, source: Source
) -> Any:
    return call(
        "points_vest",
        (
            *home, line, at, settings.TIME_ZONE, source.issuer_id, reference, source.store_id,
            source.client_id, source.version_id,
        ),
    )  # fmt: skip


def redeem(
    *,
    member: Identity,
    points: int,
    at: datetime,
    reference: str,
    source: Source,
    note: str = "",
    pooled: bool = False,
    now: datetime | None = None,
) -> Posting:
    """
    Spend points, earliest expiry first. Repeating a reference returns the first posting.

    :param note: what they were spent on, for the statement
    :param pooled: also of what others share with the member, where the own points are too few
    :param now: the clock, where the caller's time is not to be trusted ahead of it
    :raises DatedInFuture: if it is
    :raises InsufficientPoints: if fewer points than that can be spent on that day; what was earned
        after it does not count
    :raises MemberFrozen: :raises MemberClosed: :raises MemberNotActivated: if so
    :raises AccountMerged: if the account was given up
    :raises ReferenceReused: if the reference stands for something else
    :raises PointsOutOfRange: :raises InvalidReference: :raises InvalidNote: if so
    """
    require_in_range(points)
    require_reference(reference)
    require_note(note)
    if now is not None:
        require_not_in_future(at, now=now)
    repeat = Repeat(member, EntryKind.REDEEM, -points, source, reference, note)
    if refusal := refusal_of(partial(member.require_can_spend, at)):
        return repeat.earlier() or refuse(refusal)
    lapses_on = active_until(EntryKind.REDEEM, at)
    if pooled:
        return spend_pooled(repeat, at=at, lapses_on=lapses_on)
    posting = post(
        "points_debit",
        (
            member.id, points, at, settings.TIME_ZONE, EntryKind.REDEEM, source.issuer_id,
            reference, source.store_id, source.client_id, source.version_id, note or None,
        ),
        repeat,
        **when_given(p_lapses_on=lapses_on),
    )  # fmt: skip
    # Nothing came back. A repeat of the redemption that emptied the account is no refusal.
    return posting or repeat.earlier() or too_few(member, points, at)


def reinstate(
    *,
    member: Identity,
    of: Entry,
    at: datetime,
    reference: str,
    source: Source,
    points: int | None = None,
    floor_days: int,
    note: str = "",
    by: User | None = None,
    now: datetime | None = None,
) -> Posting:
    """
    Give back points of a redemption that was cancelled, or of ones that expired, to their own lots.

    :param of: the REDEEM, EXPIRE or FORFEIT entry
    :param points: how many; None for all that is left of it
    :param floor_days: none lapses before so many days from now; what had expired gets that day
    :raises NothingToReinstate: if less than that is left to give back
    :raises DatedBeforeOriginal: if that was before it
    :raises MemberClosed: if the membership has ended
    :raises ReferenceReused: if the reference stands for something else
    """
    if points is not None:
        require_in_range(points)
    require_reference(reference)
    require_note(note)
    if now is not None:
        require_not_in_future(at, now=now)
    require_not_before(at, of)
    answer: Any = None
    if (refusal := refusal_of(_remaining(member).require_not_closed)) is None:
        with returning(of, at=at):
            answer = call(
                "points_reinstate",
                (
                    queries.holder_of(of.member_id), of.member_id, of.seq, points,
                    localdate(at) + timedelta(days=floor_days), at, settings.TIME_ZONE,
                    source.issuer_id, reference, source.store_id, source.client_id,
                    source.version_id,
                ),
                **when_given(p_actor=by.pk if by else None, p_note=note or None),
            )  # fmt: skip
        if isinstance(answer, list) and answer[0] is not None:
            # What had been fetched out of a pool has gone home since.
            holder_id = queries.holder_of(of.member_id)
            balance = answer[1] if of.group_id is None else queries.balance(holder_id)
            return Posting(answer[0], balance)
    first = queries.posted(source.issuer_id, EntryKind.REINSTATE, reference)
    if first is not None:
        if not _gave_back(first, of, points, note):
            raise ReferenceReused(reference=reference)
        return Posting(first.seq, first.balance_after, replayed=True)
    if refusal:
        raise refusal
    if not answer:
        _merged(member)
    raise NothingToReinstate(left=answer[1])


def _gave_back(first: Entry, of: Entry, points: int | None, note: str) -> bool:
    """Whether an earlier reinstatement is what is asked for again."""
    given_back = queries.reinstatements(of)
    if first not in given_back or (first.note or "") != note:
        return False
    if points is not None:
        return first.points == points
    # “All that is left” is what left nothing.
    left = -(of.points + of.held) - sum(each.points for each in given_back)
    return first == given_back[-1] and left == 0


@transaction.atomic
def adjust(
    *,
    member: Identity,
    points: int,
    at: datetime,
    expires_on: date,
    reason: AdjustmentReason,
    note: str,
    reference: str,
    source: Source,
    by: User,
    limit: int | None = None,
    approved_by: User | None = None,
) -> Posting:
    """
    Correct a balance by hand, up or down, with a reason and a name on it. A debit makes no debt.

    :param points: signed
    :param reference: names this correction, so that a second click on the button changes nothing
    :param limit: a correction of more points, either way, needs `approved_by`; None: none does
    :raises ApprovalNeeded: if it has no approval
    :raises InsufficientPoints: if fewer can be taken
    :raises MemberClosed: if the membership has ended (a frozen member may be corrected)
    :raises AccountMerged: if the account was given up
    :raises ReferenceReused: if the reference stands for another correction
    :raises PointsOutOfRange: :raises LapsedAlready: :raises InvalidReference: :raises InvalidNote:
    """
    require_in_range(abs(points))
    require_reference(reference)
    require_note(note)
    if limit is not None and abs(points) > limit and approved_by in (None, by):
        raise ApprovalNeeded(limit=limit)
    repeat = Repeat(member, EntryKind.ADJUST, points, source, reference, note, reason)
    if refusal := refusal_of(member.require_not_closed):
        return repeat.earlier() or refuse(refusal)
    named = {"p_actor": by.pk, "p_reason": reason, "p_note": note}
    origin = (source.issuer_id, reference, source.store_id, source.client_id, source.version_id)
    posting: Posting
    if points > 0:
        require_last_day(expires_on, at=at)
        lapses_on, rolls = begins_with(EntryKind.ADJUST, at)
        posting = post(
            "points_credit",
            (
                member.id, points, expires_on, at, settings.TIME_ZONE, EntryKind.ADJUST,
                PointType.OTHER, *origin, source.funding_id,
            ),
            repeat,
            **named,
            **when_given(p_lapses_on=lapses_on, p_rolls=rolls or None),
        ) or repeat.earlier() or _merged(member)  # fmt: skip
    else:
        posting = (
            post(
                "points_debit",
                (member.id, -points, at, settings.TIME_ZONE, EntryKind.ADJUST, *origin),
                repeat,
                **named,
                **when_given(p_lapses_on=active_until(EntryKind.ADJUST, at)),
            )
            or repeat.earlier()
            or too_few(member, -points, at)
        )
    if not posting.replayed:
        details = {"points": points, "entry": posting.seq}
        if approved_by is not None:
            details["approved_by"] = approved_by.pk
        audit.record(
            action="points.adjusted",
            target=member.number,
            by=by,
            reason=f"{reason}: {note}",
            details=details,
        )
    return posting


def preview_adjustment(*, member: Identity, points: int, at: datetime) -> tuple[int, int]:
    """
    Tell the balance before and after an adjustment nobody has made yet. Writes nothing.

    :raises InsufficientPoints: if fewer can be taken
    """
    if -points > queries.spendable_points(member.id, on=localdate(at)):
        too_few(member, -points, at)
    before = queries.balance(member.id)
    return before, before + points


def extend(
    *,
    member_id: int,
    moves: Sequence[tuple[int, date, date]],
    at: datetime,
    source: Source | None = None,
    reference: str | None = None,
    by: User | None = None,
    note: str = "",
    lapses_on: date | None = None,
) -> Posting | None:
    """
    Move the last day of lots, and of what waits of the same credits.

    :param moves: the lot's entry, its last day so far and the new one
    :param lapses_on: the account's new last day as a whole, if that changes too
    :returns: None if none of these lots is there any more
    """
    seqs, before, after = zip(*moves, strict=True) if moves else ((), (), ())
    answer = call(
        "points_extend",
        (
            member_id, list(seqs), list(before), list(after), at,
            source.issuer_id if source else None, reference,
            source.version_id if source else None, by.pk if by else None, note or None, lapses_on,
        ),
    )  # fmt: skip
    return Posting(*answer) if answer else None


def forfeit(*, member_id: int, at: datetime) -> Posting | None:
    """
    End all that is left when the membership has ended: also what waits and is held. A debt stays.

    Repeating finds nothing left.
    """
    answer = call("points_forfeit", (member_id, at, settings.TIME_ZONE))
    return Posting(*answer) if answer else None


def expire(*, low: int, high: int, on: date) -> tuple[int, int, int]:
    """
    Write off what lapsed before a day, for the members low … high.

    :returns: members, lots, points
    """
    members, lots, points = call("points_expire", (low, high, on, settings.TIME_ZONE))
    return members, lots, points


def vest_due(*, low: int, high: int, on: date) -> tuple[int, int, int]:
    """
    Make spendable what is due by a day, for the members low … high.

    :returns: members, earns, points
    """
    members, earns, points = call("points_vest_due", (low, high, on, settings.TIME_ZONE))
    return members, earns, points


def lock(member_id: int) -> None:
    """Hold a member's account until the transaction ends: nobody else posts meanwhile."""
    accounts = Account.objects.select_for_update(no_key=True).filter(pk=member_id)
    if accounts.first() is None:
        # Who never had points has no row yet, and what is not there cannot be held.
        _begin_accounts([member_id])
        accounts.get()


def lock_many(member_ids: Iterable[int]) -> None:
    """As `lock`, in the order of members, as the night and other imports hold them."""
    wanted = sorted(set(member_ids))
    _begin_accounts(wanted)
    accounts = Account.objects.select_for_update(no_key=True).filter(pk__in=wanted)
    list(accounts.order_by("pk").values_list("pk"))


def _begin_accounts(member_ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO points_account (member_id) SELECT * FROM unnest(%s::bigint[])"
            " ON CONFLICT DO NOTHING",
            (member_ids,),
        )


def _remaining(member: Identity) -> Identity:
    """Who has the points of a member now, if the member was joined with another."""
    if member.status != MemberStatus.CLOSED:
        return member
    return members.survivors([member.id])[member.id]


def too_few(member: Identity, points: int, at: datetime) -> NoReturn:
    """:raises AccountMerged: :raises InsufficientPoints: whichever it is"""
    require_not_merged(member)
    spendable = queries.spendable_points_late(member.id, on=localdate(at))
    raise InsufficientPoints(requested=points, spendable=spendable)


def _merged(member: Identity) -> NoReturn:
    require_not_merged(member)
    raise AssertionError("the function refused an account that was not merged")


def _total(points: int, pending: Sequence[PendingLine]) -> int:
    """:raises PointsOutOfRange: if a part or the whole is none the ledger can hold"""
    if not pending:
        require_in_range(points)
        return points
    for each in pending:
        require_in_range(each.points)
    if points:
        require_in_range(points)
    total = points + sum(each.points for each in pending)
    require_in_range(total)
    if len({each.line for each in pending}) < len(pending):
        raise PointsOutOfRange(limit=total)
    return total
