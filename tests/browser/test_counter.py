"""A clerk at the counter, on a phone and on a tablet: three taps for what is usual."""

import io
from datetime import date

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from django.utils.timezone import localdate
from PIL import Image
from playwright.sync_api import expect

from benefits import operations as benefits
from benefits.models import Proof, Right, RightState, Step
from members import cards
from partners.models import Placement
from points import queries as ledger
from programme import operations as programmes
from programme import queries as programme
from tests import factories
from tests.benefits.plan import always, discount, document, service, stand, told
from tests.browser.test_every_page import is_for_everybody

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE, TABLET = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
PASSWORD = "a-clerks-password"

COUNT_TAPS = """
    addEventListener("pointerdown", () => {
        sessionStorage.taps = Number(sessionStorage.taps || 0) + 1;
    }, true);
"""


@pytest.fixture
def of(live_server):
    now = timezone.now()
    plan = document(
        service("wash", "year", t1=2), always("tow", "t1"), discount("off", t1="85"),
        undo_minutes=60,
    )  # fmt: skip
    plan["benefits"]["of_tiers"][0]["names"] = {"zh-hans": "精致洗车"}
    plan["benefits"]["of_tiers"][1]["names"] = {"zh-hans": "道路救援"}
    plan["benefits"]["of_tiers"][2]["names"] = {"zh-hans": "工时折扣"}
    plan["policies"]["bills"] = {"share": 50, "points_min": 100}
    programmes.load(document=plan, published_at=now)
    programme.forget_cached()
    one = factories.identity(phone="13912345678", name="王小明")
    told()
    stand(one, "t1", since="2026-01-01")
    benefits.grant(member_ids=[one.id], day=localdate(now), at=now)
    factories.lot(one, 3000, expires_on=date(2100, 6, 30))
    return one


@pytest.fixture
def clerk(of):
    user = factories.staff(is_superuser=False, username="xiaoli")
    user.set_password(PASSWORD)
    user.save()
    # Roles are made by migrations; a database that was emptied has none.
    user.user_permissions.add(Permission.objects.get(codename="serve_placement"))
    at = factories.store(name="浦东店")
    Placement.objects.create(user=user, organization=at.organization, store=at)
    return user


@pytest.fixture(params=[PHONE, TABLET], ids=["phone", "tablet"])
def counter(request, open_page, clerk):
    """At the counter, logged in by hand; from then on taps are counted."""
    page = open_page("/counter/", viewport=request.param, has_touch=True)
    page.get_by_label("用户名").fill("xiaoli")
    page.get_by_label("密码").fill(PASSWORD)
    page.locator("button.go").click()
    expect(page.locator(".where")).to_contain_text("浦东店")
    page.context.add_init_script(COUNT_TAPS)
    page.reload()
    return page


def taps(page):
    return int(page.evaluate("sessionStorage.taps || 0"))


def scan(page, of):
    """As a scanner does: it types what it reads into the field that has the focus, and Enter."""
    expect(page.locator("#id_code")).to_be_focused()
    page.keyboard.type(cards.code(of.id, at=timezone.now()))
    page.keyboard.press("Enter")
    expect(page.locator(".who")).to_contain_text("王**")


def test_a_right_is_handed_over_and_undone_in_three_taps(counter, of):
    scan(counter, of)
    counter.locator("li", has_text="精致洗车").get_by_role("button").tap()
    expect(counter.locator("h1")).to_have_text("精致洗车")
    assert Right.objects.filter(state=RightState.DELIVERED).count() == 1
    assert taps(counter) == 1

    counter.locator("button.bad").tap()
    expect(counter.locator("button.bad")).to_have_count(0)

    assert taps(counter) == 2
    assert not Right.objects.filter(state=RightState.DELIVERED).exists()


def test_points_come_off_a_bill_in_three_taps(counter, of):
    scan(counter, of)
    bill = counter.locator("#id_bill")
    bill.tap()
    bill.fill("200")
    counter.locator("form[action$='/bill/'] button").tap()
    expect(counter.locator("h1")).to_contain_text("100.00")
    counter.locator("button[value=pay]").tap()
    expect(counter.locator(".state.good")).to_be_visible()

    assert taps(counter) == 3
    assert ledger.balance(of.id) == 2000


def test_without_a_code_digits_and_name_do(counter, of):
    counter.locator("#id_tail").fill("5678")
    counter.locator("#id_name").fill("王小明")
    counter.locator("form:not(#by-code) button.go").tap()

    expect(counter.locator(".who")).to_contain_text("王**")
    assert taps(counter) == 1


def test_the_member_signs_on_the_screen(counter, of):
    scan(counter, of)
    counter.locator("li", has_text="精致洗车").get_by_role("link").tap()
    pad = counter.locator("canvas")
    expect(pad).to_be_visible()
    is_for_everybody(counter)
    box = pad.bounding_box()
    counter.mouse.move(box["x"] + 20, box["y"] + 20)
    counter.mouse.down()
    counter.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] - 20, steps=5)
    counter.mouse.up()
    counter.locator("button.go").tap()
    expect(counter.locator(".state.good")).to_be_visible()

    step = Step.objects.get(kind="DELIVERED")
    assert step.proof == Proof.SIGNATURE
    drawn = Image.open(io.BytesIO(step.picture.content)).convert("L")
    dark, light = drawn.getextrema()
    assert dark < 60
    assert light > 200


def test_an_empty_pad_is_no_signature(counter, of):
    scan(counter, of)
    counter.locator("li", has_text="精致洗车").get_by_role("link").tap()
    expect(counter.locator("canvas")).to_be_visible()
    counter.locator("button.go").tap()

    expect(counter.get_by_role("alert")).to_be_visible()
    assert not Right.objects.filter(state=RightState.DELIVERED).exists()


def test_two_quick_taps_hand_over_once(counter, of):
    scan(counter, of)
    counter.evaluate(
        """() => {
            const button = [...document.querySelectorAll("li button")][0];
            button.click();
            button.click();
        }"""
    )
    expect(counter.locator(".state.good")).to_be_visible()

    assert Right.objects.filter(state=RightState.DELIVERED).count() == 1


CAMERA = """
    window.BarcodeDetector = class {
        async detect() { return window.shown ? [{rawValue: window.shown}] : []; }
    };
    Object.defineProperty(navigator, "mediaDevices", {value: {
        getUserMedia: async () => document.createElement("canvas").captureStream(),
    }});
"""


def test_the_camera_reads_the_code_where_the_browser_can(counter, of):
    counter.context.add_init_script(CAMERA)
    counter.reload()
    counter.locator("[data-scan]").tap()
    expect(counter.locator("video")).to_be_visible()

    counter.evaluate("code => { window.shown = code }", cards.code(of.id, at=timezone.now()))

    expect(counter.locator(".who")).to_contain_text("王**")


def test_without_script_all_of_it_works(open_page, clerk, of):
    page = open_page("/counter/", java_script_enabled=False)
    page.get_by_label("用户名").fill("xiaoli")
    page.get_by_label("密码").fill(PASSWORD)
    page.locator("button.go").click()
    page.locator("#id_code").fill(cards.code(of.id, at=timezone.now()))
    page.locator("#by-code button[type=submit]").click()
    page.locator("li", has_text="道路救援").get_by_role("button").click()

    expect(page.locator("h1")).to_have_text("道路救援")
    assert Right.objects.get(state=RightState.DELIVERED).benefit == "tow"


def test_every_page_can_be_used_by_everybody_with_a_thumb(counter, of):
    is_for_everybody(counter)
    scan(counter, of)
    is_for_everybody(counter)
    counter.locator("li", has_text="精致洗车").get_by_role("button").tap()
    expect(counter.locator(".state.good")).to_be_visible()
    is_for_everybody(counter)
    counter.emulate_media(media="print")
    expect(counter.locator(".acts")).to_be_hidden()
