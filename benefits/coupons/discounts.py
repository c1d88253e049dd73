"""
What coupons take off a receipt. Pure arithmetic on cents.

Coupons count in the order in which they are handed over, each on what the ones before have left to
pay. A percentage is rounded once, on the sum, half a cent up; lines then share it to the cent. No
line, and so no receipt, ever falls below nought.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from django.utils.translation import gettext_lazy as _

from common.errors import DomainError

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
HUNDRED = Decimal(100)

PERCENT, AMOUNT, ITEM = "PERCENT", "AMOUNT", "ITEM"
EXCLUSIVE, STACKS, ONCE = "EXCLUSIVE", "STACKS", "ONCE"


class BelowMinimum(DomainError):
    code = "below_minimum"
    message = _("The coupon needs %(minimum)s on what it is good for; here it is %(spend)s.")


class NotStackable(DomainError):
    code = "not_stackable"
    message = _("The coupon cannot be used together with another of this receipt.")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a receipt. `amount`: what is to be paid for it, in the programme's currency."""

    category: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """
    What a coupon is worth. `batch`: coupons of one batch are alike. `pays`: of a percentage, what
    is left to pay. `most`: a percentage takes off no more than this. No categories: all lines.
    """

    batch: int
    kind: str
    pays: Decimal = HUNDRED
    amount: Decimal = ZERO
    most: Decimal | None = None
    minimum_spend: Decimal = ZERO
    categories: frozenset[str] = frozenset()
    stacking: str = STACKS

    def covers(self, line: Line) -> bool:
        return not self.categories or line.category in self.categories

    def off(self, spend: Decimal) -> Decimal:
        """What it takes off an amount."""
        if self.kind == ITEM:
            return ZERO
        if self.kind == AMOUNT:
            return min(self.amount, spend)
        exact = spend * (HUNDRED - self.pays) / HUNDRED
        return min(exact.quantize(CENT, ROUND_HALF_UP), spend, *_given(self.most))


def _given(most: Decimal | None) -> Iterable[Decimal]:
    return () if most is None else (most,)


@dataclass(frozen=True, slots=True)
class Bill:
    """`discounts`: of each coupon, in their order; `lines`: what is left to pay of each line."""

    discounts: tuple[Decimal, ...]
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), ZERO)


def discounted(lines: Sequence[Line], coupons: Sequence[Terms]) -> Bill:
    """
    Take coupons off a receipt.

    :raises NotStackable: if two of them do not go together
    :raises BelowMinimum: if one of them needs more than there is left to pay
    """
    require_stackable(coupons)
    bill = Bill((), tuple(lines))
    for each in coupons:
        bill = _taken_off(bill, each)
    return bill


def require_stackable(coupons: Sequence[Terms]) -> None:
    """:raises NotStackable: if two coupons of a receipt do not go together"""
    if len(coupons) > 1 and any(each.stacking == EXCLUSIVE for each in coupons):
        raise NotStackable
    once = [each.batch for each in coupons if each.stacking == ONCE]
    if len(once) > len(set(once)):
        raise NotStackable


def _taken_off(bill: Bill, terms: Terms) -> Bill:
    covered = [place for place, line in enumerate(bill.lines) if terms.covers(line)]
    spend = sum((bill.lines[place].amount for place in covered), ZERO)
    if spend < terms.minimum_spend or (spend <= 0 and terms.kind != ITEM):
        raise BelowMinimum(minimum=max(terms.minimum_spend, CENT), spend=spend)
    off = terms.off(spend)
    left = list(bill.lines)
    for place, share in zip(covered, _shares([left[p].amount for p in covered], off), strict=True):
        left[place] = replace(left[place], amount=left[place].amount - share)
    return Bill((*bill.discounts, off), tuple(left))


def _shares(amounts: Sequence[Decimal], off: Decimal) -> list[Decimal]:
    """`off` shared by amounts, to the cent; who lost most by rounding down gets a cent first."""
    spend = sum(amounts, ZERO)
    if not off:
        return [ZERO] * len(amounts)
    exact = [off * amount / spend for amount in amounts]
    shares = [each.quantize(CENT, ROUND_DOWN) for each in exact]
    missing = int((off - sum(shares, ZERO)) / CENT)
    by_loss = sorted(range(len(amounts)), key=lambda place: (shares[place] - exact[place], place))
    for place in by_loss[:missing]:
        shares[place] += CENT
    return shares
