"""Staff prove a second factor at the console."""

import re

import pyotp
import pytest
from django.utils import timezone
from playwright.sync_api import expect

from common.models import SecondFactor
from tests.factories import plain, staff

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def log_in(page):
    page.goto("/console/")
    page.locator("[name=username]").fill("boss")
    page.locator("[name=password]").fill("correct horse battery")
    page.locator("#login-form button[type=submit]").click()


def test_set_up_kept_and_asked_for(open_page, settings):
    settings.STAFF_MFA = "required"
    plain()
    staff(username="boss")
    page = open_page("/console/")
    log_in(page)
    expect(page).to_have_url(re.compile("/console/second-factor/own/"))
    page.wait_for_load_state()
    assert page.locator("img[src^='data:image/svg']").evaluate("image => image.naturalWidth") > 100

    secret = page.locator(".c-mono").inner_text().replace(" ", "")
    page.locator("[name=code]").fill(pyotp.TOTP(secret).at(timezone.now()))
    page.locator("button.c-primary").click()
    expect(page.locator(".c-codes li")).to_have_count(10)
    recovery = page.locator(".c-codes li").first.inner_text()
    page.locator("a.c-primary").click()
    expect(page).to_have_url(re.compile("/console/$"))

    other = open_page("/console/")
    log_in(other)
    expect(other).to_have_url(re.compile("/console/second-factor/"))
    other.locator("[name=code]").fill("000000")
    other.locator("button.c-primary").click()
    expect(other.get_by_role("alert")).to_be_visible()
    other.locator("[name=code]").fill(recovery)
    other.locator("button.c-primary").click()
    expect(other).to_have_url(re.compile("/console/$"))
    assert len(SecondFactor.objects.get().recovery) == 9
