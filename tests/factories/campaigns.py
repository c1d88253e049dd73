from datetime import datetime
from decimal import Decimal
from itertools import count

from campaigns import operations
from campaigns.earning import Line
from members.queries import Identity
from points.operations import PostedActivity
from tests.factories.points import NOON, source

_numbers = count(1)


def buy(
    of: Identity,
    amount: str,
    *,
    at: datetime = NOON,
    reference: str | None = None,
    lines: tuple[tuple[str, str, str], ...] = (),
    store=None,
) -> PostedActivity:
    """A purchase through the real operation. Lines are (number, category, amount)."""
    return operations.post_purchase(
        purchase=operations.Purchase(
            member=of,
            reference=reference or f"buy-{next(_numbers)}",
            at=at,
            amount=Decimal(amount),
            lines=[Line(number, category, Decimal(value)) for number, category, value in lines],
            source=source(store),
        ),
        now=at,
    )
