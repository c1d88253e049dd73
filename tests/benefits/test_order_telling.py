"""What members are told of their orders (P10)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from benefits import order_changes
from benefits.operations import orders
from members import operations as members
from membership import merging
from messaging import composing, templates
from messaging.models import Channel, Delivery
from messaging.operations import tell_changes
from tests.benefits.buying import at_store, collectable, order, rich
from tests.benefits.paying import begun, placed, wechat_pay
from tests.benefits.plan import publish
from tests.benefits.shop import listed
from tests.factories import staff, store

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SOON = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _tiers():
    publish()


@pytest.fixture
def now():
    return datetime.now(UTC)


def news():
    return list(order_changes.taken(LONG_AGO, SOON, 100))


def templates_told():
    return [each.template.removeprefix("benefits.order_") for each in news()]


def said(change):
    kept = templates.template(change.template).keep(change.variables)
    with override("en"):
        return templates.shown(change.template, kept)


def test_of_what_was_ordered_and_what_it_cost(now):
    one = rich()
    made = order(one, listed(pieces=5), 2, at=now)

    (told,) = news()
    assert (told.member_id, told.template) == (one.id, "benefits.order_placed")
    assert said(told).subject == "Ordered: Thermos ×2"
    assert "2,000 points" in said(told).body
    assert made.number in said(told).body
    kept = templates.template(told.template).keep(told.variables)
    assert templates.page_of(told.template, kept) == reverse("benefits:order", args=[made.pk])


def test_of_each_step_they_did_not_take(now):
    by = staff()
    made = order(rich(), listed(pieces=5), at=now)
    orders.pick(order_id=made.pk, at=now, by=by)
    orders.ship(order_id=made.pk, carrier="顺丰", shipment="SF1001", at=now, by=by)

    assert templates_told() == ["placed", "shipped"]
    assert "SF1001" in said(news()[-1]).body
    orders.receive(order_id=made.pk, at=now)
    assert templates_told() == ["placed", "shipped"]
    orders.ask_return(order_id=made.pk, why="DAMAGED", at=now)
    orders.refuse_return(order_id=made.pk, note="用过", at=now, by=by)
    orders.take_back(order_id=made.pk, note="还是收回", to_stock=False, at=now, by=by)
    assert templates_told() == ["placed", "shipped", "return_refused", "returned"]
    assert "1,000 points" in said(news()[-1]).body


def test_where_it_waits_until_when_and_that_it_was_handed_over(now):
    by, place = staff(), store(name="浦东店")
    made = order(rich(), collectable(), delivery=at_store(place), at=now)
    orders.pick(order_id=made.pk, at=now, by=by)
    assert templates_told() == ["placed", "picked"]
    waiting = orders.make_ready(order_id=made.pk, at=now, by=by)

    # That it is in preparation is no news any more.
    assert templates_told() == ["placed", "ready"]
    body = said(news()[-1]).body
    assert "浦东店" in body
    assert news()[-1].variables["last_day"] == waiting.due_at.astimezone().date()
    orders.receive(order_id=made.pk, at=now, who=orders.staff(by))
    assert templates_told() == ["placed", "handed_over"]


def test_who_cancelled_why_and_what_came_back(now):
    made = order(rich(), listed(pieces=5), at=now)
    orders.cancel(order_id=made.pk, why="MISTAKE", at=now)
    other = order(rich(), listed("pen", pieces=5), at=now)
    orders.cancel(order_id=other.pk, note="断货", at=now, who=orders.staff(staff()))

    bodies = [said(each).body for each in news() if each.template.endswith("cancelled")]
    assert "The member" in bodies[0]
    assert "I ordered the wrong thing" in bodies[0]
    assert "1,000 points" in bodies[0]
    assert "Staff" in bodies[1]


def test_of_money_that_was_paid_and_goes_back(now, settings, client):
    with wechat_pay(settings) as pay:
        made = placed(at=now)
        assert news() == []
        body, headers = pay.notice(pay.pay(begun(made, at=now).number))
        door = reverse("benefits:payment_notice", args=["wechat"])
        client.post(door, body, content_type="application/json", headers=headers)
    orders.cancel(order_id=made.pk, why="MISTAKE", at=now + timedelta(minutes=6))

    for told in news():
        assert "400 points + 60.00 yuan" in said(told).body
    assert templates_told() == ["placed", "cancelled"]


def test_of_history_nothing():
    order(rich(), listed(pieces=5), at=datetime(2026, 7, 5, tzinfo=UTC))
    with time_machine.travel(datetime(2026, 7, 5, tzinfo=UTC)):
        assert news() == []


def test_who_was_joined_with_another_is_told_as_that_one(now):
    one, other = rich(), rich()
    order(one, listed(pieces=5), at=now)
    merging.merge(
        member_id=one.id, into_id=other.id, take=(), frees_phone=False, at=now, by=staff(),
        reason="同一人",
    )  # fmt: skip

    assert [each.member_id for each in news()] == [other.id]


def test_the_message_leads_to_the_order_in_the_inbox_and_by_e_mail(now, settings):
    one = rich(email="wang@example.com")
    made = order(one, listed(pieces=5), at=now)
    assert tell_changes(clock=timezone.now, behind=timedelta(0)) >= 1
    page = reverse("benefits:order", args=[made.pk])

    client = Client(headers={"Accept-Language": "en"})
    client.force_login(members.login_for(member_id=one.id))
    assert f'href="{page}"' in client.get(reverse("messaging:inbox")).content.decode()
    (letter,) = Delivery.objects.filter(
        channel=Channel.EMAIL, message__template="benefits.order_placed"
    )
    assert settings.SITE_URL + page in composing.compose(letter, {}).body
