"""What dealers' systems send and get about purchases, their returns and quotes."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from django.utils.timezone import localtime
from rest_framework import serializers

from campaigns.earning import Line
from campaigns.operations import LINES_MAX, Accrual, Quote
from campaigns.queries import Recorded, Vested
from common.api.fields import (
    Amount,
    Document,
    Flag,
    Moment,
    Text,
    member_number,
    reference,
    store_code,
)
from common.api.rendering import Answer
from points.api.documents import entry_name, good_until
from points.models import Entry, EntryKind

LINE = r"^[!-~\u3400-\u9fff]([ -~\u3400-\u9fff]{0,30}[!-~\u3400-\u9fff])?$"
CATEGORY = "^[a-z][a-z0-9_-]{0,31}$"
PRODUCT = r"^[!-~\u3400-\u9fff]([ -~\u3400-\u9fff]{0,62}[!-~\u3400-\u9fff])?$"
CENT = Decimal("0.01")


class LineInput(Document):
    line = Text(
        limit=32, pattern=LINE, help_text="Your number of the line; unique in the document."
    )
    category = Text(limit=32, pattern=CATEGORY, required=False, help_text="As in the rulebook.")
    product = Text(
        limit=64, pattern=PRODUCT, required=False, help_text="Its code, as in the rulebook."
    )
    amount = Amount()


class ReturnLineInput(Document):
    line = Text(limit=32, pattern=LINE, help_text="As in the purchase.")
    amount = Amount()


def channel() -> Text:
    return Text(
        limit=32,
        pattern=CATEGORY,
        required=False,
        help_text="By which way it was bought, as in the rulebook: `store`, `app` …",
    )


def lines_of(document: type[Document]) -> serializers.ListField:
    return serializers.ListField(child=document(), required=False, max_length=LINES_MAX)


class PurchaseInput(Document):
    reference = reference(help_text="Your document number; unique in your organization.")
    member = member_number()
    store = store_code()
    at = Moment(required=False, help_text="When it happened, with its offset; now by default.")
    amount = Amount(help_text="What was paid.")
    channel = channel()
    lines = lines_of(LineInput)


class ReturnInput(Document):
    reference = reference(help_text="The return's own document number.")
    at = Moment(required=False, help_text="When it happened, with its offset; now by default.")
    amount = Amount(help_text="What was given back.")
    lines = lines_of(ReturnLineInput)


class VestingInput(Document):
    reference = reference(help_text="Your name for what made them spendable, such as a delivery.")
    line = Text(
        limit=32,
        pattern=LINE,
        required=False,
        help_text="As in the purchase; all of it by default.",
    )
    at = Moment(required=False, help_text="When it happened, with its offset; now by default.")


class QuoteInput(Document):
    member = member_number(required=False)
    store = store_code()
    at = Moment(required=False, help_text="Now by default; it may lie in the future.")
    amount = Amount()
    channel = channel()
    lines = lines_of(LineInput)
    before_discount = Flag(
        required=False,
        help_text="The amounts are list prices: take off what the member's tier takes off.",
    )


def lines_in(body: Mapping[str, Any]) -> list[Line]:
    return [
        Line(line["line"], line.get("category", ""), line["amount"], line.get("product", ""))
        for line in body.get("lines", ())
    ]


# --- Answers --------------------------------------------------------------------------------------


class LineAnswer(Answer):
    line: str
    category: str
    amount: str
    product: str = ""


class PendingAnswer(Answer):
    """Points that cannot be spent yet. `line` is empty for a purchase without lines."""

    line: str
    points: int
    # The day from which they can be; null: when you say so (`…/vesting/`).
    vests_on: date | None


class EntryMade(Answer):
    """
    The entry in the ledger: what can be spent of it, and what waits (less, where it vested).

    `expires_on` is a credit's last good day; null: none, or never.
    """

    entry: str
    points: int
    pending: int
    balance_after: int
    expires_on: date | None


class LineJudged(Answer):
    """Which rule took a line and what it gave, before rounding."""

    line: str
    category: str
    amount: str
    rule: str | None
    points: str | None
    per_amount: str | None
    exact: str


class Rounded(Answer):
    mode: str
    per: str


class BoostApplied(Answer):
    """
    What a boost added, before rounding, and how it is written: as a percent, a factor or points.

    `lines` are those it was about; null: all.
    """

    code: str
    exact: str
    percent: str | None = None
    factor: str | None = None
    points: str | None = None
    lines: list[str] | None = None


class CapMet(Answer):
    """What a rule or boost could still give, and what it would have given."""

    code: str
    left: int
    exact: str


class NotApplied(Answer):
    """Rules and boosts that gave nothing, for the same reason."""

    reason: str
    codes: list[str]


class Explanation(Answer):
    """
    Why it is worth that: by which version of the rulebook, at which tier, line by line.

    `parts`: how many of the points each rule and boost gave.
    """

    version: int
    lines: list[LineJudged]
    exact: str
    rounding: Rounded
    points: int
    not_applied: list[NotApplied]
    parts: dict[str, int]
    tier: str | None = None
    boosts: list[BoostApplied] = []
    caps: list[CapMet] = []


class PurchaseAnswer(Answer):
    reference: str
    member: str
    store: str
    at: datetime
    amount: str
    # What it was worth when it was posted. `entry` is null when no points moved.
    points: int
    entry: EntryMade | None
    # What of it waited then.
    pending: list[PendingAnswer]
    lines: list[LineAnswer]
    explanation: Explanation


class ReturnSummary(Answer):
    reference: str
    at: datetime
    amount: str
    points: int


class PurchaseRecord(PurchaseAnswer):
    # What of it waits now.
    still_pending: list[PendingAnswer]
    returns: list[ReturnSummary]


class ReturnAnswer(Answer):
    """`points`: what the purchase is worth less by it. The explanation judges what was kept."""

    reference: str
    purchase: str
    member: str
    store: str
    at: datetime
    amount: str
    points: int
    entry: EntryMade | None
    lines: list[LineAnswer]
    explanation: Explanation


class VestingAnswer(Answer):
    """`line` is null when it was about all of the purchase."""

    reference: str
    purchase: str
    member: str
    store: str | None
    at: datetime
    line: str | None
    entry: EntryMade


class DiscountTaken(Answer):
    """
    What a benefit of the member's tier takes off a line; `line` is empty for a bill without lines.

    `pays`: the percentage of the price that is left to pay.
    """

    line: str
    benefit: str
    pays: str
    off: str


class QuoteAnswer(Answer):
    """
    `amount`: as you sent it. `to_pay`: less the `discounts`, if you sent list prices; the points
    are those of what is paid, so post the purchase with that amount, and its lines less theirs.
    """

    at: datetime
    amount: str
    to_pay: str
    discounts: list[DiscountTaken]
    points: int
    expires_on: date | None
    # Which of them would wait.
    pending: list[PendingAnswer]
    explanation: Explanation


def accrued(accrual: Accrual, *, store: str) -> PurchaseAnswer:
    """The answer to a purchase just posted, made without reading it back."""
    purchase, posting = accrual.judged, accrual.posted.posting
    member = purchase.member.number
    waits = sum(each.points for each in purchase.pending)
    return PurchaseAnswer(
        reference=purchase.reference,
        member=member,
        store=store,
        at=localtime(purchase.at),
        amount=_money(purchase.amount),
        points=purchase.points,
        entry=None
        if posting is None
        else EntryMade(
            entry=entry_name(member, posting.seq),
            points=purchase.points - waits,
            pending=waits,
            balance_after=posting.balance_after,
            expires_on=good_until(purchase.expires_on),
        ),
        pending=_pending(purchase.explanation),
        lines=_lines(purchase.lines),
        explanation=_explanation(purchase.explanation),
    )


def recorded(purchase: Recorded) -> PurchaseAnswer:
    return PurchaseAnswer(**_recorded_purchase(purchase))


def recorded_with_returns(purchase: Recorded) -> PurchaseRecord:
    return PurchaseRecord(
        **_recorded_purchase(purchase),
        still_pending=[
            PendingAnswer(line=each.line, points=each.points, vests_on=each.vests_on)
            for each in purchase.waiting
        ],
        returns=[
            ReturnSummary(
                reference=each.reference,
                at=localtime(each.occurred_at),
                amount=_money(each.amount),
                points=each.points,
            )
            for each in purchase.returns
        ],
    )


def recorded_return(returned: Recorded, *, purchase: str) -> ReturnAnswer:
    return ReturnAnswer(**_recorded(returned), purchase=purchase)


def vesting_answer(vested: Vested, *, purchase: str) -> VestingAnswer:
    entry, member = vested.entry, vested.member_number
    assert entry.reference is not None, "it was found by its reference"
    return VestingAnswer(
        reference=entry.reference,
        purchase=purchase,
        member=member,
        store=vested.store_code,
        at=localtime(entry.effective_at),
        line=entry.line,
        entry=_entry(entry, member),
    )


def quoted(quote: Quote, *, at: datetime, amount: Decimal) -> QuoteAnswer:
    return QuoteAnswer(
        at=localtime(at),
        amount=_money(amount),
        to_pay=_money(quote.to_pay),
        discounts=[
            DiscountTaken(
                line=each.line,
                benefit=each.benefit,
                pays=f"{each.pays.normalize():f}",
                off=_money(each.off),
            )
            for each in quote.discounts
        ],
        points=quote.points,
        expires_on=good_until(quote.expires_on),
        pending=[
            PendingAnswer(line=each.line, points=each.points, vests_on=each.vests_on)
            for each in quote.pending
        ],
        explanation=_explanation(quote.explanation),
    )


def _recorded_purchase(purchase: Recorded) -> dict[str, Any]:
    return {**_recorded(purchase), "pending": _pending(purchase.activity.explanation)}


def _recorded(recorded: Recorded) -> dict[str, Any]:
    activity = recorded.activity
    member = recorded.member_number
    return {
        "reference": activity.reference,
        "member": member,
        "store": recorded.store_code,
        "at": localtime(activity.occurred_at),
        "amount": _money(activity.amount),
        "points": activity.points,
        "entry": recorded.entry and _entry(recorded.entry, member),
        "lines": _lines(activity.lines),
        "explanation": _explanation(activity.explanation),
    }


def _entry(entry: Entry, member: str) -> EntryMade:
    last_day = entry.expires_on
    if entry.kind == EntryKind.VEST and entry.lot_expires_on:
        [last_day] = entry.lot_expires_on
    return EntryMade(
        entry=entry_name(member, entry.seq),
        points=entry.points,
        pending=entry.pending,
        balance_after=entry.balance_after,
        expires_on=good_until(last_day),
    )


def _lines(lines: Sequence[Mapping[str, Any]]) -> list[LineAnswer]:
    return [msgspec.convert(line, LineAnswer) for line in lines]


def _pending(explanation: Mapping[str, Any]) -> list[PendingAnswer]:
    return msgspec.convert(explanation.get("pending", []), list[PendingAnswer])


def _explanation(explanation: Mapping[str, Any]) -> Explanation:
    """In the order of our fields, and of codes: the database keeps another."""
    parts = dict(sorted(explanation["parts"].items()))
    return msgspec.convert({**explanation, "parts": parts}, Explanation)


def _money(amount: Decimal) -> str:
    return str(amount.quantize(CENT))
