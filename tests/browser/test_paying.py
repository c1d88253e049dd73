"""A member orders what costs points and money, and plays paying in a sandbox (B4, P7)."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect

from benefits.models.orders import Order
from tests.benefits.paying import PRICE
from tests.benefits.plan import publish
from tests.benefits.shop import listed
from tests.browser.test_every_page import RULES, session, small_targets
from tests.browser.test_member_pages import faint_texts
from tests.factories import identity, lot, member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def is_for_everybody(page):
    violations = Axe().run(page, options=RULES).response["violations"]
    assert [(each["id"], each["nodes"]) for each in violations] == []
    assert faint_texts(page) == []
    assert small_targets(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_member_pays_on_a_second_screen_and_the_first_goes_on(open_page, live_server):
    publish()
    wang = member(name="王小明", phone="13800138000")
    lot(identity(wang), 5000, at=timezone.now())
    item = listed("cup", pieces=3, prices=PRICE)
    page = open_page("/login/", viewport={"width": 390, "height": 844})
    page.context.add_cookies([session(wang, live_server.url)])
    page.goto(f"/shop/{item.code}/order/")
    for name, said in (
        ("recipient", "王小明"),
        ("phone", "13800138000"),
        ("address", "世纪大道1号"),
    ):
        page.locator(f"[name={name}]").fill(said)
    page.locator("main form button[type=submit]").click()
    expect(page).to_have_url(re.compile(r"/orders/\d+/pay/$"))
    is_for_everybody(page)
    page.locator("main form button[type=submit]").click()
    expect(page.locator("svg.qr")).to_be_visible()
    is_for_everybody(page)

    other = page.context.new_page()
    other.goto(page.locator("main a.primary").get_attribute("href"))
    is_for_everybody(other)
    other.locator("main form button[type=submit]").click()
    expect(other).to_have_url(re.compile(r"/orders/\d+/$"))
    # The page that waited goes on by itself.
    expect(page).to_have_url(re.compile(r"/orders/\d+/$"), timeout=20_000)
    expect(page.locator("main")).to_contain_text("60.00")
    assert Order.objects.get().state == "PAID"
    is_for_everybody(page)
