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

from campaigns import earning
from campaigns import facts as looked_up
from campaigns.earning import Facts, Judgement, Line
from common.errors import DomainError, Invalid, NotFound
from members.queries import Identity
from points import operations as points
from points import queries as points_queries
from points.models import Activity, ActivityKind, EntryKind
from points.operations import PendingLine
from programme import queries as programme
from programme.policies import NEVER, Vesting
from programme.queries import Rulebook

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
    if not earning.compiled_rules(rulebook.id).needs & looked_up.OF_HISTORY:
        return _accrue(purchase, now=now)
    with transaction.atomic():
        points.lock(purchase.member.id)
        return _accrue(purchase, now=now)


def _accrue(purchase: Purchase, *, now: datetime) -> Accrual:
    purchase_judged = judged(purchase, now=now)
    return Accrual(purchase_judged, points.post_purchase(purchase=purchase_judged))


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
    facts = looked_up.facts_of(
        looked_up.Asked(
            member_id=member.id if member else None,
            store_id=store_id,
            day=day,
            lines=lines,
            channel=channel,
        ),
        rules=earning.compiled_rules(rulebook.id),
    )
    judgement = _judge(rulebook, lines, facts)
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
    lines = purchase.lines or (Line("", earning.NO_CATEGORY, purchase.amount),)
    day = localdate(purchase.at)
    rulebook = programme.rulebook_on(day)
    policies = rulebook.policies
    facts = looked_up.facts_of(
        looked_up.Asked(
            member_id=purchase.member.id,
            store_id=purchase.source.store_id,
            day=day,
            lines=lines,
            channel=purchase.channel,
        ),
        rules=earning.compiled_rules(rulebook.id),
    )
    judgement = _judge(rulebook, lines, facts)
    pending = _pending(judgement, lines, vesting=policies.vesting, day=day)
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
    facts = _facts_of_then(purchase)
    before = _judge(rulebook, left_before, facts).points
    judgement = _judge(rulebook, left, facts)
    return points.post_return(
        returned=points.JudgedReturn(
            member=returned.member,
            purchase=purchase,
            reference=returned.reference,
            at=returned.at,
            amount=returned.amount,
            lines=_as_json(given_back),
            fingerprint=fingerprint,
            keep=judgement.points,
            # Never more, though without a boost that stood alone others may count.
            points=min(0, judgement.points - before),
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


def _judge(rulebook: Rulebook, lines: Sequence[Line], facts: Facts) -> Judgement:
    return earning.judge(
        rules=earning.compiled_rules(rulebook.id),
        rounding=rulebook.policies.rounding,
        lines=lines,
        version=rulebook.number,
        facts=facts,
    )


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


def _facts_of_then(purchase: Activity) -> Facts:
    """What mattered when it was judged, whatever has become of the member since."""
    told = purchase.explanation.get("facts", {})
    return Facts.read(told, day=localdate(purchase.occurred_at))


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
