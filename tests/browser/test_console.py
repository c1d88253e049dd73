"""The console under its Content-Security-Policy; `open_page` reports what that blocks."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from common.models import OutboxEvent
from members.models import Member
from points.models import Account
from tests.browser.conftest import log_in_staff
from tests.factories import brand, buy, identity, member, plain, staff
from tests.factories.points import NOON
from tests.members.test_duplicates import ID
from tests.members.test_duplicates import night as find_duplicates

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DESKTOP = {"width": 1360, "height": 900}
EMAIL = "li@example.com"


@pytest.fixture
def who():
    plain()
    brand()
    who = identity(member(name="王小明", phone="138 0013 8000"))
    buy(who, "268.00", reference="R-1001", at=timezone.now())
    return who


@pytest.fixture
def console(open_page):
    staff(username="boss")

    def log_in(**options):
        page = open_page("/console/", **options)
        log_in_staff(page)
        return page

    return log_in


def test_from_login_to_a_correction(console, who):
    page = console(viewport=DESKTOP)

    page.get_by_role("searchbox").fill("13800138000")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="王小明").click()
    expect(page.locator(".c-name")).to_contain_text("王小明")
    expect(page.locator(".c-figures dd").first).to_have_text("26")

    page.get_by_role("link", name="调整积分").click()
    page.locator("[name=points]").fill("-6")
    page.locator("[name=reason]").select_option("DUPLICATE")
    page.locator("[name=note]").fill("重复录入")
    page.locator("form button[type=submit].c-primary").click()
    expect(page.locator(".c-change")).to_contain_text("20")
    assert Account.objects.get(pk=who.id).balance == 26
    page.locator("[name=confirmed]").click()

    expect(page.locator(".c-figures dd").first).to_have_text("20")
    assert Account.objects.get(pk=who.id).balance == 20


def test_menus_filters_and_pickers_open(console, who):
    OutboxEvent.objects.create(name="x.happened", subscriber="x", payload={}, retry_at=NOON)
    page = console(viewport=DESKTOP)

    page.goto("/console/common/outboxevent/")
    expect(page.locator("#changelist-form")).to_be_visible()
    page.get_by_text("boss", exact=True).click()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("link", name="Find a member")).to_be_visible()

    page.goto("/console/partners/store/add/")
    page.locator(".select2-selection").first.click()
    expect(page.locator(".select2-results__option").first).to_contain_text("品牌")


def test_on_a_phone_the_navigation_opens_and_no_page_is_wider_than_the_screen(console, who):
    page = console()

    page.get_by_text("dock_to_right").filter(visible=True).click()
    expect(page.get_by_role("link", name="查找会员")).to_be_visible()
    for path in ("", f"member/{who.number}/", f"member/{who.number}/ledger/", "rulebook/1/"):
        page.goto(f"/console/{path}")
        assert too_wide(page) == 0, path


def too_wide(page):
    """By how many pixels."""
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


@pytest.mark.parametrize("options", [{}, {"viewport": DESKTOP}, {"color_scheme": "dark"}])
def test_two_who_are_one_person_are_joined_after_a_look_at_both(console, who, options):
    one, other = (member(name="李雷", email=EMAIL, id_number=ID) for _ in range(2))
    find_duplicates()
    page = console(**options)

    page.goto("/console/duplicates/")
    expect(page.locator(".c-card table")).to_contain_text(one.number)
    assert too_wide(page) == 0
    page.locator("a.c-primary").click()
    page.wait_for_url(f"**/member/{other.number}/merge/**")
    assert too_wide(page) == 0
    page.locator("[name=reason]").fill("同一人，两次入会")
    page.locator("form button.c-danger").click()
    page.locator("[name=confirmed]").wait_for()
    assert too_wide(page) == 0
    assert Member.objects.get(pk=other.pk).merged_into_id is None
    page.locator("[name=confirmed]").click()

    expect(page.locator(".c-name")).to_be_visible()
    expect(page.locator(".c-note")).to_contain_text(one.number)
    assert too_wide(page) == 0
    assert Member.objects.get(pk=other.pk).merged_into_id == one.pk
