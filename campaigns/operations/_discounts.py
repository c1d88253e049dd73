"""What a member's tier takes off a bill that nobody has paid yet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from benefits import queries as benefits
from benefits.matrix import WHOLE_PRICE
from campaigns.earning import NO_CATEGORY, Line
from campaigns.operations._documents import CENT


@dataclass(frozen=True, slots=True)
class Discounted:
    """
    What a benefit took off a line. `line`: its number; empty for a bill without lines.

    :ivar pays: the percentage of the price that is paid
    :ivar off: in the programme's currency, above zero
    """

    line: str
    benefit: str
    pays: Decimal
    off: Decimal


def discounted(
    *, member_id: int, day: date, amount: Decimal, lines: Sequence[Line]
) -> tuple[Decimal, tuple[Line, ...], tuple[Discounted, ...]]:
    """
    A bill as the member pays it: each line less the best discount for its category, to the cent.

    :returns: the amount, the lines (none if none were given), and what was taken off
    """
    found = benefits.discounts_on(member_id, day)
    bill = tuple(lines) or (Line("", NO_CATEGORY, amount),)
    paid, taken = [], []
    for line in bill:
        best = benefits.best_discount(found, category=line.category)
        pays = best[1].pays if best else None
        price = line.amount if pays is None else _to_pay(line.amount, pays)
        if best and pays is not None and price < line.amount:
            taken.append(Discounted(line.number, best[0].code, pays, line.amount - price))
        paid.append(replace(line, amount=price))
    to_pay = sum((line.amount for line in paid), Decimal(0))
    return to_pay, tuple(paid) if lines else (), tuple(taken)


def _to_pay(price: Decimal, pays: Decimal) -> Decimal:
    """As tills round: half a cent up."""
    return (price * pays / WHOLE_PRICE).quantize(CENT, rounding=ROUND_HALF_UP)
