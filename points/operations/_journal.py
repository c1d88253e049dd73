"""The journal's verbs: what members do is written down and posted together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from django.conf import settings
from django.db import IntegrityError, OperationalError, connection
from django.utils.translation import gettext_lazy as _
from psycopg2.errors import ObjectNotInPrerequisiteState

from common.errors import DomainError
from common.postgres import calls as postgres
from members.queries import Identity
from points import queries
from points.models import Activity, ActivityKind, Entry
from points.operations._ledger import PendingLine, pending_json
from points.operations._posting import (
    POINTS_MAX,
    TAKEN,
    AlreadySpent,
    PointsOutOfRange,
    Posting,
    ReferenceReused,
    Source,
    call,
    refusal_of,
    refuse,
    require_not_merged,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPurchase:
    """A purchase and what the rules of its day made of it."""

    member: Identity
    reference: str
    at: datetime
    amount: Decimal
    lines: Sequence[dict[str, Any]]
    fingerprint: bytes
    # What it is worth in all, of which `pending` waits.
    points: int
    expires_on: date
    explanation: dict[str, Any]
    source: Source
    pending: tuple[PendingLine, ...] = ()
    # See `earn`.
    lapses_on: date | None = None
    rolls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedActivity:
    """Something else a member did, such as a check-in, and what the rules of its day made of it."""

    member: Identity
    # As in the rulebook.
    code: str
    reference: str
    at: datetime
    fingerprint: bytes
    # What it is worth after all caps: it may be nothing.
    points: int
    expires_on: date
    explanation: dict[str, Any]
    # With a store: that where it was done, or the brand's own.
    source: Source
    # See `earn`.
    lapses_on: date | None = None
    rolls: bool = False


@dataclass(frozen=True, slots=True)
class PostedActivity:
    """
    What the journal holds after posting. `posting` is None when no points moved.

    `points`: what it was worth when it was first posted, or the worth it took back.
    """

    activity_id: int
    points: int
    posting: Posting | None
    replayed: bool


def post_purchase(*, purchase: JudgedPurchase) -> PostedActivity:
    """
    Write a purchase into the journal and credit its points. Repeating it changes nothing.

    :raises MemberFrozen: :raises MemberClosed: if the member may not earn
    :raises AccountMerged: if the account was given up; :raises AccountMoved: if only just now
    :raises ReferenceReused: if the document came in before with other content
    :raises PointsOutOfRange: if it is worth more than anyone may earn at once
    """
    if refusal := _refusal_to_earn(purchase):
        return _first_answer(purchase, _earlier([purchase])) or refuse(refusal)
    row = _write("points_post_purchase", _purchase_arguments(purchase))
    if row and row[0] is not None:
        return _new(purchase, *row)
    return _first_answer(purchase, _earlier([purchase])) or refuse(_merged(purchase))


def post_activity(*, activity: JudgedActivity) -> PostedActivity:
    """
    Write into the journal what a member did and credit its points. Repeating it changes nothing.

    :raises MemberFrozen: :raises MemberClosed: if the member may not earn
    :raises AccountMerged: if the account was given up; :raises AccountMoved: if only just now
    :raises ReferenceReused: if the reference came in before with other content
    """
    if refusal := refusal_of(activity.member.require_can_earn):
        return _first_of(activity) or refuse(refusal)
    row = _write("points_post_activity", _activity_arguments(activity))
    if row and row[0] is not None:
        return _new(activity, *row)
    return _first_of(activity) or refuse(_merged(activity))


def first_activity(*, issuer_id: int, reference: str, fingerprint: bytes) -> PostedActivity | None:
    """
    What was posted under an activity's reference before.

    :raises ReferenceReused: if that was something else
    """
    first = queries.activity(issuer_id=issuer_id, kind=ActivityKind.ACTIVITY, reference=reference)
    return _as_first(fingerprint, first, queries.entry_of(first)) if first else None


def _first_of(activity: JudgedActivity) -> PostedActivity | None:
    return first_activity(
        issuer_id=activity.source.issuer_id,
        reference=activity.reference,
        fingerprint=activity.fingerprint,
    )


def _write(function: str, arguments: tuple[Any, ...]) -> Any:
    """:raises AccountMoved: if the account was merged while we waited for it"""
    try:
        return postgres.call(function, *arguments)
    except OperationalError as error:
        if not isinstance(error.__cause__, ObjectNotInPrerequisiteState):
            raise
        # What is written in the journal must go again, so this is an error; the next try is told
        # why.
        raise AccountMoved from error


def post_purchases(*, purchases: Sequence[JudgedPurchase]) -> list[PostedActivity | DomainError]:
    """
    As `post_purchase` for many, set by set and in one round trip per issuer and system; call it
    inside a transaction.

    The accounts are held in the order of members, so batches and the night wait for each other
    without a deadlock. With a till that posts one of the same documents there can be one: try again
    then.

    A refusal stands in the place of its purchase and harms none of the others.
    """
    refusals = {
        place: refusal
        for place, purchase in enumerate(purchases)
        if (refusal := _refusal_to_earn(purchase)) is not None
    }
    allowed = [place for place in range(len(purchases)) if place not in refusals]
    posted = _post_allowed([purchases[place] for place in allowed]) if allowed else []
    outcomes = dict(zip(allowed, posted, strict=True))
    earlier = _earlier([purchases[place] for place in refusals])
    # One by one, what stands behind a refused purchase would not have its reference yet.
    places = {
        each.activity_id: place
        for place, each in outcomes.items()
        if isinstance(each, PostedActivity) and not each.replayed
    }
    for place, refusal in refusals.items():
        first = earlier.get(_document(purchases[place]))
        is_behind = first is not None and places.get(first[0].pk, -1) > place
        outcomes[place] = refusal if is_behind else _repeat_or(refusal, purchases[place], earlier)
    return [outcomes[place] for place in range(len(purchases))]


def _post_allowed(purchases: Sequence[JudgedPurchase]) -> list[PostedActivity | DomainError]:
    groups: dict[tuple[int, int | None, bool], list[int]] = {}
    for place, purchase in enumerate(purchases):
        source = purchase.source
        group = (source.issuer_id, source.client_id, purchase.rolls)
        groups.setdefault(group, []).append(place)
    new: dict[int, PostedActivity] = {}
    for (issuer_id, client_id, rolls), places in groups.items():
        chosen = [purchases[place] for place in places]
        columns = [list(column) for column in zip(*map(_purchase_columns, chosen), strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(
                POST_PURCHASES,
                (
                    *columns[:4], settings.TIME_ZONE, columns[4], issuer_id, *columns[5:7],
                    client_id, *columns[7:], rolls,
                ),
            )  # fmt: skip
            for nth, *answer in cursor.fetchall():
                new[places[nth - 1]] = _new(chosen[nth - 1], *answer)
    missing = [purchase for place, purchase in enumerate(purchases) if place not in new]
    earlier = _earlier(missing)
    return [
        new.get(place) or _repeat_or_merged(purchase, earlier)
        for place, purchase in enumerate(purchases)
    ]


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

    @property
    def line_numbers(self) -> list[str]:
        return [line["line"] for line in self.lines]


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
        return PostedActivity(activity.pk, returned.points, None, replayed=False)
    answer = call(
        "points_reverse",
        (
            queries.holder_of(member.id), member.id, earned.seq, returned.keep, returned.keep,
            -returned.points, returned.after_spending, returned.line_numbers, returned.at,
            settings.TIME_ZONE, source.issuer_id, returned.reference, source.store_id,
            source.client_id, source.version_id, activity.pk,
        ),
    )  # fmt: skip
    if answer is TAKEN:
        raise ReferenceReused(reference=returned.reference)
    # Null: it was merged into another between our two questions. The next try finds it there.
    refused, seq, _taken, balance = answer or refuse(AccountMoved())
    if refused:
        raise AlreadySpent
    posting = Posting(seq, balance) if seq is not None else None
    return PostedActivity(activity.pk, returned.points, posting, replayed=False)


class AccountMoved(DomainError):
    code = "account_moved"
    message = _("The account is being merged into another. Please try again.")
    status = 503
    headers = {"Retry-After": "1"}


POST_PURCHASES = """
    SELECT nth, activity, entry_seq, balance FROM points_post_purchases(
        %s::bigint[], %s::bigint[], %s::date[], %s::timestamptz[], %s, %s::numeric[], %s,
        %s::text[], %s::bigint[], %s, %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
        %s::bytea[], %s::jsonb[], %s::jsonb[], %s::jsonb[], %s::date[], %s
    )
"""


def _purchase_arguments(purchase: JudgedPurchase) -> tuple[Any, ...]:
    source = purchase.source
    return (
        purchase.member.id, _at_once(purchase), purchase.expires_on, purchase.at,
        settings.TIME_ZONE, purchase.amount, source.issuer_id, purchase.reference, source.store_id,
        source.client_id, source.version_id, source.funding_id, purchase.points, purchase.points,
        purchase.fingerprint, _json(purchase.lines), _json(purchase.explanation),
        pending_json(purchase.pending), purchase.lapses_on, purchase.rolls,
    )  # fmt: skip


def _activity_arguments(activity: JudgedActivity) -> tuple[Any, ...]:
    source = activity.source
    return (
        activity.member.id, activity.code, activity.points, activity.expires_on, activity.at,
        settings.TIME_ZONE, source.issuer_id, activity.reference, source.store_id,
        source.client_id, source.version_id, source.funding_id, activity.fingerprint,
        _json(activity.explanation), activity.lapses_on, activity.rolls,
    )  # fmt: skip


def _purchase_columns(purchase: JudgedPurchase) -> tuple[Any, ...]:
    """As the arrays of `points_post_purchases` follow each other."""
    source = purchase.source
    return (
        purchase.member.id, _at_once(purchase), purchase.expires_on, purchase.at, purchase.amount,
        purchase.reference, source.store_id, source.version_id, source.funding_id, purchase.points,
        purchase.points, purchase.fingerprint, _json(purchase.lines),
        _json(purchase.explanation), pending_json(purchase.pending), purchase.lapses_on,
    )  # fmt: skip


def _json(document: object) -> str:
    return msgspec.json.encode(document).decode()


def _at_once(purchase: JudgedPurchase) -> int:
    return purchase.points - sum(each.points for each in purchase.pending)


def _new(
    judged: JudgedPurchase | JudgedActivity, activity_id: int, seq: int | None, balance: int | None
) -> PostedActivity:
    posting = Posting(seq, balance) if seq is not None and balance is not None else None
    return PostedActivity(activity_id, judged.points, posting, replayed=False)


def _merged(judged: JudgedPurchase | JudgedActivity) -> DomainError:
    merged = refusal_of(partial(require_not_merged, judged.member))
    assert merged is not None, "neither new nor a repeat, and yet not merged"
    return merged


def _repeat_or_merged(
    purchase: JudgedPurchase, earlier: "_Earlier"
) -> PostedActivity | DomainError:
    try:
        return _first_answer(purchase, earlier) or _merged(purchase)
    except ReferenceReused as reused:
        return reused


# An issuer's document, and what its first posting left in the journal and in the ledger.
_Earlier = dict[tuple[int, str], tuple[Activity, Entry | None]]


def _document(purchase: JudgedPurchase) -> tuple[int, str]:
    return purchase.source.issuer_id, purchase.reference


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


def _first_answer(purchase: JudgedPurchase, earlier: _Earlier) -> PostedActivity | None:
    """:raises ReferenceReused: if the document came in before with other content"""
    found = earlier.get(_document(purchase))
    if found is None:
        return None
    return _as_first(purchase.fingerprint, *found)


def _as_first(fingerprint: bytes, first: Activity, entry: Entry | None) -> PostedActivity:
    """:raises ReferenceReused: if it came in before with other content"""
    if bytes(first.fingerprint) != fingerprint:
        raise ReferenceReused(reference=first.reference)
    posting = Posting(entry.seq, entry.balance_after, replayed=True) if entry else None
    return PostedActivity(first.pk, first.points, posting, replayed=True)


def _refusal_to_earn(purchase: JudgedPurchase) -> DomainError | None:
    if purchase.points > POINTS_MAX:
        return PointsOutOfRange(limit=POINTS_MAX)
    return refusal_of(purchase.member.require_can_earn)


def _repeat_or(
    refusal: DomainError, purchase: JudgedPurchase, earlier: _Earlier
) -> PostedActivity | DomainError:
    try:
        return _first_answer(purchase, earlier) or refusal
    except ReferenceReused as reused:
        return reused
