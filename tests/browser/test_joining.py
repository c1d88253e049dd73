"""From a stranger to a member, at phone size."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from common import limits
from members import operations as members
from members.models import Member
from tests.browser.test_member_pages import code_of
from tests.factories import member, plain
from tests.mail_server import mail_server

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


def test_e_mail_and_password_as_a_second_way_in(open_page, settings):
    plain()
    one = member(phone="13800138000", name="王小明")
    with mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        page = open_page("/login/?next=/security/")
        page.get_by_label("手机号").fill("138 0013 8000")
        submit(page)
        page.get_by_label("验证码").fill(code_of(page))
        submit(page)
        page.locator("[name=email]").fill("wang@example.com")
        submit(page)
        expect(page.get_by_text("w***@example.com")).to_be_visible()
        (letter,) = server.letters
        page.goto(link_in(letter))
        submit(page)
        expect(page).to_have_url(re.compile("/security/$"))
        expect(page.locator("main")).to_contain_text("w***@example.com")

        page.goto("/security/password/")
        page.locator("[name=new_password1]").fill("correct horse battery")
        page.locator("[name=new_password2]").fill("correct horse battery")
        submit(page)
        expect(page).to_have_url(re.compile("/security/$"))

        other = open_page("/login/")
        other.locator("main a[href='/login/email/']").click()
        other.locator("[name=email]").fill("wang@example.com")
        other.locator("[name=password]").fill("wrong password")
        submit(other)
        expect(other.get_by_role("alert")).to_be_visible()
        for key in limits.client().scan_iter("limit:letters:*"):
            limits.client().delete(key)  # what Redis does after a minute
        other.locator("a[href='/password/']").click()
        other.locator("[name=email]").fill("wang@example.com")
        submit(other)
        expect(other.get_by_text("w***@example.com")).to_be_visible()
        other.goto(link_in(server.letters[-1]))
        other.locator("[name=new_password1]").fill("another long one")
        other.locator("[name=new_password2]").fill("another long one")
        submit(other)
        expect(other).to_have_url(re.compile("/login/email/$"))
        other.locator("[name=email]").fill("wang@example.com")
        other.locator("[name=password]").fill("another long one")
        submit(other)
        expect(other.locator(".card")).to_contain_text(one.number)
        # The other browser's session ended with the old password.
        page.goto("/security/")
        expect(page).to_have_url(re.compile("/login/"))


def link_in(letter):
    return re.search(r"http://127\.0\.0\.1:8000(/\S+)", letter.get_content())[1]
