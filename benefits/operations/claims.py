"""
What an order does to the catalogue. Each is called within the order's own transaction, in this
sequence, and all of it goes back if the transaction does:

1. `claim` locks the member's account, says whether the member may have it, and counts the limits;
2. the order spends the points of the claim's price and writes itself;
3. `take_stock` takes the pieces, **last**: the row of an item that many want is held for a moment
   only. Who takes several items takes them in the order of their ids, or two wait for each other.

A cancellation locks alike: the points go back first (or `points.lock`), then `give_back` and
`return_stock`.
"""

from datetime import datetime

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from benefits.models.items import Claim, Item, ItemState, MoveKind, Stock, StockMove
from benefits.queries import items as queries
from common.errors import DomainError, Invalid
from members.queries import Identity
from points import operations as points


class PriceChanged(DomainError):
    code = "price_changed"
    message = _("The price of “%(item)s” has changed. Look at it again.")


class NoPieces(Invalid):
    code = "no_pieces"
    message = _("At least one piece is ordered.")


@transaction.atomic
def claim(
    *, member: Identity, item_id: int, price_id: int, quantity: int, at: datetime, reference: str
) -> Claim:
    """
    Have a member claim pieces of an item. Of two at once for one member, the second counts the
    first: the member's account stays locked until the transaction ends.

    :param price_id: which of the prices the member was shown; the claim names it and the listing
    :param reference: the order's own name for this claim, once in the programme
    :raises members.MemberClosed, MemberFrozen, MemberNotActivated: if the member is so
    :raises queries.UnknownItem: if it was never listed
    :raises queries.ItemNotListed, ItemNotOnSaleYet, ItemSaleOver, ItemNotForTier, ItemNotForMember,
        ItemLimitReached, ItemSoldOut, TooFewInStock: if the member cannot have it
    :raises PriceChanged: if the member's tier does not pay this price now
    """
    member.require_can_redeem()
    if quantity < 1:
        raise NoPieces
    points.lock(member.id)
    # Read behind the lock: whoever waited for it sees what the one before has done.
    found = Item.objects.select_related("live", *queries.GIVEN).filter(pk=item_id).first()
    if found is None or found.live is None or found.state == ItemState.DRAFT:
        raise queries.UnknownItem
    shopper = queries.shopper(member.id, localdate(at))
    said = queries.said(found.live)
    for obstacle in queries.obstacles(found, shopper, said, at=at, quantity=quantity):
        raise obstacle
    paid = {each.pk: each for each in said.paid(shopper.tier)}
    if price_id not in paid:
        raise PriceChanged(item=found.live.name)
    return Claim.objects.create(
        member_id=member.id,
        item=found,
        listing=found.live,
        price=paid[price_id],
        quantity=quantity,
        on=localdate(at),
        at=at,
        reference=reference,
    )


@transaction.atomic
def give_back(*, reference: str, at: datetime) -> None:
    """Count a claim no more: the order was cancelled or the pieces came back. Safe to repeat."""
    Claim.objects.filter(reference=reference, given_back_at=None).update(given_back_at=at)


@transaction.atomic
def take_stock(
    *, item_id: int, quantity: int, reference: str, at: datetime, store_id: int | None = None
) -> None:
    """
    Take pieces out of stock for an order. The last piece is taken once: who comes second waits for
    the first and finds nothing. Items that are not counted have no end.

    :param store_id: where the member collects it. A store without stock of its own, and no store,
        take from the warehouse, that is from what all have together
    :param reference: the order's own name for these pieces: `return_stock` finds them by it
    :raises queries.ItemSoldOut, TooFewInStock: if so many are not left there
    """
    found = Item.objects.select_related("live").get(pk=item_id)
    if not found.is_counted:
        return
    place = _place(item_id, store_id)
    name = found.live.name if found.live else found.code
    if place is None or not place.remaining:
        raise queries.ItemSoldOut(item=name)
    if quantity > place.remaining:
        raise queries.TooFewInStock(item=name, left=place.remaining)
    StockMove.objects.create(
        stock=place, kind=MoveKind.TAKEN, quantity=-quantity, reference=reference, at=at
    )


def _place(item_id: int, store_id: int | None) -> Stock | None:
    """The row to take from, locked."""
    found = Stock.objects.select_for_update(no_key=True).filter(item=item_id)
    own = found.filter(store=store_id).first() if store_id else None
    return own or found.filter(store=None).first()


@transaction.atomic
def return_stock(*, reference: str, at: datetime) -> None:
    """
    Put back what was taken under a reference, to where it was. Safe to repeat: what came back
    already does not come back again. Pieces that came back broken are not put back.
    """
    taken = StockMove.objects.filter(reference=reference, kind=MoveKind.TAKEN)
    ids = list(taken.values_list("stock_id", flat=True))
    # The rows are held first: of two who give back, the second sees what the first has done.
    list(Stock.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk"))
    back = StockMove.objects.filter(reference=reference, kind=MoveKind.RETURNED)
    for move in taken.exclude(stock__in=back.values("stock")).order_by("stock_id"):
        StockMove.objects.create(
            stock_id=move.stock_id,
            kind=MoveKind.RETURNED,
            quantity=-move.quantity,
            reference=reference,
            at=at,
        )
