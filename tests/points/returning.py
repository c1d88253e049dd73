"""Returns through the real operation, for tests of the ledger below it."""

from decimal import Decimal

from campaigns import operations
from campaigns.earning import Line
from members.queries import Identity
from points.operations import PostedActivity
from tests.factories import main_store, source
from tests.factories.points import NOON


def give_back(
    purchase, amount, *, reference, at=NOON, now=None, lines=(), store=None
) -> PostedActivity:
    """Return an amount of a purchase, named by its reference. Lines are (number, amount)."""
    bought = operations.find_purchase(
        issuer_id=(store or main_store()).organization_id, reference=purchase
    )
    return operations.post_return(
        returned=operations.Return(
            purchase=bought,
            member=Identity(bought.member_id, bought.member.number, bought.member.status),
            reference=reference,
            at=at,
            amount=Decimal(amount),
            lines=[Line(number, "", Decimal(value)) for number, value in lines],
            source=source(store),
        ),
        now=now or at,
    )
