"""From the home page to one's tier, and an application, with the eyes and with the keyboard."""

import re
from datetime import timedelta

import pytest
from django.utils.timezone import localdate
from playwright.sync_api import expect

from tests.browser.test_member_pages import PHONE, log_in
from tests.factories import identity, member
from tests.tiers.ladder import BASE, SILVER, YEAR, gather, level, points, publish, spend
from tiers.models import Proposal

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
GOLD = level("gold", upgrade={"any": [points(20000), spend(10000, window=YEAR)]})
DIAMOND = level("diamond", application=spend(2000, window=YEAR))


@pytest.fixture
def who():
    publish({"levels": [BASE, SILVER, GOLD, DIAMOND]})
    who = identity(member(name="王小明", phone=PHONE))
    today = localdate()
    gather(who, (today - timedelta(days=300)).isoformat(), points=10000)
    gather(who, (today - timedelta(days=30)).isoformat(), points=5000, spend="2500")
    return who


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_from_home_to_an_application(open_page, who, scheme):
    page = open_page("/", color_scheme=scheme)
    log_in(page)

    expect(page.locator(".tier-line h2")).to_contain_text("Silver")
    page.locator(".tier-line a").click()

    expect(page).to_have_url(f"{page.url.split('/tier/')[0]}/tier/")
    expect(page.locator(".tabs a[aria-current]")).to_have_count(1)
    expect(page.locator(".tier-name")).to_have_text("Silver")
    # What a screen reader says of the picture.
    expect(page.get_by_role("img")).to_have_accessible_name(re.compile("25.*Gold|Gold.*25"))
    widths = page.locator(".way .bar").evaluate_all(
        "bars => bars.map(bar => bar.lastElementChild.getBoundingClientRect().width"
        " / bar.getBoundingClientRect().width)"
    )
    assert [round(width, 2) for width in widths] == [0.25, 0.25, 1]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator("[aria-current=step]")).to_contain_text("Silver")

    page.locator("textarea").fill("三台车")
    page.locator("input[type=file]").set_input_files(
        [{"name": "行驶证.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff\xe0 photo"}]
    )
    page.locator("textarea").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_be_visible()
    expect(page.locator("textarea")).to_have_count(0)
    assert Proposal.objects.get().text == "三台车"
    expect(page.get_by_role("link", name="行驶证.jpg")).to_be_visible()
