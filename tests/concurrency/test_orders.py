"""The last pieces, wanted by many at once; and the same order, undone twice at once."""

import pytest
from django.db import IntegrityError, transaction

from benefits.models.items import StockMove
from benefits.models.orders import Order
from benefits.operations import claims, orders
from benefits.queries import items as queries
from points.models import Entry
from tests.benefits.buying import AT, order, points_of, rich
from tests.benefits.plan import publish
from tests.benefits.shop import listed, remaining
from tests.concurrency.racing import Racer, at_once, until_waiting

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
