"""The last piece and the last of a limit, wanted twice at once."""

from datetime import date

import pytest
from django.db import transaction

from benefits.models.coupons import Coupon
from benefits.models.items import Claim, StockMove
from benefits.models.orders import Order
from benefits.operations import claims, coupons
from benefits.operations.items import Limit
from benefits.operations.orders import Delivery
from benefits.queries import items as queries
from tests.benefits import coupon_plan
from tests.benefits.buying import order, points_of, rich
from tests.benefits.plan import publish, someone
from tests.benefits.shop import claim, listed, remaining, take
from tests.concurrency.racing import Racer, at_once, until_waiting

pytestmark = [pytest.mark.concurrency, pytest.mark.usefixtures("_committed")]


ONLINE = Delivery(handover="ONLINE")


@pytest.mark.parametrize("locked", [True, False])
def test_the_last_piece_is_taken_once(locked, monkeypatch):
    item = listed(pieces=1)
    if not locked:
        place = queries.places(item.pk)
        monkeypatch.setattr(claims, "_place", lambda _item, _store: place.all().first())
    second = Racer(lambda: take(item))

    with transaction.atomic():
        take(item)
        second.go()
        until_waiting(second)
    answer = second.answer(may_fail=not locked)

    if locked:
        assert isinstance(answer, queries.ItemSoldOut), answer
    else:
        # It saw the piece that was gone already; only the check of the database stops it.
        assert "benefits_stock_not_below_zero" in str(answer)
    assert remaining(item) == 0


def test_of_many_who_want_pieces_as_many_get_one_as_there_are():
    item = listed(pieces=5)
    answers = at_once(*[lambda: take(item) for _ in range(12)])

    assert sum(isinstance(each, queries.ItemSoldOut) for each in answers) == 7, answers
    assert StockMove.objects.filter(kind="TAKEN").count() == 5


@pytest.mark.parametrize("locked", [True, False])
def test_a_limit_holds_for_two_orders_at_once(locked, monkeypatch):
    publish()
    item, one = listed(limits=(Limit(1, "MONTH"),)), someone()
    if not locked:
        monkeypatch.setattr(claims.points, "lock", lambda _member: None)
    second = Racer(lambda: claim(one, item))

    with transaction.atomic():
        claim(one, item)
        second.go()
        if locked:
            until_waiting(second)
        else:
            second.join(5)
    answer = second.answer()

    if locked:
        assert isinstance(answer, queries.ItemLimitReached), answer
    assert Claim.objects.filter(on=date(2026, 7, 5)).count() == (1 if locked else 2)


def test_what_comes_back_twice_at_once_comes_back_once():
    item = listed(pieces=3)
    reference = take(item, 2)
    at_once(*[lambda: claims.return_stock(reference=reference, at=item.listed_at)] * 2)

    assert remaining(item) == 3


def test_of_many_who_buy_coupons_as_many_get_one_as_there_are():
    publish()
    batch = coupon_plan.running(total=5)
    item = listed(
        source="COUPON", handovers=("ONLINE",), batch_id=batch.pk, is_counted=False, pieces=None
    )
    buyers = [rich() for _ in range(12)]

    answers = at_once(*[lambda one=one: order(one, item, delivery=ONLINE) for one in buyers])

    refused = [each for each in answers if not isinstance(each, Order)]
    assert len(refused) == 7, answers
    assert {type(each) for each in refused} <= {queries.ItemSoldOut, coupons.BatchExhausted}
    assert (Order.objects.count(), Coupon.objects.count()) == (5, 5)
    assert sum(points_of(one) for one in buyers) == 12 * 5000 - 5 * 1000
