"""The journal's verbs: purchases and returns are written down and posted together."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection
from django.utils.timezone import localdate

from common.errors import DomainError
from members.queries import Identity
from points import queries
from points.models import Activity, ActivityKind, Entry
from points.operations._posting import (
    POINTS_MAX,
    AlreadySpent,
    PointsOutOfRange,
    Posting,
    ReferenceReused,
    Source,
    refusal_of,
    refuse,
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
        return _first_answer(purchase, _earlier([purchase])) or refuse(refusal)
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
    return refusal_of(purchase.member.require_can_earn)


def _repeat_or(
    refusal: DomainError, purchase: JudgedPurchase, earlier: _Earlier
) -> PostedActivity | DomainError:
    try:
        return _first_answer(purchase, earlier) or refusal
    except ReferenceReused as reused:
        return reused
