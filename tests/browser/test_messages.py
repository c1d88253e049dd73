"""The inbox on a phone, with and without scripts, and the console's list of what did not arrive."""

import re

import pytest
from playwright.sync_api import expect

from common import limits
from messaging import queries, stopping
from messaging.models import CHOSEN, REFUSABLE, Channel, Delivery, Purpose
from tests.browser.test_console import DESKTOP
from tests.browser.test_console import console as console  # noqa: PLC0414 - a fixture
from tests.browser.test_member_pages import PHONE, faint_texts, log_in
from tests.factories import agree, member, message, plain

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def who():
    plain()
    return member(name="王小明", phone=PHONE, email="wang@example.com")


@pytest.mark.parametrize("java_script", [True, False])
def test_a_member_finds_reads_and_leafs_through_messages(open_page, who, java_script):
    for n in range(45):
        message(who, points=n + 1)
    page = open_page("/login/", java_script_enabled=java_script)
    log_in(page)
    expect(page.locator(".badge")).to_contain_text("45")

    page.locator(".bell").click()

    expect(page.locator(".bell")).to_have_attribute("aria-current", "page")
    page.wait_for_load_state()
    expect(page.locator(".line")).to_have_count(20)
    expect(page.locator(".is-new")).to_have_count(20)
    expect(page.locator(".line-title").first).to_contain_text("45 积分即将到期")
    expect(page.locator(".badge")).to_contain_text("25")

    page.locator(".more a").click()
    expect(page.locator(".line")).to_have_count(40 if java_script else 20)
    if java_script:
        expect(page.locator(".line").nth(20)).to_be_focused()
    else:
        expect(page).to_have_url(re.compile("before="))
    page.locator(".more a").last.click()
    expect(page.locator(".line")).to_have_count(45 if java_script else 5)
    expect(page.locator(".line-title").last).to_contain_text("1 积分即将到期")

    page.goto("/messages/")
    expect(page.locator(".is-new")).to_have_count(0)
    expect(page.locator(".badge")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_fits_each_screen_in_both_schemes(open_page, who, scheme, width):
    for _ in range(3):
        message(who, points=123_456_789)
    page = open_page("/login/", viewport={"width": width, "height": 844}, color_scheme=scheme)
    for key in limits.client().scan_iter("limit:*"):
        limits.client().delete(key)
    log_in(page)
    stop = stopping.token(number=who.number, purpose=Purpose.ACCOUNT, channel=Channel.EMAIL)
    for path in (
        "/",
        "/messages/",
        "/messages/?before=1",
        "/messages/settings/",
        f"/messages/stop/{stop}/",
    ):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") == width, path
        assert faint_texts(page) == []


@pytest.mark.parametrize("java_script", [True, False])
def test_a_member_chooses_what_to_hear(open_page, who, java_script):
    agree(who)
    page = open_page("/login/", java_script_enabled=java_script)
    log_in(page)
    page.goto("/messages/")
    page.locator(".page-head a").click()
    boxes = page.locator("input[type=checkbox]")
    expect(boxes).to_have_count(len(CHOSEN) * len(REFUSABLE))
    # What comes in leaves the house only where one asks for it.
    asked_for = {f"{Purpose.CREDIT}-{channel}" for channel in REFUSABLE}
    everything = {f"{purpose}-{channel}" for purpose in CHOSEN for channel in REFUSABLE}
    assert ticked(boxes) == everything - asked_for

    page.locator("[name=ACCOUNT-EMAIL]").uncheck()
    page.locator("[name=MARKETING-SMS]").uncheck()
    page.locator("[name=CREDIT-WECHAT]").check()
    page.locator("select[name=language]").select_option("en")
    page.locator("button.primary").click()

    expect(page.locator("[role=status]")).to_have_count(1)
    assert ticked(boxes) == everything - asked_for - {"ACCOUNT-EMAIL", "MARKETING-SMS"} | {
        "CREDIT-WECHAT"
    }
    expect(page.locator("select[name=language]")).to_have_value("en")
    wanted = {pair for pair, is_wanted in queries.choices(who.pk).items() if is_wanted}
    assert (Purpose.ACCOUNT, Channel.EMAIL) not in wanted
    assert (Purpose.MARKETING, Channel.EMAIL) in wanted
    assert (Purpose.MARKETING, Channel.SMS) not in wanted
    assert (Purpose.CREDIT, Channel.WECHAT) in wanted
    assert (Purpose.CREDIT, Channel.EMAIL) not in wanted


def ticked(boxes):
    return {box.get_attribute("name") for box in boxes.all() if box.is_checked()}


def test_staff_see_what_was_said_and_have_a_failed_delivery_tried_again(console, who):
    message(who)
    Delivery.objects.filter(channel="EMAIL").update(state="DEAD", error="550 5.1.1 no such mailbox")
    page = console(viewport=DESKTOP)

    page.goto(f"/console/member/{who.number}/messages/")
    expect(page.locator(".c-table")).to_contain_text("1,200 积分即将到期")
    expect(page.locator(".c-table")).to_contain_text("550 5.1.1 no such mailbox")

    page.goto("/console/messaging/delivery/")
    page.locator("input.action-select").check()
    page.locator("select[name=action]").select_option("try_again")
    page.locator("#changelist-actions button[type=submit]").click()

    expect(page.locator("input.action-select")).to_have_count(0)
    assert Delivery.objects.get(channel="EMAIL").state == "WAITING"
