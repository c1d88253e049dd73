"""From a stranger to a member, at phone size."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from members import operations as members
from members.models import Member
from tests.browser.test_member_pages import code_of
from tests.factories import member, plain

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def submit(page):
    page.locator("main form .primary").first.click()


def test_a_stranger_becomes_a_member(open_page):
    plain()
    page = open_page("/login/")
    page.locator("main a[href='/join/']").click()
    expect(page).to_have_url(re.compile("/join/$"))
    expect(page.get_by_label("手机号")).to_be_focused()

    page.get_by_label("手机号").fill("138 0013 8000")
    submit(page)
    page.get_by_label("验证码").fill(code_of(page))
    submit(page)
    expect(page).to_have_url(re.compile("/join/details/$"))

    # Without the tick: told so beside it, and what was typed is still there.
    page.locator("[name=name]").fill("𠮷田㑇")
    page.locator("[name=birthday]").fill("2000-02-29")
    submit(page)
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("[name=name]")).to_have_value("𠮷田㑇")
    expect(page.locator("[name=birthday]")).to_have_value("2000-02-29")

    page.locator("[name=agreed]").check()
    submit(page)
    expect(page.locator(".card")).to_contain_text("𠮷田㑇")
    expect(page.locator(".card")).to_contain_text(Member.objects.get().number)
    # The page is not wider than the phone.
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_buyer_the_dealer_registered_activates(open_page):
    plain()
    one = member(active=False, phone="13800138000", name="王小明")
    members.add_product(
        member_id=one.pk,
        product=members.ProductFacts(identifier="LSVAM4187C2184847"),
        bound_at=timezone.now(),
    )
    page = open_page("/activate/")
    expect(page).to_have_url(re.compile("/login/"))
    page.get_by_label("手机号").fill("138 0013 8000")
    submit(page)
    page.get_by_label("验证码").fill(code_of(page))
    submit(page)
    expect(page).to_have_url(re.compile("/activate/$"))

    page.locator("[name=identifier]").fill("LSVAM4187C2184841")
    page.locator("[name=agreed]").check()
    submit(page)
    expect(page.get_by_role("alert")).to_be_visible()
    page.locator("[name=identifier]").fill("lsvam4187 c2184847")
    submit(page)
    expect(page.locator(".card")).to_contain_text("王小明")
    expect(page.locator("a[href='/activate/']")).to_have_count(0)
