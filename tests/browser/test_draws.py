"""A member draws on a phone: from the shop to the result, with and without JavaScript."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from tests.benefits.draw_plan import certain, published
from tests.browser.test_every_page import is_for_everybody, session
from tests.factories import identity, lot, member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("java_script", [True, False])
def test_a_member_draws_and_sees_the_result(open_page, live_server, java_script):
    now = timezone.now()
    published(
        certain(), opens_at=now - timedelta(days=1), closes_at=now + timedelta(days=9),
        entry_points=30, limit_count=1, limit_period="DAY",
    )  # fmt: skip
    who = member(name="王小明")
    lot(identity(who), 100)
    page = open_page("/login/", java_script_enabled=java_script)
    page.context.add_cookies([session(who, live_server.url)])
    page.goto("/shop/")
    page.locator("a[href='/draws/']").click()
    page.locator("a[href='/draws/summer/']").click()

    page.locator("main form button").click()

    expect(page.locator(".drawn")).to_contain_text("积分")
    expect(page.locator("main form button")).to_have_count(0)
    if java_script:
        is_for_everybody(page)
