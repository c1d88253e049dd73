"""How a member is rewarded: purchases and their returns become points."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from campaigns import earning, judging, steps
from campaigns.earning import Judgement, Line
from campaigns.facts import Asked
from common.errors import DomainError, Invalid, NotFound
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

CENT = Decimal("0.01")
AMOUNT_MAX = Decimal("999999999999.99")
LINES_MAX = 500
LINE_NUMBER_MAX = 64
CATEGORY_MAX = 32
PRODUCT_MAX = 64
CHANNEL_MAX = 32


class InvalidAmount(Invalid):
    code = "invalid_amount"
    message = _("An amount must not be negative, nor have more than two decimals.")


class LinesDoNotAddUp(Invalid):
    code = "lines_do_not_add_up"
    message = _("The lines add up to %(lines)s, the purchase says %(amount)s.")


class DuplicateLine(Invalid):
    code = "duplicate_line"
    message = _("The line “%(line)s” occurs twice.")


class InvalidLines(Invalid):
    code = "invalid_lines"
    message = _(
        "A purchase has at most 500 lines, whose numbers, categories and products are short "
        "printable texts."
    )


class InvalidChannel(Invalid):
    code = "invalid_channel"
    message = _("A channel is a short printable text.")


class UnknownPurchase(NotFound):
    code = "unknown_purchase"
    message = _("There is no such purchase.")


class ReturnExceedsPurchase(DomainError):
    code = "return_exceeds_purchase"
    message = _("Only %(left)s of this purchase can still be returned.")


class ReturnBeforePurchase(Invalid):
    code = "return_before_purchase"
    message = _("A return cannot be older than its purchase.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """A document as a till reports it. Without lines the amount counts as one line."""

    member: Identity
    reference: str
    at: datetime
    amount: Decimal
    lines: Sequence[Line] = ()
    # By which way it was bought, in the rulebook's words; empty if nobody said.
    channel: str = ""
    source: points.Source
    # False when the caller gave no time: then a repeat at another time is still the same.
    at_was_given: bool = True

    def fingerprint(self) -> bytes:
        """A hash of what was asked, to tell a repeat from another use of the reference."""
        content: list[Any] = [
            self.member.id,
            self.source.store_id,
            self.at.timestamp() if self.at_was_given else None,
            str(self.amount.quantize(CENT)),
            _as_json(self.lines),
        ]
        if self.channel:
            content.append(self.channel)
        return hashlib.md5(json.dumps(content).encode(), usedforsecurity=False).digest()


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
    _check_purchase(purchase, now=now)
    rulebook = programme.rulebook_on(localdate(purchase.at))
    if judging.is_plain(rulebook.id):
        worth = judging.judge(_asked(purchase), rulebook=rulebook)
        judged_now = _as_judged(purchase, worth, rulebook)
        return Accrual(judged_now, points.post_purchase(purchase=judged_now))
    with transaction.atomic():
        return _accrue_held(purchase, rulebook, now=now)


def _accrue_held(purchase: Purchase, rulebook: Rulebook, *, now: datetime) -> Accrual:
    """Judge and post while the member's account is held, and count it towards tiers."""
    points.lock(purchase.member.id)
    asked = _asked(purchase)
    if _was_posted(purchase):
        # What it was worth then stands in the journal; budgets have paid for it.
        worth = judging.judge(asked, rulebook=rulebook)
    else:
        worth = judging.judge_and_pay(asked, rulebook=rulebook, issuer_id=purchase.source.issuer_id)
    judged_now = _as_judged(purchase, worth, rulebook)
    posted = points.post_purchase(purchase=judged_now)
    if not posted.replayed:
        tiers.gathered(
            member=purchase.member,
            at=purchase.at,
            measured=Measured(points=worth.points, spend=purchase.amount, purchases=1),
            rulebook=rulebook,
            now=now,
        )
        steps.purchased(member=purchase.member, at=purchase.at, rulebook=rulebook)
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


def post_many(
    *,
    purchases: Sequence[Purchase],
    now: datetime,
    already: Sequence[points.JudgedPurchase] | None = None,
) -> list[points.PostedActivity | DomainError]:
    """
    As `post_purchase` for many, in their order; call it inside a transaction.

    Set by set where the rules allow; where a purchase may depend on the one before, one by one. A
    refusal stands in the place of its purchase and harms none of the others.

    :param already: what `judged` made of them, if that was asked before
    """
    if all(_is_plain(purchase) for purchase in purchases):
        return points.post_purchases(purchases=already) if already else _post_set(purchases, now)
    # In one order, as the night and other imports hold them.
    for member_id in sorted({purchase.member.id for purchase in purchases}):
        points.lock(member_id)
    return [_post_one(purchase, now=now) for purchase in purchases]


def _is_plain(purchase: Purchase) -> bool:
    try:
        return judging.is_plain(programme.rulebook_on(localdate(purchase.at)).id)
    except (programme.NoRulebook, OverflowError):
        return True  # and refused


def _post_set(
    purchases: Sequence[Purchase], now: datetime
) -> list[points.PostedActivity | DomainError]:
    found = [_judged_or_refused(purchase, now=now) for purchase in purchases]
    good = [each for each in found if not isinstance(each, DomainError)]
    answers = iter(points.post_purchases(purchases=good))
    return [each if isinstance(each, DomainError) else next(answers) for each in found]


def _judged_or_refused(purchase: Purchase, *, now: datetime) -> points.JudgedPurchase | DomainError:
    try:
        return judged(purchase, now=now)
    except DomainError as refusal:
        return refusal


def _post_one(purchase: Purchase, *, now: datetime) -> points.PostedActivity | DomainError:
    try:
        with transaction.atomic():
            return post_purchase(purchase=purchase, now=now)
    except DomainError as refusal:
        return refusal


@dataclass(frozen=True, slots=True)
class Quote:
    """What a purchase would be worth."""

    points: int
    expires_on: date
    explanation: dict[str, Any]
    # Which of them would wait, and for what.
    pending: tuple[PendingLine, ...] = ()


def quote(
    *,
    amount: Decimal,
    lines: Sequence[Line],
    at: datetime,
    member: Identity | None = None,
    store_id: int | None = None,
    channel: str = "",
) -> Quote:
    """
    Judge a purchase nobody has made yet, at any time with a rulebook. Writes nothing.

    :param member: None: somebody of whom nothing is known
    :raises MemberFrozen: :raises MemberClosed: if the member could not earn
    :raises InvalidAmount: :raises LinesDoNotAddUp: :raises DuplicateLine: as for a purchase
    """
    if member is not None:
        member.require_can_earn()
    _check_amount(amount)
    if lines:
        _check_lines(lines, amount=amount)
    day = localdate(at)
    rulebook = programme.rulebook_on(day)
    lines = lines or (Line("", earning.NO_CATEGORY, amount),)
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
        expires_on=rulebook.policies.validity.last_day(day),
        explanation=judgement.explanation,
        pending=_pending(judgement, lines, vesting=rulebook.policies.vesting, day=day),
    )


def judged(purchase: Purchase, *, now: datetime) -> points.JudgedPurchase:
    """
    Check a purchase and judge it by the rulebook of its day. Writes nothing.

    Asks the database for the facts the rules ask for, if any.
    """
    _check_purchase(purchase, now=now)
    rulebook = programme.rulebook_on(localdate(purchase.at))
    return _as_judged(purchase, judging.judge(_asked(purchase), rulebook=rulebook), rulebook)


def _asked(purchase: Purchase) -> Asked:
    return Asked(
        member_id=purchase.member.id,
        store_id=purchase.source.store_id,
        day=localdate(purchase.at),
        lines=_lines_of(purchase),
        channel=purchase.channel,
    )


def _lines_of(purchase: Purchase) -> Sequence[Line]:
    return purchase.lines or (Line("", earning.NO_CATEGORY, purchase.amount),)


def _as_judged(
    purchase: Purchase, judgement: Judgement, rulebook: Rulebook
) -> points.JudgedPurchase:
    """What the ledger is told of a purchase."""
    day, policies = localdate(purchase.at), rulebook.policies
    pending = _pending(judgement, _lines_of(purchase), vesting=policies.vesting, day=day)
    # M3: the points wait with their member; `points.operations.start_clock` gives them a last day.
    waits = policies.clock_from_activation and purchase.member.is_pre_registered
    return points.JudgedPurchase(
        member=purchase.member,
        reference=purchase.reference,
        at=purchase.at,
        amount=purchase.amount,
        lines=_as_json(purchase.lines),
        fingerprint=purchase.fingerprint(),
        points=judgement.points,
        expires_on=NEVER if waits else policies.validity.last_day(day),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """
    Goods or services given back. `amount` of the purchase, or of its lines where they are named.
    """

    purchase: Activity
    member: Identity
    reference: str
    at: datetime
    amount: Decimal
    lines: Sequence[Line] = ()
    source: points.Source


@transaction.atomic
def post_return(*, returned: Return, now: datetime) -> points.PostedActivity:
    """
    Judge what is left of a purchase by the rules that judged it and take back the difference.

    An amount without lines is spread over the purchase's lines in proportion to what is left of
    them. Posting a return twice takes back once.

    :raises UnknownPurchase: if the member is not who bought it
    :raises ReturnExceedsPurchase: if more comes back than was bought
    :raises ReturnBeforePurchase: :raises points.ReferenceReused: :raises points.AlreadySpent: if so
    """
    purchase = returned.purchase
    if purchase.member_id != returned.member.id:
        raise UnknownPurchase
    points.lock(returned.member.id)
    fingerprint = _return_fingerprint(returned)
    if first := points_queries.activity(
        issuer_id=returned.source.issuer_id,
        kind=ActivityKind.RETURN,
        reference=returned.reference,
    ):
        if bytes(first.fingerprint) != fingerprint:
            raise points.ReferenceReused(reference=returned.reference)
        entry = points_queries.entry_of(first)
        posting = points.Posting(entry.seq, entry.balance_after, replayed=True) if entry else None
        return points.PostedActivity(first.pk, first.points, posting, replayed=True)

    _check(reference=returned.reference, at=returned.at, now=now, amount=returned.amount)
    if returned.at < purchase.occurred_at:
        raise ReturnBeforePurchase
    given_back = _returned_lines(returned)
    rulebook = programme.rulebook(purchase.version_id)
    left_before = _lines_left(purchase)
    left = _subtract(left_before, given_back)
    before = judging.judge_again(purchase, left_before, rulebook=rulebook)
    judgement = judging.judge_again(purchase, left, rulebook=rulebook)
    # Never more, though without a boost that stood alone others may count.
    less = min(0, judgement.points - before.points)
    posted = points.post_return(
        returned=points.JudgedReturn(
            member=returned.member,
            purchase=purchase,
            reference=returned.reference,
            at=returned.at,
            amount=returned.amount,
            lines=_as_json(given_back),
            fingerprint=fingerprint,
            keep=judgement.points,
            points=less,
            explanation={**judgement.explanation, "purchase": purchase.reference},
            after_spending=rulebook.policies.return_after_spending,
            source=points.Source(
                issuer_id=returned.source.issuer_id,
                store_id=returned.source.store_id,
                client_id=returned.source.client_id,
                version_id=rulebook.id,
            ),
        )
    )
    judging.free_budgets(purchase, before, judgement)
    tiers.gathered(
        member=returned.member,
        at=purchase.occurred_at,
        measured=Measured(
            points=less,
            spend=-returned.amount,
            purchases=-1 if not any(line.amount for line in left) else 0,
        ),
        rulebook=rulebook,
        now=returned.at,
    )
    return posted


def find_purchase(
    *, issuer_id: int, reference: str, only_stores: Collection[int] | None = None
) -> Activity:
    """
    :param only_stores: the stores whose purchases may be seen; None: all of the issuer's
    :raises UnknownPurchase: if the issuer has posted none under this reference there
    """
    purchase = points_queries.activity(
        issuer_id=issuer_id, kind=ActivityKind.PURCHASE, reference=reference
    )
    if purchase is None or (only_stores is not None and purchase.store_id not in only_stores):
        raise UnknownPurchase
    return purchase


def _check_purchase(purchase: Purchase, *, now: datetime) -> None:
    _check(reference=purchase.reference, at=purchase.at, now=now, amount=purchase.amount)
    if not _is_short(purchase.channel, CHANNEL_MAX):
        raise InvalidChannel
    if purchase.lines:
        _check_lines(purchase.lines, amount=purchase.amount)


def _check(*, reference: str, at: datetime, now: datetime, amount: Decimal) -> None:
    points.require_reference(reference)
    points.require_not_in_future(at, now=now)
    _check_amount(amount)


def _check_amount(amount: Decimal) -> None:
    # Minus zero is a sign of a mistake, and would make another fingerprint than zero.
    if not amount.is_finite() or amount.is_signed() or amount > AMOUNT_MAX:
        raise InvalidAmount
    if amount != amount.quantize(CENT):
        raise InvalidAmount


def _check_lines(lines: Sequence[Line], *, amount: Decimal) -> None:
    if len(lines) > LINES_MAX:
        raise InvalidLines
    seen = set()
    for line in lines:
        _check_line_texts(line)
        _check_amount(line.amount)
        if line.number in seen:
            raise DuplicateLine(line=line.number)
        seen.add(line.number)
    total = sum((line.amount for line in lines), Decimal(0))
    if total != amount:
        raise LinesDoNotAddUp(lines=total, amount=amount)


def _check_line_texts(line: Line) -> None:
    for text, most in (
        (line.number, LINE_NUMBER_MAX),
        (line.category, CATEGORY_MAX),
        (line.product, PRODUCT_MAX),
    ):
        if not _is_short(text, most):
            raise InvalidLines


def _is_short(text: str, most: int) -> bool:
    return len(text) <= most and text.isprintable()


# --- Returns --------------------------------------------------------------------------------------


def _return_fingerprint(returned: Return) -> bytes:
    content = [
        returned.purchase.pk,
        str(returned.amount.quantize(CENT)),
        _as_json(returned.lines),
    ]
    return hashlib.md5(json.dumps(content).encode(), usedforsecurity=False).digest()


def _lines_left(purchase: Activity) -> list[Line]:
    """The purchase's lines less what earlier returns gave back of each."""
    lines = _from_json(purchase.lines) or [Line("", earning.NO_CATEGORY, purchase.amount)]
    for earlier in purchase.returns.all():
        lines = _subtract(lines, _from_json(earlier.lines))
    return lines


def _returned_lines(returned: Return) -> list[Line]:
    """Name the lines of a return: as given, or the amount spread over what is left of each."""
    left = _lines_left(returned.purchase)
    total = sum((line.amount for line in left), Decimal(0))
    if returned.amount > total:
        raise ReturnExceedsPurchase(left=total)
    if returned.lines:
        _check_lines(returned.lines, amount=returned.amount)
        by_number = {line.number: line for line in left}
        for line in returned.lines:
            of = by_number.get(line.number)
            if of is None or line.amount > of.amount:
                raise ReturnExceedsPurchase(left=of.amount if of else Decimal("0.00"))
        return [replace(by_number[line.number], amount=line.amount) for line in returned.lines]
    return _spread(returned.amount, left)


def _spread(amount: Decimal, lines: Sequence[Line]) -> list[Line]:
    """Share an amount out over lines in proportion, to the cent; the last one takes the rest."""
    total = sum((line.amount for line in lines), Decimal(0))
    shares = []
    rest, weight = amount, total
    for line in lines:
        share = (rest * line.amount / weight).quantize(CENT) if weight else Decimal("0.00")
        shares.append(replace(line, amount=share))
        rest -= share
        weight -= line.amount
    return shares


def _subtract(lines: Sequence[Line], given_back: Sequence[Line]) -> list[Line]:
    less = {line.number: line.amount for line in given_back}
    return [replace(line, amount=line.amount - less.get(line.number, Decimal(0))) for line in lines]


def _as_json(lines: Sequence[Line]) -> list[dict[str, Any]]:
    return [
        {
            "line": line.number,
            "category": line.category,
            "amount": str(line.amount.quantize(CENT)),
            **({"product": line.product} if line.product else {}),
        }
        for line in lines
    ]


def _from_json(lines: Sequence[dict[str, Any]]) -> list[Line]:
    return [
        Line(line["line"], line["category"], Decimal(line["amount"]), line.get("product", ""))
        for line in lines
    ]
