"""Orders that stores' systems place for members over REST (X2, B4, P7)."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from benefits.models.coupons import Coupon
from benefits.models.items import Claim
from benefits.models.orders import Order, OrderStep
from benefits.models.payments import Refund
from benefits.operations import orders, payments
from benefits.operations.items import Limit
from members import operations as members
from members.models import Tag
from tests import factories
from tests.benefits import coupon_plan
from tests.benefits.buying import AT, HOME, order, points_of, rich
from tests.benefits.draw_plan import certain, published
from tests.benefits.paying import PRICE, follow, wechat_pay
from tests.benefits.plan import publish
from tests.benefits.shop import listed, price, remaining
from tests.factories import staff, store
from tests.till import Till, refused

pytestmark = pytest.mark.django_db
SENT = {"handover": "SHIP", "recipient": "王小明", "phone": "13800138000", "address": "世纪大道1号"}


@pytest.fixture(autouse=True)
def _in_july():
    publish()
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def place():
    return store(code="S1")


@pytest.fixture
def system(place):
    return factories.api_client(place.organization)


@pytest.fixture
def till(system):
    return Till(system)


@pytest.fixture
def stranger():
    return Till(factories.api_client(store(code="S2").organization))


@pytest.fixture
def item():
    return listed("cup", handovers=("STORE", "SHIP"), pieces=5)


@pytest.fixture
def of():
    return rich(name="王小明")


def said(of, one, **more):
    asked = {
        "reference": "O-1", "member": of.number, "store": "S1", "item": one.code,
        "price": price(one).pk, "handover": "STORE",
    }  # fmt: skip
    return asked | more


def nothing_happened(of, item):
    assert (points_of(of), remaining(item), Claim.objects.count()) == (5000, 5, 0)


class TestPlacing:
    def test_pays_with_points_and_is_collected_here(self, till, system, of, item):
        answer = till.send("orders/", said(of, item, quantity=2))

        assert answer.status_code == 201
        told = answer.json()
        assert (told["state"], told["points"], told["quantity"]) == ("PAID", 2000, 2)
        assert (told["store"], told["placed_store"], told["handover"]) == ("S1", "S1", "STORE")
        assert told["name"] == "王**"
        assert (points_of(of), remaining(item)) == (3000, 3)
        steps = OrderStep.objects.order_by("nth")
        assert [(each.kind, each.taker) for each in steps] == [
            ("PLACED", "CLIENT"), ("PAID", "CLIENT"),
        ]  # fmt: skip
        assert {each.client_id for each in steps} == {system.pk}

    def test_a_repeat_gets_the_first_and_another_with_its_reference_none(
        self, till, of, item, stranger
    ):
        first = till.send("orders/", said(of, item))
        again = till.send("orders/", said(of, item))

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
        other = rich()
        for changed in (
            {"quantity": 2},
            {"member": other.number},
            SENT,
        ):
            asked = said(of, item, **changed)
            refused(till.send("orders/", asked), 409, "order_reference_reused")
        assert (points_of(of), points_of(other), Order.objects.count()) == (4000, 5000, 1)
        # Another organization's document of the same number, and the member's own.
        assert stranger.send("orders/", said(of, item, store="S2")).status_code == 201
        assert order(of, item, reference="O-1").number

    def test_what_is_sent_says_to_whom(self, till, of, item):
        refused(till.send("orders/", said(of, item, handover="SHIP")), 422, "address_missing")
        asked = said(of, item, **SENT | {"phone": "abc"})
        refused(till.send("orders/", asked), 422, "invalid_phone")
        nothing_happened(of, item)
        made = till.send("orders/", said(of, item, **SENT)).json()

        assert (made["store"], made["placed_store"]) == (None, "S1")
        assert Order.objects.get().address.recipient == "王小明"
        asked = said(of, item, **SENT | {"address": "人民广场"})
        refused(till.send("orders/", asked), 409, "order_reference_reused")

    @pytest.mark.parametrize(
        ("changed", "status", "code"),
        [
            ({"store": "S2"}, 422, "unknown_store"),
            ({"member": "M9999999990"}, 404, "unknown_member"),
            ({"item": "nothing"}, 404, "unknown_item"),
            ({"price": 1}, 409, "price_changed"),
            ({"handover": "ONLINE"}, 422, "handover_not_offered"),
            ({"quantity": 6}, 409, "too_few_in_stock"),
            ({"quantity": 21}, 422, "invalid"),
            ({"quantity": 0}, 422, "invalid"),
            ({"quantity": 10**30}, 422, "invalid"),
            ({"quantity": "2"}, 422, "invalid"),
            ({"reference": "a\0b"}, 400, "malformed_json"),
            ({"reference": ""}, 422, "invalid"),
            ({"price": 2**63}, 422, "invalid"),
            ({"more": 1}, 422, "invalid"),
        ],
    )
    def test_what_makes_no_sense_changes_nothing(
        self, till, stranger, of, item, changed, status, code
    ):
        answer = till.send("orders/", said(of, item, **changed))

        if code == "malformed_json":
            assert answer.status_code in (400, 422)
        else:
            refused(answer, status, code)
        nothing_happened(of, item)

    def test_the_operation_knows_how_many_pieces_there_may_be(self, of, item):
        with pytest.raises(orders.TooManyPieces):
            order(of, item, 21)
        nothing_happened(of, item)

    def test_without_enough_points_or_as_a_frozen_member_nothing_happens(self, till, item):
        poor = rich(points=999)
        refused(till.send("orders/", said(poor, item)), 409, "insufficient_points")
        assert (points_of(poor), remaining(item)) == (999, 5)
        one = rich()
        members.freeze(member_id=one.id, reason="x", by=staff())
        refused(till.send("orders/", said(one, item)), 409, "member_frozen")
        assert remaining(item) == 5

    def test_limits_hold(self, till, of):
        item = listed(handovers=("STORE",), pieces=5, limits=(Limit(1, "MONTH"),))
        assert till.send("orders/", said(of, item)).status_code == 201
        refused(
            till.send("orders/", said(of, item, reference="O-2")), 409, "item_limit_reached"
        )  # fmt: skip

    def test_what_is_for_chosen_members_others_do_not_even_see(self, till, of):
        tag = Tag.objects.create(name="车友会")
        item = listed(handovers=("STORE",), pieces=5, tags=(tag.pk,))

        refused(till.send("orders/", said(of, item)), 404, "unknown_item")

    def test_a_member_cannot_take_a_systems_name(self, of, item):
        with pytest.raises(orders.points.InvalidReference):
            order(of, item, reference="api:0")

    def test_coupons_are_had_at_once(self, till, of):
        batch = coupon_plan.running()
        item = listed(source="COUPON", handovers=("ONLINE",), batch_id=batch.pk)
        told = till.send("orders/", said(of, item, handover="ONLINE", quantity=2)).json()

        assert told["state"] == "RECEIVED"
        assert Coupon.objects.filter(member=of.id).count() == 2
        given = OrderStep.objects.get(kind="RECEIVED")
        assert given.taker == "CLIENT"

    def test_goes_at_draws_are_for_ones_own_members(self, till, place, of):
        draw = published(certain(), opens_at=AT, closes_at=AT.replace(month=9))
        item = listed(source="DRAW", handovers=("ONLINE",), draw_id=draw.pk)

        asked = said(of, item, handover="ONLINE")
        refused(till.send("orders/", asked), 403, "not_your_member")
        own = rich(store=place)
        assert till.send("orders/", said(own, item, handover="ONLINE")).status_code == 201

    def test_needs_the_scope(self, place, of, item):
        reader = Till(factories.api_client(place.organization, scopes=["orders:read"]))

        refused(reader.send("orders/", said(of, item)), 403, "insufficient_scope")
        nothing_happened(of, item)

    def test_asks_the_database_so_often(self, till, of, item, django_assert_max_num_queries):
        till.send("orders/", said(of, item, reference="O-0"))

        with django_assert_max_num_queries(44):
            assert till.send("orders/", said(of, item)).status_code == 201


class TestPaying:
    @pytest.fixture
    def item(self):
        return listed("cup", handovers=("STORE",), pieces=5, prices=PRICE)

    def test_with_a_code_for_the_members_phone(self, till, of, item):
        made = till.send("orders/", said(of, item)).json()
        assert (made["state"], made["cash"]) == ("PLACED", "60.00")

        asked = [till.ask(f"orders/{made['number']}/payment/").json() for _ in range(2)]
        assert asked[0] == asked[1]
        assert (asked[0]["state"], asked[0]["amount"]) == ("WAITING", "60.00")
        assert "/pay/" in asked[0]["code_url"] or "sandbox" in asked[0]["code_url"]
        payments.pay_in_sandbox(number=Order.objects.get().payment.number, at=timezone.now())
        paid = till.ask(f"orders/{made['number']}/payment/").json()
        assert (paid["state"], paid["code_url"]) == ("PAID", None)
        assert till.ask(f"orders/{made['number']}/").json()["state"] == "PAID"

        body = {"store": "S1", "why": "CHANGED_MIND"}
        told = till.send(f"orders/{made['number']}/cancellation/", body).json()
        assert told["state"] == "CANCELLED"
        follow(AT)
        assert Refund.objects.get().state == "DONE"
        assert points_of(of) == 5000

    def test_what_the_member_began_on_the_own_phone_is_left_alone(self, till, of, item, settings):
        settings.WECHAT_PAY_H5 = True
        with wechat_pay(settings) as provider:
            number = till.send("orders/", said(of, item)).json()["number"]
            assert till.ask(f"orders/{number}/payment/").json()["code_url"]
            link = payments.begin(order_id=Order.objects.get().pk, at=AT, way="H5", payer_ip="::1")

            told = till.ask(f"orders/{number}/payment/").json()
            assert (told["state"], told["code_url"]) == ("WAITING", None)
            assert provider.orders[link.number]["trade_state"] == "NOTPAY"
            with time_machine.travel(AT + timedelta(minutes=6), tick=False):
                assert till.ask(f"orders/{number}/payment/").json()["code_url"]
            assert provider.orders[link.number]["trade_state"] == "CLOSED"

    def test_is_told_to_who_placed_it_only(self, till, stranger, of, item):
        made = till.send("orders/", said(of, item)).json()

        answer = stranger.ask(f"orders/{made['number']}/payment/")
        refused(answer, 404, "unknown_order")
        free = listed("bag", handovers=("STORE",), pieces=5)
        number = till.send("orders/", said(of, free, reference="O-2")).json()["number"]
        refused(till.ask(f"orders/{number}/payment/"), 404, "unknown_payment")


class TestGivingBack:
    @pytest.fixture
    def made(self, till, of, item):
        return till.send("orders/", said(of, item)).json()["number"]

    def test_a_cancellation_gives_everything_back_once(self, till, of, item, made):
        body = {"store": "S1", "why": "MISTAKE", "note": "误点"}
        answers = [till.send(f"orders/{made}/cancellation/", body) for _ in range(2)]

        assert [each.status_code for each in answers] == [200, 200]
        assert answers[0].json()["state"] == "CANCELLED"
        assert (points_of(of), remaining(item)) == (5000, 5)
        step = OrderStep.objects.get(kind="CANCELLED")
        assert (step.taker, step.why, step.note) == ("CLIENT", "MISTAKE", "误点")

    def test_what_the_member_has_comes_back(self, till, of, item, made):
        one = Order.objects.get()
        body = {"store": "S1", "why": "DAMAGED", "to_stock": False}
        refused(till.send(f"orders/{made}/return/", body), 409, "wrong_order_state")
        for name in ("pick", "ready"):
            till.send(f"orders/{made}/{name}/", {"store": "S1"})
        orders.hand_over_to(
            order_id=one.pk, member_id=of.id, store_id=one.store_id, at=AT, by=staff()
        )
        refused(
            till.send(f"orders/{made}/cancellation/", {"store": "S1", "why": "OTHER"}),
            409, "wrong_order_state",
        )  # fmt: skip

        answers = [till.send(f"orders/{made}/return/", body) for _ in range(2)]
        assert [each.json()["state"] for each in answers] == ["RETURNED", "RETURNED"]
        assert (points_of(of), remaining(item)) == (5000, 4), "what is broken is not sold again"
        assert OrderStep.objects.filter(kind="RETURNED").count() == 1

    def test_others_orders_are_not_there(self, till, stranger, place, of, item, made):
        body = {"store": "S2", "why": "OTHER"}
        refused(stranger.send(f"orders/{made}/cancellation/", body), 404, "unknown_order")
        refused(
            stranger.send(f"orders/{made}/return/", body | {"to_stock": True}),
            404, "unknown_order",
        )  # fmt: skip
        own = order(of, item, delivery=HOME)
        body = {"store": "S1", "why": "OTHER"}
        refused(till.send(f"orders/{own.number}/cancellation/", body), 404, "unknown_order")
        assert points_of(of) == 3000

    def test_what_names_somebody_or_gives_no_reason_is_refused(self, till, made):
        for body in (
            {"store": "S1"},
            {"store": "S1", "why": "NOT_PAID"},
            {"store": "S1", "why": "OTHER", "note": "打 13800138000"},
        ):
            assert till.send(f"orders/{made}/cancellation/", body).status_code == 422
        assert Order.objects.get().state == "PAID"

    def test_what_was_given_online_staff_take_back(self, till, of):
        batch = coupon_plan.running()
        item = listed(source="COUPON", handovers=("ONLINE",), batch_id=batch.pk)
        made = till.send("orders/", said(of, item, handover="ONLINE")).json()["number"]

        body = {"store": "S1", "why": "OTHER", "to_stock": False}
        refused(till.send(f"orders/{made}/return/", body), 409, "wrong_order_state")


def test_what_a_system_placed_it_sees_also_when_it_is_sent(till, stranger, of, item):
    made = till.send("orders/", said(of, item, **SENT)).json()["number"]

    assert till.ask(f"orders/{made}/").json()["placed_store"] == "S1"
    listed_ = [each["number"] for each in till.ask("orders/?store=S1").json()["results"]]
    assert listed_ == [made]
    refused(stranger.ask(f"orders/{made}/"), 404, "unknown_order")
    # But it is not theirs to lead: the warehouse sends it.
    refused(till.send(f"orders/{made}/pick/", {"store": "S1"}), 404, "unknown_order")


def test_a_trigger_keeps_where_it_was_placed(till, of, item):
    till.send("orders/", said(of, item))

    with pytest.raises(Exception, match="does not change"):
        Order.objects.update(placed_store=None)
