"""Orders: points, limits, stock and the order move together, there and back (B4, P7, P8)."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from benefits.models.items import Claim
from benefits.models.orders import Order, OrderAddress, OrderStep
from benefits.operations import claims, orders
from benefits.operations.items import Limit
from benefits.operations.orders import Delivery, StoreSystem
from benefits.queries import items as catalogue
from benefits.queries import orders as queries
from common import personal
from common.personal import NamesSomebody
from members import cards
from members import operations as members
from members.phones import InvalidPhone
from points import operations as points
from points.models import Entry, Lot
from tests.benefits.buying import (
    AT,
    at_store,
    collectable,
    order,
    points_of,
    received,
    rich,
    sent,
)
from tests.benefits.plan import publish, someone
from tests.benefits.shop import listed, remaining
from tests.factories import api_client, dealer, lot, source, staff, store

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _tiers():
    publish()


def kinds(of):
    return [each.kind for each in OrderStep.objects.filter(order=of).order_by("nth")]


def lots(of):
    return list(Lot.objects.filter(member=of.id).order_by("seq").values_list("seq", "remaining"))


def test_an_order_takes_points_pieces_and_the_limit_together():
    item, one = listed(pieces=5, limits=(Limit(2, "MONTH"),)), rich()
    made = order(one, item, 2)

    assert (made.state, made.points, kinds(made)) == ("PAID", 2000, ["PLACED", "PAID"])
    assert (points_of(one), remaining(item)) == (3000, 3)
    entry = Entry.objects.get(member=one.id, seq=made.debit_seq)
    assert (entry.kind, entry.points, entry.note) == ("REDEEM", -2000, "保温杯 ×2")
    with pytest.raises(catalogue.ItemLimitReached):
        order(one, item)


def test_a_repeat_orders_once_and_the_reference_stands_for_nothing_else():
    item, one, other = listed(pieces=5), rich(), rich()
    first = order(one, item, reference="x")

    assert order(one, item, reference="x") == first
    assert order(other, item, reference="x") != first
    with pytest.raises(orders.OrderReferenceReused):
        order(one, item, 2, reference="x")
    assert (points_of(one), remaining(item)) == (4000, 3)


@pytest.mark.parametrize("in_one", [True, False])
def test_a_step_that_fails_gives_everything_back(in_one, monkeypatch):
    item, one = listed(pieces=1), rich()

    def sold_meanwhile(**_asked):
        raise catalogue.ItemSoldOut(item="保温杯")

    monkeypatch.setattr(claims, "take_stock", sold_meanwhile)
    if not in_one:
        monkeypatch.setattr(orders, "_place", orders._place.__wrapped__)
    with pytest.raises(catalogue.ItemSoldOut):
        order(one, item, reference="x")

    left = (points_of(one), Claim.objects.count(), Order.objects.count(), remaining(item))
    # Not in one transaction, the member would have paid for nothing.
    assert left == ((5000, 0, 0, 1) if in_one else (4000, 1, 1, 1))


def test_without_enough_points_nothing_happens():
    item, one = listed(pieces=1), rich(999)

    with pytest.raises(points.InsufficientPoints):
        order(one, item)
    assert (points_of(one), remaining(item), Claim.objects.count()) == (999, 1, 0)


@pytest.mark.parametrize(
    ("delivery", "refusal"),
    [
        (Delivery(handover="ONLINE"), orders.HandoverNotOffered),
        (Delivery(handover="SHIP", recipient="王", phone="1"), orders.AddressMissing),
        (
            Delivery(handover="SHIP", recipient="王", phone="abc", address="上海市"),
            InvalidPhone,
        ),
        (Delivery(handover="STORE"), orders.StoreNotOffered),
    ],
)
def test_says_how_the_member_gets_it(delivery, refusal):
    item = listed(pieces=1, handovers=("SHIP", "STORE"))

    with pytest.raises(refusal):
        order(rich(), item, delivery=delivery)
    assert remaining(item) == 1


def test_it_is_collected_at_a_store_that_is_open_and_offers_it():
    item, one = collectable(), rich()
    closed, of_partner = store(is_active=False), store(dealer(kind="PARTNER"))

    for place in (closed, of_partner):
        with pytest.raises(orders.StoreNotOffered):
            order(one, item, delivery=at_store(place))
    made = order(one, item, delivery=at_store(store()))
    assert not OrderAddress.objects.filter(order=made).exists()


def test_an_address_is_sealed():
    made = order(rich(), listed(pieces=1))
    with connection.cursor() as cursor:
        cursor.execute("SELECT recipient || phone || address FROM benefits_orderaddress")
        kept = cursor.fetchone()[0]

    assert "王小明" not in kept
    assert "13800138000" not in kept
    assert made.address.recipient == "王小明"


def test_an_order_is_picked_sent_and_received():
    item, by = listed(pieces=1), staff()
    made = received(rich(), item, by=by)

    assert kinds(made) == ["PLACED", "PAID", "PICKED", "SHIPPED", "RECEIVED"]
    assert (made.carrier, made.shipment) == ("顺丰", "SF1001")
    takers = OrderStep.objects.filter(order=made).order_by("nth").values_list("taker", "actor")
    assert list(takers)[1:4] == [("MEMBER", None), ("STAFF", by.pk), ("STAFF", by.pk)]


def test_only_what_fits_the_state_and_the_way_can_be_done():
    by = staff()
    item, one = listed(pieces=9, handovers=("SHIP", "STORE")), rich(9000)
    to_send, to_collect = order(one, item), order(one, item, delivery=at_store(store()))
    asked = {"at": AT, "by": by}

    for refused in (
        lambda: orders.ship(order_id=to_send.pk, carrier="a", shipment="b", **asked),
        lambda: orders.make_ready(order_id=to_collect.pk, **asked),
        lambda: orders.receive(order_id=to_send.pk, at=AT),
        lambda: orders.receive(order_id=to_send.pk, at=AT, who=orders.staff(by)),
        lambda: orders.ask_return(order_id=to_send.pk, why="DAMAGED", at=AT),
        lambda: orders.take_back(order_id=to_send.pk, note="退", to_stock=True, **asked),
        lambda: orders.refuse_return(order_id=to_send.pk, note="不", **asked),
    ):
        with pytest.raises(orders.WrongOrderState):
            refused()
    for each in (to_send, to_collect):
        orders.pick(order_id=each.pk, **asked)
    with pytest.raises(orders.WrongOrderState):
        orders.make_ready(order_id=to_send.pk, **asked)
    with pytest.raises(orders.WrongOrderState):
        orders.ship(order_id=to_collect.pk, carrier="a", shipment="b", **asked)
    with pytest.raises(orders.WrongOrderState):
        orders.cancel(order_id=to_send.pk, why="CHANGED_MIND", at=AT)
    with pytest.raises(orders.ShipmentMissing):
        orders.ship(order_id=to_send.pk, carrier="顺丰", shipment=" ", **asked)


def test_the_database_lets_no_order_go_backwards_nor_without_its_debit():
    made = sent(rich(), listed(pieces=1), by=staff())

    for change in ({"state": "PAID"}, {"state": "CLOSED"}, {"points": 1}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Order.objects.filter(pk=made.pk).update(**change)
    claim = Claim.objects.get(order=made)
    claim.pk, claim.reference = None, "another"
    claim.save()
    with pytest.raises(IntegrityError, match="benefits_order_debited"), transaction.atomic():
        Order.objects.create(
            member=made.member, reference="y", claim=claim, points=1, debit_seq=99,
            handover="ONLINE", state="PLACED", placed_at=AT,
        )  # fmt: skip
    with pytest.raises(DatabaseError), transaction.atomic():
        OrderStep.objects.update(note="x")


def test_what_is_cancelled_goes_back_to_its_own_lots():
    one = someone()
    lot(one, 600), lot(one, 700)
    item = listed(pieces=2, limits=(Limit(1, "LIFETIME"),))
    before = lots(one)
    made = order(one, item)
    assert lots(one) != before
    back = orders.cancel(order_id=made.pk, why="CHANGED_MIND", at=AT)

    assert (back.state, back.points_back) == ("CANCELLED", 1000)
    assert (lots(one), remaining(item)) == (before, 2)
    assert order(one, item).state == "PAID"
    with pytest.raises(orders.WrongOrderState):
        orders.cancel(order_id=made.pk, why="CHANGED_MIND", at=AT)


@pytest.mark.parametrize("stage", ["PAID", "PICKED", "READY"])
def test_staff_cancel_at_each_stage_before_it_is_handed_over(stage):
    one, by = rich(), staff()
    item = collectable()
    made = order(one, item, delivery=at_store(store()))
    if stage != "PAID":
        orders.pick(order_id=made.pk, at=AT, by=by)
    if stage == "READY":
        orders.make_ready(order_id=made.pk, at=AT, by=by)
    with pytest.raises(orders.WhyMissing):
        orders.cancel(order_id=made.pk, note=" ", at=AT, who=orders.staff(by))
    orders.cancel(order_id=made.pk, note="缺货", at=AT, who=orders.staff(by))

    assert (points_of(one), remaining(item)) == (5000, 5)


@pytest.mark.parametrize("to_stock", [True, False])
def test_what_is_taken_back_gives_the_points_and_perhaps_the_pieces(to_stock):
    one, by, item = rich(), staff(), listed(pieces=3)
    made = received(one, item, by=by)
    orders.ask_return(order_id=made.pk, why="DAMAGED", at=AT)
    assert points_of(one) == 4000
    orders.take_back(order_id=made.pk, note="已验收", to_stock=to_stock, at=AT, by=by)

    assert (points_of(one), remaining(item)) == (5000, 3 if to_stock else 2)


def test_a_return_can_be_refused_and_what_is_lost_on_its_way_refunded():
    one, by, item = rich(), staff(), listed(pieces=3)
    kept, lost = received(one, item, by=by), sent(one, item, by=by)
    orders.ask_return(order_id=kept.pk, why="CHANGED_MIND", at=AT)
    back = orders.refuse_return(order_id=kept.pk, note="已使用", at=AT, by=by)
    orders.take_back(order_id=lost.pk, note="丢件", to_stock=False, at=AT, by=by)

    assert (back.state, points_of(one)) == ("RECEIVED", 4000)


def test_who_has_left_gets_no_points_but_the_pieces_come_back():
    one, by, item = rich(), staff(), listed(pieces=1)
    made = order(one, item)
    members.close(member_id=one.id, closed_at=AT, by=by, reason="注销")
    back = orders.cancel(order_id=made.pk, note="会员注销", at=AT, who=orders.staff(by))

    assert (back.state, back.points_back, remaining(item)) == ("CANCELLED", 0, 1)


def test_a_note_that_stays_names_nobody():
    made = order(rich(), listed(pieces=1))

    with pytest.raises(NamesSomebody):
        orders.pick(order_id=made.pk, note="电话 13800138000", at=AT, by=staff())


def test_what_is_given_online_is_given_by_a_note():
    made = order(rich(), listed(handovers=("ONLINE",)), delivery=Delivery(handover="ONLINE"))
    by = staff()
    with pytest.raises(orders.WrongOrderState):
        orders.pick(order_id=made.pk, at=AT, by=by)
    given = orders.receive(order_id=made.pk, note="CODE-1", at=AT, who=orders.staff(by))

    assert given.state == "RECEIVED"


def system_of(place):
    return StoreSystem(client_id=api_client(place.organization).pk, store_ids=[place.pk])


def test_a_store_hands_over_to_the_members_code():
    one, other, place, by = rich(), someone(), store(), staff()
    made = order(one, collectable(), delivery=at_store(place))
    asked = {
        "order_id": made.pk, "at": AT, "by": system_of(place),
    }  # fmt: skip
    card = cards.code(one.id, at=AT)

    with pytest.raises(orders.WrongOrderState):
        orders.hand_over(card=card, **asked)
    orders.pick(order_id=made.pk, at=AT, by=by)
    orders.make_ready(order_id=made.pk, at=AT, by=by)
    with pytest.raises(orders.CardOfAnother):
        orders.hand_over(card=cards.code(other.id, at=AT), **asked)
    with pytest.raises(orders.UnknownOrder):
        orders.hand_over(card=card, **asked | {"by": system_of(store())})
    for _ in range(2):
        assert orders.hand_over(card=card, **asked).state == "RECEIVED"
    assert kinds(made).count("RECEIVED") == 1


def test_an_erasure_takes_the_address_and_leaves_the_order():
    one = rich()
    made = order(one, listed(pieces=1))
    personal.erase([one.id])

    assert not OrderAddress.objects.exists()
    assert Order.objects.filter(pk=made.pk).exists()


def test_who_was_joined_with_another_sees_the_orders_of_both():
    one, other = rich(), rich()
    first, second = order(other, listed(pieces=1)), order(one, listed(pieces=1))
    points.merge_accounts(member=other, into=one, at=AT, source=source(), by=staff(), note="one")

    assert list(queries.of_member(one.id)) == [second, first]
    assert list(queries.of_member(other.id)) == [first]


def test_each_state_has_its_day():
    one, by, item = rich(), staff(), listed(pieces=1)
    made = sent(one, item, by=by)

    assert made.due_at == AT + timedelta(days=15)
    assert (
        orders.take_back(order_id=made.pk, note="丢件", to_stock=False, at=AT, by=by).due_at is None
    )
