"""Stock: the sum of its moves, never below zero, and taken by an order once."""

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from benefits.models.items import Stock, StockMove
from benefits.operations import claims, stock
from benefits.queries import items as queries
from tests.benefits.shop import AT, listed, remaining, take
from tests.factories import staff, store

pytestmark = pytest.mark.django_db


def moves(item):
    found = StockMove.objects.filter(stock__item=item).order_by("pk")
    return [(each.kind, each.quantity, each.remaining_after) for each in found]


def test_what_is_left_is_what_came_less_what_went():
    item = listed(pieces=10)
    reference = take(item, 4)
    stock.correct(item_id=item.pk, quantity=-1, reason="盘点", by=staff(), at=AT)
    claims.return_stock(reference=reference, at=AT)

    assert moves(item) == [
        ("RECEIVED", 10, 10),
        ("TAKEN", -4, 6),
        ("CORRECTED", -1, 5),
        ("RETURNED", 4, 9),
    ]
    assert remaining(item) == 9
    assert queries.left([item.pk]) == {item.pk: 9}


def test_what_is_not_there_is_not_taken():
    item = listed(pieces=2)

    with pytest.raises(queries.TooFewInStock) as refusal:
        take(item, 3)

    assert refusal.value.details["left"] == 2
    take(item, 2)
    with pytest.raises(queries.ItemSoldOut):
        take(item)
    assert remaining(item) == 0


def test_what_is_not_counted_has_no_end():
    item = listed()
    take(item, 1_000)

    assert not Stock.objects.filter(item=item).exists()
    with pytest.raises(stock.NotCountedItem):
        stock.receive(item_id=item.pk, quantity=1, by=staff(), at=AT)


def test_a_store_with_pieces_of_its_own_gives_those_and_others_give_the_common_ones():
    own, other = store(), store()
    item = listed(pieces=5, stores={own: 1})
    take(item, store=own)
    take(item, store=other)

    assert (remaining(item, own), remaining(item)) == (0, 4)
    with pytest.raises(queries.ItemSoldOut):
        take(item, store=own)


def test_pieces_come_back_once_and_to_where_they_were():
    own = store()
    item = listed(pieces=5, stores={own: 2})
    reference = take(item, 2, store=own)

    for _ in range(2):
        claims.return_stock(reference=reference, at=AT)

    assert (remaining(item, own), remaining(item)) == (2, 5)


def test_the_same_order_takes_its_pieces_once():
    item = listed(pieces=5)
    reference = take(item)

    with pytest.raises(IntegrityError, match="benefits_stockmove_once"):
        take(item, reference=reference)


def test_a_correction_has_a_reason_and_takes_no_more_than_is_there():
    item = listed(pieces=1)

    with pytest.raises(stock.CorrectionWithoutReason):
        stock.correct(item_id=item.pk, quantity=1, reason=" ", by=staff(), at=AT)
    with pytest.raises(stock.NotSoManyLeft):
        stock.correct(item_id=item.pk, quantity=-2, reason="盘点", by=staff(), at=AT)
    with pytest.raises(stock.WrongQuantity):
        stock.receive(item_id=item.pk, quantity=-1, by=staff(), at=AT)


@pytest.mark.parametrize("change", [{"remaining": 100}, {"remaining": -1}])
def test_the_database_changes_stock_by_moves_only(change):
    item = listed(pieces=1)

    with pytest.raises(DatabaseError, match="by its moves only"), transaction.atomic():
        Stock.objects.filter(item=item).update(**change)
    with pytest.raises(IntegrityError, match="benefits_stock_not_below_zero"), transaction.atomic():
        StockMove.objects.create(
            stock=Stock.objects.get(item=item), kind="TAKEN", quantity=-2, reference="x", at=AT
        )
