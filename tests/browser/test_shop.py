"""What members get, on a phone: from the shop to an order and back, and a coupon to show."""

import re
from datetime import timedelta

import pytest
from django.utils.timezone import localdate, now
from playwright.sync_api import expect

from benefits.models.orders import Order
from points import queries as points
from tests.benefits.coupon_plan import issued, running
from tests.benefits.shop import listed
from tests.browser.test_every_page import session
from tests.factories import identity, lot, member, plain

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def one():
    plain()
    return member(name="王小明")


@pytest.fixture
def page(open_page, live_server, one):
    page = open_page("/login/")
    page.context.add_cookies([session(one, live_server.url)])
    return page


def test_from_the_shop_to_an_order_and_back(page, one):
    of = identity(one)
    lot(of, 1500, at=now() - timedelta(days=1), expires_on=localdate() + timedelta(days=99))
    listed("thermos", pieces=2)

    page.goto("/shop/")
    page.get_by_role("link", name=re.compile("保温杯")).first.click()
    page.locator("main a.primary").click()
    for name, value in (
        ("recipient", "王小明"),
        ("phone", "138 0013 8000"),
        ("address", "上海市浦东新区世纪大道1号"),
    ):
        page.locator(f"main [name={name}]").fill(value)
    page.locator("main button.primary").click()

    expect(page).to_have_url(re.compile(r"/orders/\d+/"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("保温杯")
    assert points.balance(of.id) == 500

    page.goto("/orders/")
    page.get_by_role("link", name=re.compile("保温杯")).click()
    page.get_by_role("link", name="取消订单").click()
    page.locator("main select").select_option(index=1)
    page.locator("main button.danger").click()

    expect(page.locator(".chip").first).to_have_text("已取消")
    assert Order.objects.get().state == "CANCELLED"
    assert points.balance(of.id) == 1500


def test_a_coupon_is_shown_as_a_code_that_can_be_scanned(page, one):
    today = localdate()
    issued(running(first_on=today, last_on=today + timedelta(days=9)), identity(one), at=now())

    page.goto("/benefits/")
    page.get_by_role("link", name="我的券").click()
    page.locator(".rung-name a").click()

    expect(page.locator("svg.qr")).to_be_visible()
    box = page.locator("svg.qr").bounding_box()
    assert box["width"] >= 160, "a till reads it from an arm's length"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
