"""A member orders what costs points and money, and plays paying in a sandbox (B4, P7)."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from django.utils import timezone
from playwright.sync_api import expect

from benefits.models.orders import Order
from benefits.models.payments import PaymentTry
from benefits.operations import payments
from tests.benefits.paying import PRICE, placed, wechat_pay
from tests.benefits.plan import publish
from tests.benefits.shop import listed
from tests.browser.test_every_page import RULES, session, small_targets
from tests.browser.test_member_pages import faint_texts
from tests.factories import identity, lot, member

PHONE = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/150.0 Mobile Safari/537.36"
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def is_for_everybody(page):
    violations = Axe().run(page, options=RULES).response["violations"]
    assert [(each["id"], each["nodes"]) for each in violations] == []
    assert faint_texts(page) == []
    assert small_targets(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def ordered(open_page, live_server, **browser):
    """A member's page on which an order waits for its money."""
    publish()
    wang = member(name="王小明", phone="13800138000")
    lot(identity(wang), 5000, at=timezone.now())
    made = placed(identity(wang), listed("cup", pieces=3, prices=PRICE), at=timezone.now())
    page = open_page("/login/", **browser)
    page.context.add_cookies([session(wang, live_server.url)])
    page.goto(f"/orders/{made.pk}/pay/")
    return page, made


def test_a_phone_opens_wechat_by_a_link_and_comes_back_to_a_paid_order(
    open_page, live_server, settings
):
    settings.WECHAT_PAY_H5 = True
    with wechat_pay(settings) as provider:
        page, made = ordered(open_page, live_server, user_agent=PHONE)
        is_for_everybody(page)
        page.get_by_role("button", name="微信支付", exact=True).click()
        link = page.get_by_role("link", name="打开微信支付")
        expect(link).to_be_visible()
        assert link.get_attribute("href").startswith("https://wx.tenpay.com/")
        is_for_everybody(page)

        told = provider.pay(PaymentTry.objects.get().number)
        body, headers = provider.notice(told)
        door = "/callbacks/payments/wechat/"
        answer = Client().post(door, body, content_type="application/json", headers=headers)
        assert answer.status_code == 204
        expect(page).to_have_url(re.compile(r"/orders/\d+/$"), timeout=20_000)
    made.refresh_from_db()
    assert made.state == "PAID"


# WeChat's browser, as far as a page sees it: it keeps what it was asked for, and refuses.
BRIDGE = """
    window.asked = [];
    window.WeixinJSBridge = { invoke(name, sheet, answer) {
        window.asked.push([name, sheet]);
        answer({ err_msg: "get_brand_wcpay_request:cancel" });
    } };
"""


def test_inside_wechat_its_bridge_is_asked_and_a_refusal_is_said(open_page, live_server, settings):
    settings.WECHAT_APP_ID, settings.WECHAT_PAY_JSAPI = "wx1", True
    with wechat_pay(settings) as provider:
        browser = f"{PHONE} MicroMessenger/8.0"
        page, made = ordered(open_page, live_server, user_agent=browser)
        expect(page.get_by_role("link", name="微信支付")).to_be_visible()
        is_for_everybody(page)
        payments.begin(order_id=made.pk, at=timezone.now(), way="JSAPI", openid="oABC")
        page.add_init_script(BRIDGE)
        page.reload()
        page.get_by_role("button", name="立即支付").click()

        expect(page.get_by_role("alert")).to_contain_text("未完成支付")
        is_for_everybody(page)
        [[name, sheet]] = page.evaluate("window.asked")
        assert name == "getBrandWCPayRequest"
        names = ("appId", "timeStamp", "nonceStr", "package", "signType", "paySign")
        assert provider.shows({name: sheet[name] for name in names})


def test_in_wechats_own_browser_the_way_out_is_told(open_page, live_server, settings):
    settings.WECHAT_PAY_H5 = True
    with wechat_pay(settings):
        browser = f"{PHONE} MicroMessenger/8.0"
        page, _made = ordered(open_page, live_server, user_agent=browser)
        expect(page.get_by_role("note")).to_contain_text("请用手机浏览器打开本页")
        is_for_everybody(page)


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
