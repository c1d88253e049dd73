"""Campaigns in the console, with the eyes and with the keyboard."""

from datetime import date, timedelta

import pytest
from django.utils import timezone
from django.utils.timezone import localdate
from playwright.sync_api import expect

from programme import operations
from tests.browser.conftest import log_in_staff
from tests.factories import buy, identity, staff
from tests.factories.activities import do, kind
from tests.factories.plans import campaigning, plan

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DESKTOP = {"width": 1280, "height": 900}
BASE = {"code": "base", "points": "1", "per_amount": "1"}


def days(first: date, last: date) -> dict:
    return {"from": first.isoformat(), "until": last.isoformat()}


@pytest.fixture
def year():
    """Campaigns in every state around today."""
    today = localdate()
    week = timedelta(days=7)
    over = days(today - 8 * week, today - 6 * week)
    plans = [
        plan("old", "old", names={"zh-hans": "老友回店周"}, **over),
        plan(
            "birthday",
            "more",
            "share",
            names={"zh-hans": "周年庆双倍积分"},
            goal={"zh-hans": "让沉睡会员在周年庆期间回店，提升复购。"},
            budget={"points": 6000},
            expected={"members": 40, "points": 5000, "spend": "8000"},
            **days(today - 3 * week, today + week),
        ),
        plan(
            "winter", "new", kind="launch", names={"zh-hans": "新品上市"},
            **days(today + 2 * week, today + 5 * week),
        ),
    ]  # fmt: skip
    boosts = [
        {"code": code, "names": {"zh-hans": name}, "gives": {"percent": percent}}
        for code, name, percent in [
            ("old", "老友加成", "20"), ("more", "周年庆加成", "50"), ("new", "新品加成", "30"),
        ]
    ]  # fmt: skip
    share = kind("share", 20, names={"zh-hans": "分享海报"})
    campaigning(*plans, rules=[BASE], boosts=boosts, kinds=[share])
    people = [identity() for _ in range(12)]
    for nth in range(21):
        at = timezone.now() - timedelta(days=20 - nth, minutes=5)
        for each in range(1 + (nth * 7) % 5):
            buy(people[(nth + each) % 12], str(80 + 35 * each), at=at)
        do(people[nth % 12], "share", at=at)
    by = staff(username="boss")
    draft = operations.start_draft(by=by, at=timezone.now())
    drafted = plan(
        "spring", "base", names={"zh-hans": "春节集福"}, **days(today + 3 * week, today + 4 * week)
    )
    document = draft.document
    document["campaigns"]["plans"].append(drafted)
    operations.save_draft(
        draft_id=draft.pk, document=document, revision=draft.revision, by=by, at=timezone.now()
    )


@pytest.fixture
def console(open_page, year):
    def open_(**options):
        page = open_page("/console/", **options)
        log_in_staff(page)
        page.goto("/console/campaigns/")
        return page

    return open_


def is_as_wide_as_the_screen(page):
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return page.evaluate(wide) == 0


@pytest.mark.parametrize("options", [{}, {"viewport": DESKTOP}, {"color_scheme": "dark"}])
def test_from_the_calendar_to_one_campaign_by_keyboard(console, options):
    page = console(**options)
    assert is_as_wide_as_the_screen(page)

    entry = page.locator(".c-calendar").get_by_role("link", name="周年庆双倍积分")
    entry.focus()
    page.keyboard.press("Enter")

    page.wait_for_url("**/campaigns/plan/birthday/")
    assert is_as_wide_as_the_screen(page)
    picture = page.locator(".c-columns-picture")
    expect(picture).to_have_role("img")
    assert picture.get_attribute("aria-label")
    expect(picture.locator("rect")).to_have_count(21)
