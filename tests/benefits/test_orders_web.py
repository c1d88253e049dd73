"""Members order, follow, cancel and give back on their own pages."""

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from benefits.models.coupons import Coupon
from benefits.models.orders import Order
from benefits.operations import orders
from benefits.operations.items import Price
from members import operations as members
from tests.benefits import coupon_plan, draw_plan
from tests.benefits.buying import AT, collectable, order, points_of, received, rich, sent
from tests.benefits.plan import publish
from tests.benefits.shop import listed, price, remaining
from tests.factories import staff, store

pytestmark = pytest.mark.django_db

HOME = {"handover": "SHIP", "recipient": "王小明", "phone": "13800138000", "address": "世纪大道1号"}


@pytest.fixture(autouse=True)
def _in_july():
    publish()
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def of():
    return rich()


def client_of(one):
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(members.login_for(member_id=one.id))
    return client


@pytest.fixture
def client(of):
    return client_of(of)


def ask(client, item, **said):
    page = reverse("benefits:order_item", args=[item.code])
    shown = client.get(page)
    assert shown.status_code == 200
    form = {
        "reference": shown.context["form"].initial["reference"],
        "price": price(item).pk,
        "quantity": 1,
    }
    return page, form | said


def test_from_the_item_to_the_order(client, of, django_assert_max_num_queries):
    item = listed(pieces=2)
    assert reverse("benefits:order_item", args=[item.code]) in (
        client.get(reverse("benefits:item", args=[item.code])).content.decode()
    )
    page, form = ask(client, item, **HOME)
    assert "After one piece, 4,000 are left." in client.get(page).content.decode()
    answers = [client.post(page, form) for _ in range(2)]
    made = Order.objects.get()

    assert {each.url for each in answers} == {reverse("benefits:order", args=[made.pk])}
    assert (points_of(of), remaining(item)) == (4000, 1)
    with django_assert_max_num_queries(9):
        told = client.get(answers[0].url).content.decode()
    assert "世纪大道1号" in told
    assert "Cancel the order" in told
    with django_assert_max_num_queries(9):
        assert "Paid" in client.get(reverse("benefits:orders")).content.decode()


def test_a_refusal_is_said_and_nothing_taken(client, of):
    item = listed(pieces=1)
    page, form = ask(client, item, **HOME | {"address": ""})
    answer = client.post(page, form)

    assert answer.status_code == 422
    assert "Say who gets it" in answer.content.decode()
    assert points_of(of) == 5000


def test_it_is_collected_at_a_chosen_store(client):
    place = store(name="Pudong")
    page, form = ask(client, collectable(), handover="STORE", store=place.pk)
    assert client.post(page, form).status_code == 302

    assert Order.objects.get().store == place


def test_what_cannot_be_had_leads_back_to_why(client):
    item = listed(tiers=("t2",))
    page = reverse("benefits:order_item", args=[item.code])

    assert client.get(page).url == reverse("benefits:item", args=[item.code])


def test_what_costs_money_says_so_where_nobody_takes_it(client, settings):
    settings.SANDBOX = False
    item = listed(prices=(Price(100, 20),))
    told = client.get(reverse("benefits:item", args=[item.code])).content.decode()

    assert "cannot be ordered online yet" in told


def test_a_member_cancels_and_gives_back(client, of):
    item, by = listed(pieces=3), staff()
    made, had = order(of, item), received(of, item, by=by)
    for name, one, state in (("cancel", made, "CANCELLED"), ("return", had, "RETURN_ASKED")):
        page = reverse(f"benefits:order_{name}", args=[one.pk])
        assert client.get(page).status_code == 200
        assert client.post(page, {"why": ""}).status_code == 422
        assert client.post(page, {"why": "CHANGED_MIND"}).status_code == 302
        one.refresh_from_db()
        assert one.state == state
        assert client.post(page, {"why": "CHANGED_MIND"}).status_code == 422
    assert points_of(of) == 4000


def test_a_member_says_that_it_has_come(client, of):
    made = sent(of, listed(pieces=1), by=staff())
    page = reverse("benefits:order", args=[made.pk])
    assert "SF1001" in client.get(page).content.decode()

    assert client.post(page).status_code == 302
    assert client.post(page).status_code == 409


def test_nobody_sees_or_touches_anothers_order(of):
    made = order(of, listed(pieces=1))
    stranger = client_of(rich())
    for name in ("order", "order_cancel", "order_return"):
        page = reverse(f"benefits:{name}", args=[made.pk])
        assert stranger.get(page).status_code == 404
        assert stranger.post(page, {"why": "OTHER"}).status_code == 404
    assert orders.held(made.pk).state == "PAID"
    assert stranger.get(reverse("benefits:orders")).context["orders"].count() == 0


def test_a_coupon_is_had_at_once_and_opened_from_the_order(
    client, of, django_assert_max_num_queries
):
    batch = coupon_plan.running()
    item = listed(source="COUPON", handovers=("ONLINE",), batch_id=batch.pk, is_counted=False)
    with django_assert_max_num_queries(9):
        client.get(reverse("benefits:item", args=[item.code]))
    page, form = ask(client, item, handover="ONLINE", quantity=2)
    with django_assert_max_num_queries(9):
        client.get(page)

    answer = client.post(page, form)

    with django_assert_max_num_queries(9):
        told = client.get(answer.url).content.decode()
    for coupon in Coupon.objects.all():
        assert reverse("benefits:coupon", args=[coupon.pk]) in told
    assert Coupon.objects.filter(member=of.id).count() == 2
    assert "Give it back" not in told


def test_what_a_ticket_came_to_stands_on_the_order(client, of):
    draw = draw_plan.published(draw_plan.certain())
    item = listed(source="DRAW", handovers=("ONLINE",), draw_id=draw.pk, is_counted=False)
    page, form = ask(client, item, handover="ONLINE")

    told = client.get(client.post(page, form).url).content.decode()

    assert "The points are in your account." in told
    assert reverse("benefits:draw", args=[draw.code]) in told


def test_a_ticket_that_cannot_be_used_is_refused_on_the_form(client, of):
    draw = draw_plan.published(age_min=18)
    item = listed(source="DRAW", handovers=("ONLINE",), draw_id=draw.pk, is_counted=False)
    page, form = ask(client, item, handover="ONLINE")

    answer = client.post(page, form)

    assert answer.status_code == 422
    assert "your birthday is not known" in answer.content.decode()
    assert points_of(of) == 5000
