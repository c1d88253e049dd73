"""Four eyes in a real browser, on a phone."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from common.models import Approval, AuditRecord
from tests.browser.conftest import log_in_staff
from tests.factories import plain, staff
from tests.wishes import wish

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("wishing"),
]
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def approver(open_page):
    plain()
    staff(username="boss")
    page = open_page("/console/")
    log_in_staff(page)
    return page


def test_from_the_start_page_to_the_deed(approver):
    approval = wish(reason="生" * 300, at=timezone.now() - timedelta(days=3))
    page = approver

    page.reload()
    page.locator(".c-note a[href*=approval]").click()
    page.wait_for_url("**/common/approval/**")
    assert page.evaluate(TOO_WIDE) == 0
    page.get_by_role("link", name="愿望").click()
    page.wait_for_url("**/common/approval/*/**")
    expect(page.locator(".c-facts")).to_contain_text("1,200")
    assert page.evaluate(TOO_WIDE) == 0
    page.locator("a.c-primary").click()
    page.locator("[name=note]").fill("好")
    assert Approval.objects.get().state == "PENDING"
    page.locator("button.c-primary").click()

    expect(page.locator(".c-tag.c-success")).to_be_visible()
    expect(page.locator("a.c-primary")).to_have_count(0)
    approval.refresh_from_db()
    assert (approval.state, approval.decided_by.username) == ("APPROVED", "boss")
    assert AuditRecord.objects.filter(action="wish.granted").count() == 1


def test_a_rejection_asks_for_a_note_and_is_final(approver):
    approval = wish()
    page = approver

    page.goto(f"/console/common/approval/{approval.pk}/reject/")
    page.locator("button.c-danger").click()
    expect(page.locator("[name=note]")).to_be_visible()
    assert Approval.objects.get().state == "PENDING"
    page.locator("[name=note]").fill("没有单据")
    page.locator("button.c-danger").click()

    expect(page.locator(".c-tag.c-danger")).to_be_visible()
    expect(page.locator(".c-facts")).to_contain_text("没有单据")
    assert Approval.objects.get().state == "REJECTED"
