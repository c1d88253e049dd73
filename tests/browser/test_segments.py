"""A segment is built in a browser: conditions, groups, its size while it is built (M5)."""

import pytest
from playwright.sync_api import expect

from campaigns.models import Segment
from members.models import Tag
from tests.browser.conftest import settled
from tests.campaigns.test_segments import put
from tests.factories import member, staff

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DESK = {"width": 1280, "height": 900}


@pytest.fixture
def builder(client, open_page, live_server, settings):
    """The page of a new segment, of somebody at the console."""

    def open_(**options):
        client.force_login(staff(username="boss"))
        page = open_page("/console/login/", **options)
        name = settings.SESSION_COOKIE_NAME
        cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
        page.context.add_cookies([cookie])
        page.goto("/console/segments/new/")
        return page

    return open_


def test_conditions_are_put_together_and_counted_as_they_are(builder):
    Tag.objects.create(name="贵宾")
    for n in range(3):
        put(member(sex="FEMALE" if n else "MALE"), "贵宾")
    page = builder(viewport=DESK)

    page.get_by_label("贵宾", exact=True).check()
    page.locator("#size").get_by_text("3", exact=False).wait_for()

    page.locator(".c-editor .c-add").first.click()
    expect(page.locator("[name='v.members.conditions.1@kind']")).to_be_focused()
    # The focus is there before the new row is wired up.
    settled(page)
    page.locator("[name='v.members.conditions.1@kind']").select_option("group")
    page.locator("[name='v.members.conditions.1.group.match']").select_option("none")
    page.locator("[name='v.members.conditions.1.group.conditions@rows']").wait_for(state="attached")
    settled(page)
    page.locator("[id='v-members-conditions-1-group-conditions'] .c-add").click()
    inner = page.locator("[name='v.members.conditions.1.group.conditions.0@kind']")
    expect(inner).to_be_focused()
    settled(page)
    inner.select_option("sex")
    page.locator("input[value='MALE']").check()
    page.locator("#size").get_by_text("2", exact=False).wait_for()
    page.locator("[name='v.segment_name']").fill("女贵宾")
    page.locator(".c-sticky button[type=submit]").click()

    page.wait_for_url("**/console/segments/*/")
    page.get_by_text("2", exact=False).first.wait_for()
    (one,) = Segment.objects.all()
    assert one.definition == {
        "members": {
            "match": "all",
            "conditions": [
                {"tags": ["贵宾"]},
                {"group": {"match": "none", "conditions": [{"sex": ["MALE"]}]}},
            ],
        }
    }


@pytest.mark.parametrize("viewport", [DESK, {"width": 390, "height": 844}])
def test_nothing_is_wider_than_the_screen(builder, viewport):
    page = builder(viewport=viewport)
    for _ in range(2):
        page.locator(".c-editor .c-add").last.click()
        settled(page)
        page.locator("select[name$='@kind']").last.select_option("group")
        settled(page)

    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
