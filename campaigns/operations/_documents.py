"""Purchases as tills report them, what they must be like, and how the journal keeps lines."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from campaigns.earning import NO_CATEGORY, Line
from common.errors import Invalid
from members.queries import Identity
from points import operations as points

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
            self.member.asked_id,
            self.source.store_id,
            self.at.timestamp() if self.at_was_given else None,
            str(self.amount.quantize(CENT)),
            as_json(self.lines),
        ]
        if self.channel:
            content.append(self.channel)
        return hashlib.md5(json.dumps(content).encode(), usedforsecurity=False).digest()


def lines_of(purchase: Purchase) -> Sequence[Line]:
    return purchase.lines or (Line("", NO_CATEGORY, purchase.amount),)


def check_purchase(purchase: Purchase, *, now: datetime) -> None:
    check(reference=purchase.reference, at=purchase.at, now=now, amount=purchase.amount)
    if not _is_short(purchase.channel, CHANNEL_MAX):
        raise InvalidChannel
    if purchase.lines:
        check_lines(purchase.lines, amount=purchase.amount)


def check(*, reference: str, at: datetime, now: datetime, amount: Decimal) -> None:
    points.require_reference(reference)
    points.require_not_in_future(at, now=now)
    check_amount(amount)


def check_amount(amount: Decimal) -> None:
    # Minus zero is a sign of a mistake, and would make another fingerprint than zero.
    if not amount.is_finite() or amount.is_signed() or amount > AMOUNT_MAX:
        raise InvalidAmount
    if amount != amount.quantize(CENT):
        raise InvalidAmount


def check_lines(lines: Sequence[Line], *, amount: Decimal) -> None:
    if len(lines) > LINES_MAX:
        raise InvalidLines
    seen = set()
    for line in lines:
        _check_line_texts(line)
        check_amount(line.amount)
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


def as_json(lines: Sequence[Line]) -> list[dict[str, Any]]:
    return [
        {
            "line": line.number,
            "category": line.category,
            "amount": str(line.amount.quantize(CENT)),
            **({"product": line.product} if line.product else {}),
        }
        for line in lines
    ]


def from_json(lines: Sequence[dict[str, Any]]) -> list[Line]:
    return [
        Line(line["line"], line["category"], Decimal(line["amount"]), line.get("product", ""))
        for line in lines
    ]
