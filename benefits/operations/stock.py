"""How stock comes in and is corrected. What orders take and give back: `operations.claims`."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from benefits.models.items import QUANTITY_MAX, Item, MoveKind, Stock, StockMove
from common import audit
from common.errors import DomainError, Invalid, NotFound
from common.models import User


class NotCountedItem(DomainError):
    code = "not_counted_item"
    message = _("“%(item)s” is not counted: there is no stock of it.")


class WrongQuantity(Invalid):
    code = "wrong_quantity"
    message = _("Say how many pieces: at most %(most)s, and not none.")


class NotSoManyLeft(DomainError):
    code = "not_so_many_left"
    message = _("Only %(left)s pieces are there.")


class CorrectionWithoutReason(Invalid):
    code = "reason_missing"
    message = _("Say why.")


@transaction.atomic
def receive(
    *, item_id: int, quantity: int, by: User, at: datetime, store_id: int | None = None,
    reason: str = "",
) -> StockMove:  # fmt: skip
    """
    Put pieces into the stock of a store; without one, of the warehouse.

    :raises NotFound: if there is no such item
    :raises NotCountedItem: :raises WrongQuantity: if so
    """
    if not 1 <= quantity <= QUANTITY_MAX:
        raise WrongQuantity(most=QUANTITY_MAX)
    place = _place(item_id, store_id)
    return _moved(place, MoveKind.RECEIVED, quantity, reason=reason, by=by, at=at)


@transaction.atomic
def correct(
    *, item_id: int, quantity: int, reason: str, by: User, at: datetime, store_id: int | None = None
) -> StockMove:
    """
    Correct a count: more pieces, or with a minus fewer.

    :raises NotFound, NotCountedItem, WrongQuantity: as `receive`
    :raises CorrectionWithoutReason: if the reason is blank
    :raises NotSoManyLeft: if fewer than that are there
    """
    if not quantity or abs(quantity) > QUANTITY_MAX:
        raise WrongQuantity(most=QUANTITY_MAX)
    if not reason.strip():
        raise CorrectionWithoutReason
    place = _place(item_id, store_id)
    if place.remaining + quantity < 0:
        raise NotSoManyLeft(left=place.remaining)
    return _moved(place, MoveKind.CORRECTED, quantity, reason=reason, by=by, at=at)


def _place(item_id: int, store_id: int | None) -> Stock:
    """The row of a place, locked; it begins empty."""
    item = Item.objects.filter(pk=item_id).first()
    if item is None:
        raise NotFound
    if not item.is_counted:
        raise NotCountedItem(item=item.code)
    Stock.objects.bulk_create([Stock(item=item, store_id=store_id)], ignore_conflicts=True)
    locked = Stock.objects.select_for_update(of=("self",), no_key=True).select_related("item")
    return locked.get(item=item, store=store_id)


def _moved(
    place: Stock, kind: MoveKind, quantity: int, *, reason: str, by: User, at: datetime
) -> StockMove:
    move = StockMove.objects.create(
        stock=place, kind=kind, quantity=quantity, reason=reason.strip(), by=by, at=at
    )
    audit.record(
        action=f"stock.{kind.lower()}",
        target=place.item.code,
        by=by,
        reason=reason.strip(),
        details={"store": place.store_id, "pieces": quantity},
    )
    return move
