"""What the night does with orders, and how it proves them."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils.timezone import localdate

from benefits.models.orders import Order, OrderStep
from benefits.nightly.orders import follow_orders, verify_orders, verify_stock
from benefits.operations import orders
from benefits.operations.orders import Delivery
from points.queries import start_of_day
from tests.benefits import coupon_plan
from tests.benefits.buying import AT, order, received, rich, sent
from tests.benefits.plan import LADDER, publish
from tests.benefits.shop import listed
from tests.factories import rulebook, staff

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _tiers():
    publish()


def night(days):
    return follow_orders(day=localdate(AT) + timedelta(days=days))


def test_what_is_not_picked_in_time_is_late_until_it_is():
    made = order(rich(), listed(pieces=1))

    assert night(3) == {"late": 0, "received": 0, "closed": 0}
    assert night(4) == {"late": 1, "received": 0, "closed": 0}
    assert night(5)["late"] == 0
    assert Order.objects.get(pk=made.pk).is_late
    assert not orders.pick(order_id=made.pk, at=AT, by=staff()).is_late


def test_what_was_sent_counts_as_received_and_is_closed_when_it_cannot_be_given_back():
    item, by = listed(pieces=2), staff()
    on_its_way, had = sent(rich(), item, by=by), received(rich(), item, by=by)

    assert night(15) == {"late": 0, "received": 0, "closed": 0}
    assert night(16) == {"late": 0, "received": 1, "closed": 1}
    assert night(32) == {"late": 0, "received": 0, "closed": 1}
    assert night(60) == {"late": 0, "received": 0, "closed": 0}
    for each in (on_its_way, had):
        each.refresh_from_db()
        assert (each.state, each.due_at) == ("CLOSED", None)
        with pytest.raises(orders.WrongOrderState):
            orders.ask_return(order_id=each.pk, why="DAMAGED", at=AT)
    steps = OrderStep.objects.filter(order=on_its_way).order_by("nth").values_list("kind", "taker")
    assert list(steps)[-2:] == [("RECEIVED", "NIGHT"), ("CLOSED", "NIGHT")]


def test_how_long_it_waits_is_what_the_rulebook_of_the_day_says():
    terms = {"pick_days": 1, "arrive_days": 2, "return_days": 4}
    rulebook(valid_from=str(localdate(AT)), orders=terms, sections={"tiers": LADDER})
    item, by = listed(pieces=2), staff()
    waiting, on_its_way = order(rich(), item), sent(rich(), item, by=by)

    assert night(2) == {"late": 1, "received": 0, "closed": 0}
    assert night(3) == {"late": 0, "received": 1, "closed": 0}
    on_its_way.refresh_from_db()
    assert on_its_way.due_at == start_of_day(localdate(AT) + timedelta(days=3 + 4))
    waiting.refresh_from_db()
    assert waiting.is_late


def test_what_is_right_raises_no_alarm():
    item, by, one = listed(pieces=9), staff(), rich()
    order(one, item)
    orders.cancel(order_id=order(one, item).pk, why="MISTAKE", at=AT)
    for to_stock in (True, False):
        had = received(one, item, by=by)
        orders.take_back(order_id=had.pk, note="退", to_stock=to_stock, at=AT, by=by)

    batch = coupon_plan.running()
    voucher = listed(source="COUPON", handovers=("ONLINE",), batch_id=batch.pk, is_counted=False)
    for taken_back in (False, True):
        given = order(one, voucher, delivery=Delivery(handover="ONLINE"))
        if taken_back:
            orders.take_back(order_id=given.pk, note="退", to_stock=True, at=AT, by=by)

    assert verify_orders(day=localdate(AT)) == {"orders": 6, "differences": 0}
    assert verify_stock(day=localdate(AT)) == {"places": 1, "differences": 0}


@pytest.mark.parametrize(
    ("broken", "equation"),
    [
        ("UPDATE benefits_order SET points = points + 1", "debit"),
        ("DELETE FROM benefits_stockmove WHERE kind = 'TAKEN'", "taken"),
        ("UPDATE benefits_claim SET given_back_at = now()", "claim"),
        (
            (
                "INSERT INTO benefits_stockmove (stock_id, kind, quantity, remaining_after,"
                " reference, reason, at) SELECT stock_id, 'RETURNED', 1, 0, reference, '', at"
                " FROM benefits_stockmove WHERE kind = 'TAKEN'"
            ),
            "back",
        ),
    ],
)
def test_an_order_that_does_not_add_up_is_found(broken, equation, as_owner_without_triggers):
    made = order(rich(), listed(pieces=3))
    as_owner_without_triggers(broken)

    assert verify_orders(day=localdate(AT))["findings"] == [f"{equation},{made.pk}"]


@pytest.mark.parametrize(
    ("broken", "equation"),
    [
        ("UPDATE benefits_stock SET remaining = remaining + 1", "left"),
        (("DELETE FROM benefits_orderstep; DELETE FROM benefits_orderaddress;"
         " DELETE FROM benefits_order"), "named"),
    ],
)  # fmt: skip
def test_stock_that_does_not_add_up_is_found(broken, equation, as_owner_without_triggers):
    order(rich(), listed(pieces=3))
    as_owner_without_triggers(broken)

    (finding,) = verify_stock(day=localdate(AT))["findings"]
    assert finding.startswith(equation)


@pytest.fixture
def as_owner_without_triggers(db):
    def run(sql):
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in ("order", "orderstep", "stock", "stockmove", "claim"):
                # With the test all of it is rolled back.
                cursor.execute(f"ALTER TABLE benefits_{table} DISABLE TRIGGER USER")
            cursor.execute(sql)

    return run
