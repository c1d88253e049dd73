"""The ledger's verbs: each is one call of a SQL function."""

from datetime import date, datetime
from typing import NoReturn

from django.conf import settings
from django.db import connection, transaction
from django.utils.timezone import localdate

from common import audit
from common.models import User
from members.queries import Identity
from points import queries
from points.models import Account, AdjustmentReason, EntryKind, PointType
from points.operations._posting import (
    InsufficientPoints,
    Posting,
    Repeat,
    Source,
    post,
    refusal_of,
    refuse,
    require_in_range,
    require_last_day,
    require_not_in_future,
    require_note,
    require_reference,
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
) -> Posting:
    """
    Credit points as a lot of their own; a debt is paid from them first.

    :raises MemberFrozen: :raises MemberClosed: if the member may not earn
    :raises ReferenceReused: if the reference stands for something else
    :raises LapsedAlready: :raises PointsOutOfRange: :raises InvalidReference: if so
    """
    require_in_range(points)
    require_last_day(expires_on, at=at)
    require_reference(reference)
    repeat = Repeat(member, EntryKind.EARN, points, source, reference)
    if refusal := refusal_of(member.require_can_earn):
        return repeat.earlier() or refuse(refusal)
    return post(
        "points_credit",
        (
            member.id, points, expires_on, at, EntryKind.EARN, type, source.issuer_id, reference,
            source.store_id, source.client_id, source.version_id, None, None, None, None,
        ),
        repeat,
    )  # fmt: skip


def redeem(
    *,
    member: Identity,
    points: int,
    at: datetime,
    reference: str,
    source: Source,
    note: str = "",
    now: datetime | None = None,
) -> Posting:
    """
    Spend points, earliest expiry first. Repeating a reference returns the first posting.

    :param note: what they were spent on, for the statement
    :param now: the clock, where the caller's time is not to be trusted ahead of it
    :raises DatedInFuture: if it is
    :raises InsufficientPoints: if fewer points than that can be spent on that day; what was earned
        after it does not count
    :raises MemberFrozen: :raises MemberClosed: :raises MemberNotActivated: if so
    :raises ReferenceReused: if the reference stands for something else
    :raises PointsOutOfRange: :raises InvalidReference: :raises InvalidNote: if so
    """
    require_in_range(points)
    require_reference(reference)
    require_note(note)
    if now is not None:
        require_not_in_future(at, now=now)
    repeat = Repeat(member, EntryKind.REDEEM, -points, source, reference, note)
    if refusal := refusal_of(member.require_can_redeem):
        return repeat.earlier() or refuse(refusal)
    day = localdate(at)
    posting = post(
        "points_debit",
        (
            member.id, points, day, at, EntryKind.REDEEM, source.issuer_id, reference,
            source.store_id, source.client_id, source.version_id, None, None, None, note or None,
            queries.end_of_day(day),
        ),
        repeat,
    )  # fmt: skip
    # Nothing came back. A repeat of the redemption that emptied the account is no refusal.
    return posting or repeat.earlier() or _too_few(member, points, at)


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
    issuer_id: int,
    by: User,
) -> Posting:
    """
    Correct a balance by hand, up or down, with a reason and a name on it. A debit makes no debt.

    :param points: signed
    :param reference: names this correction, so that a second click on the button changes nothing
    :raises InsufficientPoints: if fewer can be taken
    :raises MemberClosed: if the membership has ended (a frozen member may be corrected)
    :raises ReferenceReused: if the reference stands for another correction
    :raises PointsOutOfRange: :raises LapsedAlready: :raises InvalidReference: :raises InvalidNote:
    """
    require_in_range(abs(points))
    require_reference(reference)
    require_note(note)
    source = Source(issuer_id=issuer_id)
    repeat = Repeat(member, EntryKind.ADJUST, points, source, reference, note, reason)
    if refusal := refusal_of(member.require_not_closed):
        return repeat.earlier() or refuse(refusal)
    day = localdate(at)
    tail = (issuer_id, reference, None, None, None, None, by.pk, reason, note)
    if points > 0:
        require_last_day(expires_on, at=at)
        posting = post(
            "points_credit",
            (member.id, points, expires_on, at, EntryKind.ADJUST, PointType.OTHER, *tail),
            repeat,
        )
    else:
        posting = (
            post(
                "points_debit",
                (member.id, -points, day, at, EntryKind.ADJUST, *tail, queries.end_of_day(day)),
                repeat,
            )
            or repeat.earlier()
            or _too_few(member, -points, at)
        )
    if not posting.replayed:
        audit.record(
            action="points.adjusted",
            target=member.number,
            by=by,
            reason=f"{reason}: {note}",
            details={"points": points, "entry": posting.seq},
        )
    return posting


def preview_adjustment(*, member: Identity, points: int, at: datetime) -> tuple[int, int]:
    """
    Tell the balance before and after an adjustment nobody has made yet. Writes nothing.

    :raises InsufficientPoints: if fewer can be taken
    """
    if -points > queries.spendable_points(member.id, on=localdate(at)):
        _too_few(member, -points, at)
    before = queries.balance(member.id)
    return before, before + points


@transaction.atomic
def forfeit(*, member_id: int, at: datetime) -> Posting | None:
    """
    End what is left when the membership has ended. A debt stays.

    Repeating finds nothing left.
    """
    account = Account.objects.select_for_update(no_key=True).filter(pk=member_id).first()
    if account is None:
        return None
    expire(low=member_id, high=member_id, on=localdate(at))
    account.refresh_from_db()
    if account.balance <= 0:
        return None
    return post(
        "points_debit",
        (
            member_id, account.balance, localdate(at), at, EntryKind.FORFEIT, None, None, None,
            None, None, None, None, None, None, None,
        ),
        None,
    )  # fmt: skip


def expire(*, low: int, high: int, on: date) -> tuple[int, int, int]:
    """
    Write off what lapsed before a day, for the members low … high.

    :returns: members, lots, points
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM points_expire(%s, %s, %s, %s)", (low, high, on, settings.TIME_ZONE)
        )
        return cursor.fetchone()


def lock(member_id: int) -> None:
    """Hold a member's account until the transaction ends: nobody else posts meanwhile."""
    accounts = Account.objects.select_for_update(no_key=True).filter(pk=member_id)
    if accounts.first() is None:
        # Who never had points has no row yet, and what is not there cannot be held.
        Account.objects.bulk_create([Account(member_id=member_id)], ignore_conflicts=True)
        accounts.get()


def _too_few(member: Identity, points: int, at: datetime) -> NoReturn:
    spendable = queries.spendable_points_late(member.id, on=localdate(at))
    raise InsufficientPoints(requested=points, spendable=spendable)
