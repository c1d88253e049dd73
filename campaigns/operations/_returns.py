"""What is given back is judged once more, and the difference taken back."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from campaigns import judging
from campaigns.earning import NO_CATEGORY, Judgement, Line
from campaigns.operations._documents import CENT, as_json, check, check_lines, from_json
from common.errors import DomainError, Invalid, NotFound
from members.queries import Identity
from points import operations as points
from points import queries as points_queries
from points.models import Activity, ActivityKind
from programme import queries as programme
from tiers import operations as tiers
from tiers.operations import Measured


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

    check(reference=returned.reference, at=returned.at, now=now, amount=returned.amount)
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
    freed = judging.freed(purchase, before, judgement)
    posted = points.post_return(
        returned=points.JudgedReturn(
            member=returned.member,
            purchase=purchase,
            reference=returned.reference,
            at=returned.at,
            amount=returned.amount,
            lines=as_json(given_back),
            fingerprint=fingerprint,
            keep=judgement.points,
            points=less,
            explanation={
                **judgement.explanation,
                "purchase": purchase.reference,
                **_campaigns(before, judgement),
                **({"freed": freed} if freed else {}),
            },
            after_spending=rulebook.policies.return_after_spending,
            source=points.Source(
                issuer_id=returned.source.issuer_id,
                store_id=returned.source.store_id,
                client_id=returned.source.client_id,
                version_id=rulebook.id,
            ),
        )
    )
    judging.free(freed)
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


def _campaigns(before: Judgement, after: Judgement) -> dict[str, dict[str, int]]:
    """What campaigns give for what is kept: also those that give nothing any more."""
    gave = before.explanation.get("campaigns", {})
    gives = after.explanation.get("campaigns", {})
    return {"campaigns": dict.fromkeys(gave, 0) | gives} if gave or gives else {}


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


def _return_fingerprint(returned: Return) -> bytes:
    content = [
        returned.purchase.pk,
        str(returned.amount.quantize(CENT)),
        as_json(returned.lines),
    ]
    return hashlib.md5(json.dumps(content).encode(), usedforsecurity=False).digest()


def _lines_left(purchase: Activity) -> list[Line]:
    """The purchase's lines less what earlier returns gave back of each."""
    lines = from_json(purchase.lines) or [Line("", NO_CATEGORY, purchase.amount)]
    for earlier in purchase.returns.all():
        lines = _subtract(lines, from_json(earlier.lines))
    return lines


def _returned_lines(returned: Return) -> list[Line]:
    """Name the lines of a return: as given, or the amount spread over what is left of each."""
    left = _lines_left(returned.purchase)
    total = sum((line.amount for line in left), Decimal(0))
    if returned.amount > total:
        raise ReturnExceedsPurchase(left=total)
    if returned.lines:
        check_lines(returned.lines, amount=returned.amount)
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
