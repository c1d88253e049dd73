"""Items that give something by themselves: coupons, and goes at a prize draw (B3)."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from benefits.models.coupons import Coupon
from benefits.models.draws import DrawOutcome
from benefits.models.orders import Order
from benefits.models.payments import Payment
from benefits.operations import coupons, orders, payments
from benefits.operations import items as listings
from benefits.operations._giving import DrawnAlready
from benefits.operations._steps import Who
from benefits.operations.items import Price
from benefits.operations.orders import Delivery
from benefits.queries import items as catalogue
from benefits.queries import orders as queries
from points.models import Entry
from points.queries import balance
from tests.benefits import coupon_plan, draw_plan
from tests.benefits.buying import AT, order, points_of, rich
from tests.benefits.plan import publish
from tests.benefits.shop import drafted, listed, terms
from tests.factories import staff, store

pytestmark = pytest.mark.django_db
ONLINE = Delivery(handover="ONLINE")


@pytest.fixture(autouse=True)
def _rulebook():
    publish()


def voucher(batch, **more):
    told = {"source": "COUPON", "handovers": ("ONLINE",), "batch_id": batch.pk, "is_counted": False}
    return listed(**told | {"prices": (Price(300),)} | more)


def ticket(draw, **more):
    told = {"source": "DRAW", "handovers": ("ONLINE",), "draw_id": draw.pk, "is_counted": False}
    return listed(**told | {"prices": (Price(100),)} | more)


def buy(member, item, quantity=1, **more):
    return order(member, item, quantity, delivery=ONLINE, **more)


class TestCoupons:
    def test_each_piece_is_a_coupon_of_the_members_own(self):
        one, batch = rich(), coupon_plan.running()

        made = buy(one, voucher(batch), 2)

        assert made.state == "RECEIVED"
        given = queries.coupons_given(made)
        assert [each.member_id for each in given] == [one.id, one.id]
        assert points_of(one) == 5000 - 600
        assert [each.kind for each in queries.steps(made.pk)] == ["PLACED", "PAID", "RECEIVED"]

    def test_the_same_order_again_gives_no_more(self):
        one, item = rich(), voucher(coupon_plan.running())

        for _ in range(2):
            buy(one, item, reference="once")

        assert Coupon.objects.count() == 1

    def test_what_is_all_given_out_costs_nothing(self):
        batch = coupon_plan.running(total=1)
        item, first, second = voucher(batch), rich(), rich()
        buy(first, item)

        with pytest.raises(catalogue.ItemSoldOut):
            buy(second, item)

        assert (points_of(second), Order.objects.count(), Coupon.objects.count()) == (5000, 1, 1)

    def test_a_members_limit_of_the_batch_holds(self):
        one, item = rich(), voucher(coupon_plan.running(per_member=1))
        buy(one, item)

        with pytest.raises(coupons.MemberLimitReached):
            buy(one, item)

        assert points_of(one) == 5000 - 300

    def test_whose_coupons_are_over_is_sold_out(self):
        batch = coupon_plan.running()
        item = voucher(batch)
        coupons.end(batch_id=batch.pk, by=staff())

        with pytest.raises(catalogue.ItemSoldOut):
            buy(rich(), item)

    def test_taken_back_it_is_good_for_nothing_and_the_points_return(self):
        one = rich()
        made = buy(one, voucher(coupon_plan.running()))

        orders.take_back(order_id=made.pk, note="误兑", to_stock=False, at=AT, by=staff())

        assert points_of(one) == 5000
        assert [each.state for each in queries.coupons_given(made)] == ["REVOKED"]

    def test_used_it_is_not_taken_back(self):
        one = rich()
        made = buy(one, voucher(coupon_plan.running()))
        [coupon] = queries.coupons_given(made)
        here = Who(by=staff(), store_id=store().pk)
        lines = coupon_plan.bill(100)
        coupons.consume(code=coupon.code, at=AT, who=here, receipt="R1", lines=lines)

        with pytest.raises(coupons.CouponUsed):
            orders.take_back(order_id=made.pk, note="误兑", to_stock=False, at=AT, by=staff())

        assert points_of(one) == 5000 - 300


class TestDraws:
    def test_each_piece_is_a_go_that_costs_no_more_points(self):
        draw = draw_plan.published(draw_plan.certain(), entry_points=50)
        one = rich()

        made = buy(one, ticket(draw), 2)

        assert made.state == "RECEIVED"
        assert [each.number for each in queries.draws_given(made)] == [1, 2]
        # Two tickets of 100, and 20 points won by each.
        assert balance(one.id) == 5000 - 200 + 40

    def test_whoever_may_not_draw_pays_nothing(self):
        draw = draw_plan.published(limit_count=1, limit_period="DAY")
        one, item = rich(), ticket(draw)
        buy(one, item)

        with pytest.raises(draw_plan.draws.DrawLimitReached):
            buy(one, item)

        assert (points_of(one), DrawOutcome.objects.count()) == (4900, 1)

    def test_when_the_draw_is_over_there_are_no_tickets(self):
        draw = draw_plan.published()
        item = ticket(draw)
        draw_plan.draws.close(draw_id=draw.pk, by=staff(), at=AT)

        with pytest.raises(catalogue.ItemSoldOut):
            buy(rich(), item)

    def test_what_was_drawn_is_not_taken_back(self):
        one = rich()
        made = buy(one, ticket(draw_plan.published()))

        with pytest.raises(DrawnAlready):
            orders.take_back(order_id=made.pk, note="误兑", to_stock=False, at=AT, by=staff())

        assert Order.objects.get().state == "RECEIVED"


class TestForMoney:
    def test_it_is_given_when_the_money_is_there(self, settings):
        settings.SANDBOX = True
        one, item = rich(), voucher(coupon_plan.running(), prices=(Price(100, Decimal(9)),))
        made = buy(one, item)
        assert (made.state, Coupon.objects.count()) == ("PLACED", 0)

        payments.pay_in_sandbox(number=Payment.objects.get(order=made).number, at=AT)

        made.refresh_from_db()
        assert (made.state, len(queries.coupons_given(made))) == ("RECEIVED", 1)

    def test_given_out_meanwhile_points_and_money_go_back(self, settings):
        settings.SANDBOX = True
        one, batch = rich(), coupon_plan.running()
        made = buy(one, voucher(batch, prices=(Price(100, Decimal(9)),)))
        coupons.end(batch_id=batch.pk, by=staff())

        payments.pay_in_sandbox(number=Payment.objects.get(order=made).number, at=AT)

        made.refresh_from_db()
        assert (made.state, points_of(one)) == ("CANCELLED", 5000)
        assert Payment.objects.get().refund.amount == Decimal(9)
        assert not Coupon.objects.exists()
        assert Entry.objects.filter(member_id=one.id, kind="REDEEM").count() == 0


class TestWhatAListingSays:
    @pytest.mark.parametrize(
        ("said", "refusal"),
        [
            ({"source": "COUPON"}, listings.CouponMissing),
            ({"source": "DRAW"}, listings.DrawMissing),
            ({"source": "GOODS", "batch_id": 1}, listings.CouponMissing),
            ({"source": "GOODS", "draw_id": 1}, listings.DrawMissing),
            ({"source": "COUPON", "batch_id": 1, "handovers": ("SHIP",)}, listings.GivenOnline),
        ],
    )
    def test_makes_sense(self, said, refusal):
        with pytest.raises(refusal):
            terms(**said).require_sense()

    def test_codes_on_paper_are_no_item(self):
        batch, _codes = coupon_plan.generated()
        draft = drafted(source="COUPON", handovers=("ONLINE",), batch_id=batch.pk)

        with pytest.raises(coupons.NotForMembers):
            listings.hold_draft(listing_id=draft.pk, revision=1)

    @pytest.mark.parametrize("said", ["batch_id = NULL", "handovers = '{SHIP}'", "source = 'OWN'"])
    def test_the_database_holds_it(self, said):
        draft = drafted(source="COUPON", handovers=("ONLINE",), batch_id=coupon_plan.running().pk)
        with pytest.raises(IntegrityError), transaction.atomic():
            _sql(f"UPDATE benefits_listing SET {said} WHERE id = {draft.pk}")


def _sql(text):
    with connection.cursor() as cursor:
        cursor.execute(text)
