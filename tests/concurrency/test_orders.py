"""The last pieces, wanted by many at once; and the same order, undone twice at once."""

import pytest
from django.db import IntegrityError, connection, transaction

from benefits.models.items import StockMove
from benefits.models.orders import Order
from benefits.operations import claims, orders
from benefits.operations.orders import Delivery, StoreSystem
from benefits.queries import items as queries
from points.models import Entry
from tests.benefits.buying import AT, order, points_of, rich
from tests.benefits.plan import publish
from tests.benefits.shop import listed, price, remaining
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.factories import api_client, store

pytestmark = [pytest.mark.concurrency, pytest.mark.usefixtures("_committed")]

TILLS = 20
BUYERS = 200
PIECES = 100


def test_the_last_hundred_pieces_are_sold_to_a_hundred_of_two_hundred_buyers():
    publish()
    item = listed(pieces=PIECES)
    buyers = [rich(1000) for _ in range(BUYERS)]
    answers = at_once(*[lambda of=buyers[nth::TILLS]: _each(of, item) for nth in range(TILLS)])
    told = [each for some in answers for each in some]

    assert sum(isinstance(each, Order) for each in told) == PIECES, told
    assert sum(isinstance(each, queries.ItemSoldOut) for each in told) == BUYERS - PIECES, told
    assert remaining(item) == 0
    # Who got one has paid, who got none has not; the ledger is verified after each test here.
    got = set(Order.objects.values_list("member_id", flat=True))
    assert len(got) == PIECES
    assert {points_of(each) for each in buyers if each.id in got} == {0}
    assert {points_of(each) for each in buyers if each.id not in got} == {1000}
    assert Entry.objects.filter(kind="REDEEM").count() == PIECES
    assert StockMove.objects.filter(kind="TAKEN").count() == PIECES


def _each(buyers, item):
    answers = []
    for one in buyers:
        try:
            answers.append(order(one, item))
        except queries.ItemSoldOut as refusal:
            answers.append(refusal)
    return answers


@pytest.mark.parametrize("locked", [True, False])
def test_the_second_who_wants_the_last_piece_pays_nothing(locked, monkeypatch):
    publish()
    item, one, other = listed(pieces=1), rich(), rich()
    if not locked:
        place = queries.places(item.pk)
        monkeypatch.setattr(claims, "_place", lambda _item, _store: place.all().first())
    second = Racer(lambda: order(other, item))

    with transaction.atomic():
        order(one, item)
        second.go()
        until_waiting(second)

    if locked:
        assert isinstance(second.answer(), queries.ItemSoldOut)
    else:
        # Only the database's check stops it, and that is no answer for a buyer.
        with pytest.raises(IntegrityError, match="not_below_zero"):
            second.answer()
    assert (points_of(one), points_of(other), Order.objects.count()) == (4000, 5000, 1)


def test_the_same_order_twice_at_once_is_one_order():
    publish()
    item, one = listed(pieces=5), rich()
    answers = at_once(*[lambda: order(one, item, reference="tap")] * 4)

    assert len({each.pk for each in answers}) == 1, answers
    assert (points_of(one), remaining(item)) == (4000, 4)


def test_what_is_cancelled_twice_at_once_comes_back_once():
    publish()
    item, one = listed(pieces=5), rich()
    made = order(one, item)
    answers = at_once(*[lambda: orders.cancel(order_id=made.pk, why="CHANGED_MIND", at=AT)] * 4)

    assert sum(isinstance(each, Order) for each in answers) == 1, answers
    assert (points_of(one), remaining(item)) == (5000, 5)


def test_ten_tries_of_a_system_place_one_order():
    publish()
    place, item, one = store(), listed(pieces=5, handovers=("STORE",)), rich()
    client = api_client(place.organization).pk
    told = at_once(*[lambda: _placed(place, one, item, client)] * 10)

    assert sorted(is_repeat for _order, is_repeat in told) == [False] + [True] * 9
    assert len({made.pk for made, _is_repeat in told}) == 1
    assert (points_of(one), remaining(item)) == (4000, 4)


def _placed(place, of, item, client, reference="R-1"):
    return orders.place_at_store(
        member=of, item_id=item.pk, price_id=price(item).pk, quantity=1,
        delivery=Delivery(handover="STORE", store_id=place.pk), at=AT, reference=reference,
        by=StoreSystem(client_id=client, store_ids=[place.pk]), store_id=place.pk,
    )  # fmt: skip


@pytest.mark.parametrize("indexed", [True, False])
def test_one_reference_for_two_members_at_once_places_one_order(indexed):
    publish()
    place, one, other = store(), rich(), rich()
    # Of an item each: nothing but the reference lies between them.
    items = [listed(pieces=5, handovers=("STORE",)) for _ in range(2)]
    client = api_client(place.organization).pk
    second = Racer(lambda: _placed(place, other, items[1], client))
    if not indexed:
        run("DROP INDEX benefits_order_systems_reference_once")
    try:
        with transaction.atomic():
            _placed(place, one, items[0], client)
            second.go()
            if indexed:
                until_waiting(second)
            else:
                second.answer()
        answer, placed = second.answer(), Order.objects.count()
    finally:
        if not indexed:
            run("ALTER TABLE benefits_order DISABLE TRIGGER forward")
            run("UPDATE benefits_order SET reference = id")
            run("ALTER TABLE benefits_order ENABLE TRIGGER forward")
            run(
                "CREATE UNIQUE INDEX benefits_order_systems_reference_once"
                " ON benefits_order (reference) WHERE placed_store_id IS NOT NULL"
            )

    if indexed:
        assert isinstance(answer, orders.OrderReferenceReused)
        assert (points_of(other), remaining(items[1]), placed) == (5000, 5, 1)
    else:
        assert placed == 2, "the look beforehand alone does not see the other"


def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
