import re

import pytest
from playwright.sync_api import expect

from common import limits
from points import operations
from tests.factories import buy, identity, lot, member, plain, source
from tests.factories.points import NOON

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = "138 0013 8000"


@pytest.fixture
def who():
    plain()
    who = identity(member(name="王小明", phone=PHONE))
    buy(who, "268.00", reference="R-1001")
    operations.redeem(
        member=who, points=20, at=NOON, reference="X-1", source=source(), note="洗车券"
    )
    return who


def code_of(page):
    """Read the newest code where a tester reads it, once it is asked for."""
    expect(page.locator("[name=code]")).to_be_visible()
    other = page.context.new_page()
    other.goto("/sandbox/codes/")
    code = other.locator(".codes-code").first.inner_text()
    other.close()
    return code


def log_in(page):
    page.goto("/login/")
    page.get_by_label("手机号").fill(PHONE)
    page.get_by_role("button", name="获取验证码").click()
    page.get_by_label("验证码").fill(code_of(page))
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_text("可用积分")).to_be_visible()


def test_from_login_to_logout(open_page, who):
    page = open_page("/")
    expect(page).to_have_url(re.compile("/login/"))

    log_in(page)
    expect(page.locator(".card")).to_contain_text("王小明")
    expect(page.locator(".card-points")).to_have_text("6")

    page.get_by_role("navigation").get_by_role("link", name="积分").click()
    expect(page.locator(".line-points")).to_have_text(["−20", "+26"])
    expect(page.get_by_text("每消费 10 元得 1 分。计 26.8 分，向下取整为 26 分。")).to_be_visible()
    # What is chosen before the page is wired up asks for nothing.
    page.wait_for_load_state()
    page.get_by_role("radio", name="兑换").check()
    expect(page.locator(".line")).to_have_count(1)
    expect(page).to_have_url(re.compile("kind=REDEEM"))
    expect(page.get_by_text("洗车券")).to_be_visible()
    page.go_back()
    expect(page.locator(".line")).to_have_count(2)

    page.locator(".language summary").click()
    page.get_by_role("button", name="繁體中文").click()
    expect(page.get_by_role("heading", name="積分明細")).to_be_visible()
    page.locator(".language summary").click()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Statement")).to_be_visible()

    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(re.compile("/login/$"))
    page.goto("/statement/")
    expect(page).to_have_url(re.compile("/login/"))


def test_wrong_used_and_hasty_codes(open_page, who):
    page = open_page("/login/")
    page.get_by_label("手机号").fill(PHONE)
    page.get_by_role("button", name="获取验证码").click()
    expect(page.get_by_text("138****8000")).to_be_visible()
    code = code_of(page)
    page.get_by_label("验证码").fill(f"{(int(code) + 1) % 1_000_000:06d}")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).to_have_text("验证码不正确，还可以再试 4 次。")

    page.get_by_role("button", name="重新发送").click()
    expect(page.get_by_role("alert")).to_contain_text("秒后再试")
    expect(page.get_by_label("手机号")).to_have_value("+8613800138000")

    page.get_by_role("link", name="我已有验证码").click()
    for key in limits.client().scan_iter("challenge:*:phone"):
        limits.client().delete(key)  # what Redis does after five minutes
    page.get_by_label("验证码").fill(code)
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).to_have_text("验证码已失效，请重新获取。")
    expect(page.get_by_role("link", name="重新获取验证码")).to_be_visible()


def test_with_the_keyboard_alone(open_page, who):
    page = open_page("/login/")
    keys = page.keyboard
    # The first field has the focus.
    expect(page.get_by_label("手机号")).to_be_focused()
    keys.type("13800138000")
    keys.press("Enter")
    expect(page.get_by_label("验证码")).to_be_focused()
    keys.type(code_of(page))
    keys.press("Enter")
    expect(page.locator(".card")).to_be_visible()

    keys.press("Tab")
    expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    expect(page.get_by_role("link", name="跳到正文")).to_be_in_viewport()
    keys.press("Enter")
    expect(page.locator("main")).to_be_focused()

    page.goto("/statement/")
    for _ in range(20):
        keys.press("Tab")
        if page.evaluate("document.activeElement.name") == "kind":
            break
    keys.press("ArrowRight")
    expect(page).to_have_url(re.compile("kind=EARN"))
    expect(page.locator(".line")).to_have_count(1)


@pytest.mark.parametrize("java_script", [True, False])
def test_older_entries_with_and_without_scripts(open_page, java_script):
    plain()
    many = identity(member(phone=PHONE))
    for n in range(45):
        lot(many, n + 1)
    page = open_page("/login/", java_script_enabled=java_script)
    log_in(page)
    page.goto("/statement/")
    expect(page.locator(".line")).to_have_count(20)

    page.get_by_role("link", name="查看更早的明细").click()
    expect(page.locator(".line")).to_have_count(40 if java_script else 20)
    if java_script:
        expect(page.locator(".line").nth(20)).to_be_focused()
        expect(page.get_by_role("status")).to_have_text("又显示 20 条更早的明细。")
    else:
        expect(page).to_have_url(re.compile("before="))
    page.get_by_role("link", name="查看更早的明细").click()
    expect(page.locator(".line")).to_have_count(45 if java_script else 5)
    expect(page.locator(".line-points").last).to_have_text("+1")
    expect(page.get_by_text("已显示全部")).to_be_visible()


def test_fits_the_smallest_phone_and_both_schemes(open_page, who):
    for scheme in ("light", "dark"):
        page = open_page("/login/", viewport={"width": 320, "height": 568}, color_scheme=scheme)
        for key in limits.client().scan_iter("limit:*"):
            limits.client().delete(key)
        log_in(page)
        for path in ("/", "/statement/", "/sandbox/codes/", "/nowhere/"):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") == 320, path
            assert faint_texts(page) == []


def faint_texts(page):
    """Texts whose contrast with the ground behind them is below 4.5."""
    return page.evaluate(
        """() => {
            const rgb = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
            const luminance = ([r, g, b]) => [r, g, b]
                .map((v) => v / 255)
                .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
                .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
            const ground = (element) => {
                for (let e = element; e; e = e.parentElement) {
                    const color = rgb(getComputedStyle(e).backgroundColor);
                    if (color.length < 4 || color[3] === 1) return color;
                }
                return [255, 255, 255];
            };
            const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            const faint = [];
            while (texts.nextNode()) {
                const element = texts.currentNode.parentElement;
                if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
                const [a, b] = [rgb(getComputedStyle(element).color), ground(element)]
                    .map(luminance).sort((x, y) => y - x);
                if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(texts.currentNode.data.trim());
            }
            return faint;
        }"""
    )
