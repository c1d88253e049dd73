"""
What can be done with points. Each is one call of a SQL function in `points/sql`.

Every posting a caller may repeat has a reference: the caller's own name for the fact, unique per
issuer (the organization whose document it is) and kind. A repeat answers with the first posting;
the same reference for something else is refused. The unique index decides, not a look beforehand.

Times are the caller's: `at` is when it happened for the member, which may be days ago.
"""

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import audit
from common.errors import DomainError, Invalid
from common.models import User
from members.queries import Identity
from points import queries
from points.models import (
    Account,
    Activity,
    ActivityKind,
    AdjustmentReason,
    Entry,
    EntryKind,
    PointType,
)

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


class AlreadySpent(DomainError):
    code = "already_spent"
    message = _("The points of this purchase have been spent.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a posting comes from: whose document, which store, which system."""

    issuer_id: int
    store_id: int | None = None
    client_id: int | None = None
    version_id: int | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """The entry an operation made, or found made before."""

    seq: int
    balance_after: int
    replayed: bool = False


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
    _require_in_range(points)
    _require_last_day(expires_on, at=at)
    require_reference(reference)
    repeat = _Repeat(member, EntryKind.EARN, points, source, reference)
    if refusal := _refusal(member.require_can_earn):
        return repeat.earlier() or _raise(refusal)
    return _post(
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
    _require_in_range(points)
    require_reference(reference)
    _require_note(note)
    if now is not None:
        require_not_in_future(at, now=now)
    repeat = _Repeat(member, EntryKind.REDEEM, -points, source, reference, note)
    if refusal := _refusal(member.require_can_redeem):
        return repeat.earlier() or _raise(refusal)
    day = localdate(at)
    posting = _post(
        "points_debit",
        (
            member.id, points, day, at, EntryKind.REDEEM, source.issuer_id, reference,
            source.store_id, source.client_id, source.version_id, None, None, None, note or None,
            queries.end_of_day(day),
        ),
        repeat,
    )  # fmt: skip
    # Nothing came back. A repeat of the redemption that emptied the account is no refusal.
    return posting or repeat.earlier() or _refuse(member, points, at)


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
    _require_in_range(abs(points))
    require_reference(reference)
    _require_note(note)
    source = Source(issuer_id=issuer_id)
    repeat = _Repeat(member, EntryKind.ADJUST, points, source, reference, note, reason)
    if refusal := _refusal(member.require_not_closed):
        return repeat.earlier() or _raise(refusal)
    day = localdate(at)
    tail = (issuer_id, reference, None, None, None, None, by.pk, reason, note)
    if points > 0:
        _require_last_day(expires_on, at=at)
        posting = _post(
            "points_credit",
            (member.id, points, expires_on, at, EntryKind.ADJUST, PointType.OTHER, *tail),
            repeat,
        )
    else:
        posting = (
            _post(
                "points_debit",
                (member.id, -points, day, at, EntryKind.ADJUST, *tail, queries.end_of_day(day)),
                repeat,
            )
            or repeat.earlier()
            or _refuse(member, -points, at)
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
    return _post(
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


# --- The journal ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPurchase:
    """A purchase and what the rules of its day made of it."""

    member: Identity
    reference: str
    at: datetime
    amount: Decimal
    lines: Sequence[dict[str, Any]]
    fingerprint: bytes
    points: int
    expires_on: date
    explanation: dict[str, Any]
    source: Source


@dataclass(frozen=True, slots=True)
class PostedActivity:
    """What the journal holds after posting. `posting` is None when no points moved."""

    activity_id: int
    posting: Posting | None
    replayed: bool


def post_purchase(*, purchase: JudgedPurchase) -> PostedActivity:
    """
    Write a purchase into the journal and credit its points. Repeating it changes nothing.

    :raises MemberFrozen: :raises MemberClosed: if the member may not earn
    :raises ReferenceReused: if the document came in before with other content
    :raises PointsOutOfRange: if it is worth more than anyone may earn at once
    """
    if refusal := _refusal_to_earn(purchase):
        return _first_answer(purchase, _earlier([purchase])) or _raise(refusal)
    with connection.cursor() as cursor:
        cursor.execute(POST_PURCHASE, _purchase_arguments(purchase))
        (row,) = cursor.fetchone()
    return _posted(purchase, row, _earlier([purchase] if row[0] is None else []))


def post_purchases(*, purchases: Sequence[JudgedPurchase]) -> list[PostedActivity | DomainError]:
    """
    As `post_purchase` for many, in order and in one round trip; call it inside a transaction.

    In the order of member ids they wait for the night and for others in that order, without a
    deadlock. With a till that posts one of the same documents there can be one: try again then.

    A refusal stands in the place of its purchase and harms none of the others.
    """
    judged = [(purchase, _refusal_to_earn(purchase)) for purchase in purchases]
    allowed = [purchase for purchase, refusal in judged if refusal is None]
    outcomes = iter(_post_allowed(allowed) if allowed else ())
    earlier = _earlier([purchase for purchase, refusal in judged if refusal])
    return [
        next(outcomes) if refusal is None else _repeat_or(refusal, purchase, earlier)
        for purchase, refusal in judged
    ]


def _post_allowed(purchases: Sequence[JudgedPurchase]) -> list[PostedActivity | DomainError]:
    columns = [list(column) for column in zip(*map(_purchase_arguments, purchases), strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(POST_PURCHASES, columns)
        rows = cursor.fetchall()
    posted = [(purchase, row) for purchase, (row,) in zip(purchases, rows, strict=True)]
    earlier = _earlier([purchase for purchase, row in posted if row[0] is None])
    outcomes: list[PostedActivity | DomainError] = []
    for purchase, row in posted:
        try:
            outcomes.append(_posted(purchase, row, earlier))
        except ReferenceReused as reused:
            outcomes.append(reused)
    return outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedReturn:
    """What a purchase is still worth after something of it was given back."""

    member: Identity
    purchase: Activity
    reference: str
    at: datetime
    amount: Decimal
    lines: Sequence[dict[str, Any]]
    fingerprint: bytes
    # What the kept part is worth under the rules of the purchase's day, and what that changes.
    keep: int
    points: int
    explanation: dict[str, Any]
    after_spending: str
    source: Source


def post_return(*, returned: JudgedReturn) -> PostedActivity:
    """
    Write a return into the journal and take back what the purchase is no longer worth.

    Call it in the transaction that locked the account, looked for a repeat and judged the return.

    :raises AlreadySpent: if the policy refuses returns whose points are gone
    :raises ReferenceReused: if another member's return took the reference a moment ago
    """
    assert connection.in_atomic_block, "a return is judged and posted under one lock"
    source, member = returned.source, returned.member
    activity = Activity(
        kind=ActivityKind.RETURN,
        member_id=member.id,
        issuer_id=source.issuer_id,
        store_id=source.store_id,  # type: ignore[misc]  # a return names its store
        client_id=source.client_id,
        version_id=source.version_id,
        original=returned.purchase,
        reference=returned.reference,
        occurred_at=returned.at,
        amount=returned.amount,
        points=returned.points,
        lines=list(returned.lines),
        explanation=returned.explanation,
        fingerprint=returned.fingerprint,
    )
    try:
        activity.save(force_insert=True)
    except IntegrityError as error:
        if "points_activity_reference_once" not in str(error):
            raise
        raise ReferenceReused(reference=returned.reference) from error
    earned = queries.entry_of(returned.purchase)
    if earned is None:
        return PostedActivity(activity.pk, None, replayed=False)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM points_reverse(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                member.id, earned.seq, returned.keep, -returned.points, returned.after_spending,
                localdate(returned.at), returned.at, settings.TIME_ZONE, source.issuer_id,
                returned.reference, source.store_id, source.client_id, source.version_id,
                activity.pk,
            ),
        )  # fmt: skip
        refused, seq, _taken, balance = cursor.fetchone()
    if refused:
        raise AlreadySpent
    posting = Posting(seq, balance) if seq is not None else None
    return PostedActivity(activity.pk, posting, replayed=False)


def require_not_in_future(at: datetime, *, now: datetime) -> None:
    """:raises DatedInFuture: if a caller's time is ahead of ours by more than clocks differ"""
    if at > now + CLOCK_TOLERANCE:
        raise DatedInFuture


def lock(member_id: int) -> None:
    """Hold a member's account until the transaction ends: nobody else posts meanwhile."""
    accounts = Account.objects.select_for_update(no_key=True).filter(pk=member_id)
    if accounts.first() is None:
        # Who never had points has no row yet, and what is not there cannot be held.
        Account.objects.bulk_create([Account(member_id=member_id)], ignore_conflicts=True)
        accounts.get()


POST_PURCHASE = """
    SELECT points_post_purchase(
        %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb
    )
"""

# The function once per row and in the order of the rows: a member's balance after each line is
# the same as if they had been posted one by one.
POST_PURCHASES = """
    SELECT posted FROM unnest(
        %s::bigint[], %s::bigint[], %s::date[], %s::timestamptz[], %s::numeric[], %s::bigint[],
        %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bytea[], %s::text[], %s::text[]
    ) WITH ORDINALITY AS p (
        member, points, expires_on, at, amount, issuer, reference, store, client, version,
        fingerprint, lines, explanation, nth
    ), LATERAL points_post_purchase(
        p.member, p.points, p.expires_on, p.at, p.amount, p.issuer, p.reference, p.store,
        p.client, p.version, p.fingerprint, p.lines::jsonb, p.explanation::jsonb
    ) AS posted
"""


def _purchase_arguments(purchase: JudgedPurchase) -> tuple[Any, ...]:
    source = purchase.source
    return (
        purchase.member.id, purchase.points, purchase.expires_on, purchase.at, purchase.amount,
        source.issuer_id, purchase.reference, source.store_id, source.client_id, source.version_id,
        purchase.fingerprint, json.dumps(list(purchase.lines)), json.dumps(purchase.explanation),
    )  # fmt: skip


# An issuer's document, and what its first posting left in the journal and in the ledger.
_Earlier = dict[tuple[int, str], tuple[Activity, Entry | None]]


def _earlier(purchases: Sequence[JudgedPurchase]) -> _Earlier:
    """Read what was posted first under these references, in two queries per issuer."""
    references: dict[int, list[str]] = {}
    for purchase in purchases:
        references.setdefault(purchase.source.issuer_id, []).append(purchase.reference)
    found: _Earlier = {}
    for issuer_id, of_issuer in references.items():
        activities = queries.purchases(issuer_id=issuer_id, references=of_issuer)
        entries = queries.entries_of(activities.values(), issuer_id=issuer_id)
        for reference, activity in activities.items():
            found[issuer_id, reference] = (activity, entries.get(reference))
    return found


def _posted(purchase: JudgedPurchase, row: list[Any], earlier: _Earlier) -> PostedActivity:
    activity_id, seq, balance = row
    if activity_id is not None:
        posting = Posting(seq, balance) if seq is not None else None
        return PostedActivity(activity_id, posting, replayed=False)
    first = _first_answer(purchase, earlier)
    assert first is not None, "the unique index said so"
    return first


def _first_answer(purchase: JudgedPurchase, earlier: _Earlier) -> PostedActivity | None:
    """:raises ReferenceReused: if the document came in before with other content"""
    found = earlier.get((purchase.source.issuer_id, purchase.reference))
    if found is None:
        return None
    first, entry = found
    if bytes(first.fingerprint) != purchase.fingerprint:
        raise ReferenceReused(reference=purchase.reference)
    posting = Posting(entry.seq, entry.balance_after, replayed=True) if entry else None
    return PostedActivity(first.pk, posting, replayed=True)


def _refusal_to_earn(purchase: JudgedPurchase) -> DomainError | None:
    if purchase.points > POINTS_MAX:
        return PointsOutOfRange(limit=POINTS_MAX)
    return _refusal(purchase.member.require_can_earn)


def _repeat_or(
    refusal: DomainError, purchase: JudgedPurchase, earlier: _Earlier
) -> PostedActivity | DomainError:
    try:
        return _first_answer(purchase, earlier) or refusal
    except ReferenceReused as reused:
        return reused


# --- One call -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Repeat:
    """What tells a repeat of a posting from another use of its reference."""

    member: Identity
    kind: EntryKind
    points: int
    source: Source
    reference: str
    note: str = ""
    reason: str | None = None

    def earlier(self) -> Posting | None:
        entry = Entry.objects.filter(
            issuer_id=self.source.issuer_id, kind=self.kind, reference=self.reference
        ).first()
        if entry is None:
            return None
        asked = (self.member.id, self.points, self.source.store_id, self.note, self.reason)
        posted = (entry.member_id, entry.points, entry.store_id, entry.note or "", entry.reason)
        if asked != posted:
            raise ReferenceReused(reference=self.reference)
        return Posting(entry.seq, entry.balance_after, replayed=True)


def _post(function: str, arguments: tuple[Any, ...], repeat: _Repeat | None) -> Any:
    """
    Call a posting function and return its Posting, the first one on a repeat, or None.

    Outside a transaction this is one round trip. Inside one, a savepoint keeps a repeat's unique
    violation from spoiling the caller's work.
    """
    places = ", ".join(["%s"] * len(arguments))
    savepoint = transaction.atomic() if connection.in_atomic_block else contextlib.nullcontext()
    try:
        with savepoint, connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}({places})", arguments)
            (answer,) = cursor.fetchone()
    except IntegrityError as error:
        if repeat is None or "points_entry_reference_once" not in str(error):
            raise
        return repeat.earlier()
    return Posting(*answer) if answer else None


def require_reference(reference: str) -> None:
    """:raises InvalidReference: if it cannot name a fact"""
    is_padded = reference.strip() != reference
    if not reference or is_padded or not _is_text(reference, most=REFERENCE_MAX):
        raise InvalidReference


def _require_note(note: str) -> None:
    if not _is_text(note, most=NOTE_MAX):
        raise InvalidNote


def _is_text(text: str, *, most: int) -> bool:
    # What is not printable (NUL, half a surrogate pair) the database would refuse to store.
    return len(text) <= most and text.isprintable()


def _require_in_range(points: int) -> None:
    # A bool or a float comes from a door that did not look; the ledger has whole numbers only.
    if type(points) is not int or not 0 < points <= POINTS_MAX:
        raise PointsOutOfRange(limit=POINTS_MAX)


def _require_last_day(expires_on: date, *, at: datetime) -> None:
    if expires_on < localdate(at):
        raise LapsedAlready(last_day=expires_on)


def _refusal(check: Callable[[], None]) -> DomainError | None:
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


def _raise(refusal: DomainError) -> NoReturn:
    raise refusal


def _refuse(member: Identity, points: int, at: datetime) -> NoReturn:
    spendable = queries.spendable_points_late(member.id, on=localdate(at))
    raise InsufficientPoints(requested=points, spendable=spendable)
