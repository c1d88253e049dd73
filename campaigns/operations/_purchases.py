"""Purchases become points: one, quoted, vested."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.timezone import localdate

from campaigns import judging, steps
from campaigns.earning import NO_CATEGORY, Judgement, Line
from campaigns.facts import Asked
from campaigns.operations._discounts import Discounted, discounted
from campaigns.operations._documents import (
    Purchase,
    as_json,
    check_amount,
    check_lines,
    check_purchase,
    lines_of,
)
from members.queries import Identity
from points import operations as points
from points import queries as points_queries
from points.models import Activity, ActivityKind, EntryKind
from points.operations import PendingLine
from programme import queries as programme
from programme.policies import NEVER, Vesting
from programme.queries import Rulebook
from tiers import operations as tiers
from tiers.operations import Measured


def post_purchase(*, purchase: Purchase, now: datetime) -> points.PostedActivity:
    """
    Credit the points a purchase is worth by the rules of its day. Posting it twice credits once.

    :raises points.ReferenceReused: if the document came in before with other content
    :raises points.DatedInFuture: :raises InvalidAmount: :raises LinesDoNotAddUp: if so
    """
    return accrue(purchase=purchase, now=now).posted


@dataclass(frozen=True, slots=True)
class Accrual:
    """A purchase as it was judged now, and what posting it did: on a repeat, nothing."""

    judged: points.JudgedPurchase
    posted: points.PostedActivity


def accrue(*, purchase: Purchase, now: datetime) -> Accrual:
    """As `post_purchase`, and tell why it was worth what it was."""
    check_purchase(purchase, now=now)
    rulebook = programme.rulebook_on(localdate(purchase.at))
    if judging.is_plain(rulebook.id):
        worth = judging.judge(asked_about(purchase), rulebook=rulebook)
        judged_now = as_judged(purchase, worth, rulebook)
        return Accrual(judged_now, points.post_purchase(purchase=judged_now))
    with transaction.atomic():
        return _accrue_held(purchase, rulebook, now=now)


def _accrue_held(purchase: Purchase, rulebook: Rulebook, *, now: datetime) -> Accrual:
    """Judge and post while the member's account is held, and count it towards tiers."""
    points.lock(purchase.member.id)
    asked = asked_about(purchase)
    if _was_posted(purchase):
        # What it was worth then stands in the journal; budgets have paid for it.
        worth = judging.judge(asked, rulebook=rulebook)
    else:
        worth = judging.judge_and_pay(asked, rulebook=rulebook, issuer_id=purchase.source.issuer_id)
    judged_now = as_judged(purchase, worth, rulebook)
    posted = points.post_purchase(purchase=judged_now)
    if not posted.replayed:
        tiers.gathered(
            member=purchase.member,
            at=purchase.at,
            measured=measured(judged_now),
            rulebook=rulebook,
            now=now,
        )
        steps.purchased(bought=[(purchase.member, purchase.at)], rulebook=rulebook)
    return Accrual(judged_now, posted)


def _was_posted(purchase: Purchase) -> bool:
    return (
        points_queries.activity(
            issuer_id=purchase.source.issuer_id,
            kind=ActivityKind.PURCHASE,
            reference=purchase.reference,
        )
        is not None
    )


@dataclass(frozen=True, slots=True)
class Quote:
    """What a purchase would be worth. `to_pay`: the amount less what the tier takes off."""

    points: int
    expires_on: date
    explanation: dict[str, Any]
    to_pay: Decimal
    # Which of them would wait, and for what.
    pending: tuple[PendingLine, ...] = ()
    discounts: tuple[Discounted, ...] = ()


def quote(
    *,
    amount: Decimal,
    lines: Sequence[Line],
    at: datetime,
    member: Identity | None = None,
    store_id: int | None = None,
    channel: str = "",
    before_discount: bool = False,
) -> Quote:
    """
    Judge a purchase nobody has made yet, at any time with a rulebook. Writes nothing.

    :param member: None: somebody of whom nothing is known
    :param before_discount: the amounts are list prices: what the member's tier takes off is taken
        off first, and the points are those of what is left to pay
    :raises MemberFrozen: :raises MemberClosed: if the member could not earn
    :raises InvalidAmount: :raises LinesDoNotAddUp: :raises DuplicateLine: as for a purchase
    """
    if member is not None:
        member.require_can_earn()
    check_amount(amount)
    if lines:
        check_lines(lines, amount=amount)
    day = localdate(at)
    rulebook = programme.rulebook_on(day)
    taken: tuple[Discounted, ...] = ()
    if before_discount and member is not None:
        amount, lines, taken = discounted(member_id=member.id, day=day, amount=amount, lines=lines)
    lines = lines or (Line("", NO_CATEGORY, amount),)
    asked = Asked(
        member_id=member.id if member else None,
        store_id=store_id,
        day=day,
        lines=lines,
        channel=channel,
    )
    judgement = judging.judge(asked, rulebook=rulebook)
    return Quote(
        points=judgement.points,
        expires_on=rulebook.policies.validity.last_day(day, tier=judgement.tier),
        explanation=judgement.explanation,
        to_pay=amount,
        pending=_pending(judgement, lines, vesting=rulebook.policies.vesting, day=day),
        discounts=taken,
    )


def asked_about(purchase: Purchase) -> Asked:
    return Asked(
        member_id=purchase.member.id,
        store_id=purchase.source.store_id,
        day=localdate(purchase.at),
        lines=lines_of(purchase),
        channel=purchase.channel,
    )


def as_judged(
    purchase: Purchase, judgement: Judgement, rulebook: Rulebook
) -> points.JudgedPurchase:
    """What the ledger is told of a purchase."""
    day, policies = localdate(purchase.at), rulebook.policies
    pending = _pending(judgement, lines_of(purchase), vesting=policies.vesting, day=day)
    # M3: the points wait with their member; `points.operations.start_clock` gives them a last day.
    waits = policies.clock_from_activation and purchase.member.is_pre_registered
    return points.JudgedPurchase(
        member=purchase.member,
        reference=purchase.reference,
        at=purchase.at,
        amount=purchase.amount,
        lines=as_json(purchase.lines),
        fingerprint=purchase.fingerprint(),
        points=judgement.points,
        expires_on=NEVER if waits else policies.validity.last_day(day, tier=judgement.tier),
        explanation=judgement.explanation | _as_explained(pending),
        source=points.Source(
            issuer_id=purchase.source.issuer_id,
            store_id=purchase.source.store_id,
            client_id=purchase.source.client_id,
            version_id=rulebook.id,
            funding_id=points.funding_by_policy(
                policies.funding,
                store_id=purchase.source.store_id,
                issuer_id=purchase.source.issuer_id,
            ),
        ),
        pending=pending,
        lapses_on=None if waits else policies.validity.account_last_day(day),
        rolls=policies.validity.counts(EntryKind.EARN),
    )


def measured(purchase: points.JudgedPurchase) -> Measured:
    """What it adds to what tiers are judged by."""
    return Measured(points=purchase.points, spend=purchase.amount, purchases=1)


def _pending(
    judgement: Judgement, lines: Sequence[Line], *, vesting: Vesting, day: date
) -> tuple[PendingLine, ...]:
    """Which points wait, by line, and for what (P8)."""
    waits = [vesting.vests_on(day, line.category) for line in lines]
    if not any(wait.pending for wait in waits):
        return ()
    return tuple(
        PendingLine(line.number, share, wait.on)
        for line, share, wait in zip(lines, judgement.shares(), waits, strict=True)
        if wait.pending and share
    )


def _as_explained(pending: Sequence[PendingLine]) -> dict[str, Any]:
    """What waits is gone from the ledger's tables once it has vested; the journal remembers."""
    if not pending:
        return {}
    waits = [
        {
            "line": each.line,
            "points": each.points,
            "vests_on": each.vests_on.isoformat() if each.vests_on else None,
        }
        for each in pending
    ]
    return {"pending": waits}


def vest(
    *,
    purchase: Activity,
    reference: str,
    at: datetime,
    source: points.Source,
    line: str | None = None,
    now: datetime,
) -> points.Posting:
    """
    Make the points of a purchase that wait, or those of one of its lines, spendable now.

    :raises points.NothingPending: if none wait there (any more)
    :raises points.DatedInFuture: :raises points.DatedBeforeOriginal: if so
    :raises points.ReferenceReused: if the reference stands for something else
    """
    earned = points_queries.entry_of(purchase)
    if earned is None:
        raise points.NothingPending
    return points.vest(earned=earned, line=line, at=at, now=now, reference=reference, source=source)
