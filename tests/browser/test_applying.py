"""Somebody applies, is turned down, applies again and is let in; each on their own screen (M6)."""

import re

import pytest
from playwright.sync_api import expect

from common import limits
from members.models import Application, Member
from tests.browser.conftest import log_in_staff
from tests.browser.test_every_page import is_for_everybody
from tests.browser.test_joining import submit
from tests.browser.test_member_pages import code_of
from tests.factories import main_store, rulebook, staff, store

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
APPLICATION = re.compile("/join/application/$")


def prove(page, path):
    page.goto(path)
    page.get_by_label("手机号").fill("138 0013 8000")
    submit(page)
    page.get_by_label("验证码").fill(code_of(page))
    submit(page)


def test_an_applicant_is_turned_down_and_then_let_in(open_page):
    main_store()
    rulebook(joining="approved_by_brand")
    store(code="SH-PD", name="浦东店")
    staff(username="boss", is_superuser=True)

    page = open_page("/join/?store=SH-PD")
    prove(page, "/join/?store=SH-PD")
    expect(page.locator("main")).to_contain_text("浦东店")
    page.locator("[name=name]").fill("王小明")
    page.locator("[name=agreed]").check()
    submit(page)
    expect(page).to_have_url(APPLICATION)
    expect(page.locator("main")).to_contain_text(Application.objects.get().number)
    is_for_everybody(page)

    console = open_page("/console/", viewport={"width": 1280, "height": 900})
    log_in_staff(console)
    console.goto("/console/members/application/")
    console.get_by_role("link", name=Application.objects.get().number).click()
    expect(console.locator(".c-card")).to_contain_text("138****8000")
    console.locator("a[href$='/refuse/']").click()
    console.locator("[name=reason]").select_option("DETAILS")
    console.locator("[name=words]").fill("姓名与购车合同不符")
    console.locator("form button.c-danger").click()
    expect(console.locator(".c-card")).to_contain_text("姓名与购车合同不符")

    page.reload()
    expect(page.locator("main")).to_contain_text("姓名与购车合同不符")
    is_for_everybody(page)
    page.locator("main a.primary").click()
    page.locator("[name=name]").fill("王晓明")
    page.locator("[name=agreed]").check()
    submit(page)
    expect(page).to_have_url(APPLICATION)

    again = Application.objects.get(state="APPLIED")
    console.goto(f"/console/members/application/{again.pk}/approve/")
    console.locator("form button.c-primary").click()
    expect(console.locator(".c-card")).to_contain_text(re.compile(r"M\d{10}"))

    # On another day, from another browser.
    limits.client().flushdb()
    later = open_page("/login/")
    prove(later, "/login/")
    expect(later.locator(".card")).to_contain_text(Member.objects.get().number)
