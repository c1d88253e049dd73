"""The rulebook's editor in a real browser: in place, by keyboard, on a phone."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from programme import operations
from tests.browser.conftest import log_in_staff, settled
from tests.factories import brand, plain, staff

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def draft():
    plain()
    brand()
    return operations.start_draft(by=staff(username="boss"), at=timezone.now())


@pytest.fixture
def editor(open_page, draft):
    def open_(part, **options):
        page = open_page("/console/", **options)
        log_in_staff(page)
        page.goto(f"/console/rulebook/drafts/{draft.pk}/{part}")
        return page

    return open_


def test_rows_and_shapes_change_in_place_and_the_focus_follows(editor, draft):
    page = editor("policies/")
    page.evaluate("window.stayed = true")

    page.locator("[name='v.validity@kind']").select_option("date")
    expect(page.locator("[name='v.validity.date']")).to_be_visible()
    settled(page)
    page.locator("[name='v.validity.date']").fill("2030-12-31")
    page.locator("button[value='add:v.funding']").click()
    expect(page.locator("[name='v.funding.0.payer']")).to_be_focused()
    page.locator("[name='v.funding.0.payer']").select_option("brand")
    page.keyboard.press("Tab")
    page.keyboard.type("100")
    assert page.evaluate("window.stayed"), "no page was loaded anew"
    # Enter saves; it presses none of the buttons that move rows.
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/drafts/{draft.pk}/")

    draft.refresh_from_db()
    assert draft.document["policies"]["validity"] == {"date": "2030-12-31"}
    assert draft.document["policies"]["funding"] == [{"payer": "brand", "share": "100"}]


def test_on_a_phone_no_page_is_wider_than_the_screen(editor, draft):
    page = editor("")
    for path in ("", "general/", "policies/", "earning/", "earning/rules/0/", "programme/"):
        page.goto(f"/console/rulebook/drafts/{draft.pk}/{path}")
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) == 0, path


def test_what_is_wrong_is_told_to_who_cannot_see_it(editor, draft):
    page = editor("earning/rules/0/")
    page.locator("[name='v.points']").fill("viel")
    page.locator("[name='v.points']").press("Enter")

    expect(page.get_by_role("alert")).to_be_visible()
    field = page.locator("[name='v.points']")
    expect(field).to_have_attribute("aria-invalid", "true")
    described = field.get_attribute("aria-describedby").split()
    expect(page.locator(f"#{described[-1]}")).not_to_be_empty()
    page.get_by_role("alert").get_by_role("link").click()
    expect(field).to_be_in_viewport()
    unnamed = page.evaluate(
        "[...document.querySelectorAll('#editor :is(input:not([type=hidden]), select, textarea)')]"
        ".filter(e => !e.labels.length && !e.ariaLabel).map(e => e.name)"
    )
    assert unnamed == []
