"""Without the network: a page that says what to do, and the member's card – nobody else's."""

import re
import threading

import pytest
from playwright.sync_api import expect

from membership.card_page import CardPage
from tests.browser.conftest import PATIENCE
from tests.browser.test_every_page import is_for_everybody, session
from tests.factories import member, plain

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
KEPT = "caches.match('/card/', { cacheName: 'card' }).then((kept) => Boolean(kept))"
FORGOTTEN = f"{KEPT}.then((kept) => !kept)"


@pytest.fixture
def phone(open_page, live_server):
    """The browser of a member, whose worker is at work."""
    plain()
    page = open_page("/login/", service_workers="allow")
    # On the page that called it: one on its way while the worker takes over stays without it.
    until(page, "navigator.serviceWorker.controller")
    enter(page, live_server, member(name="王小明"))
    return page


def until(page, condition):
    """Wait in the page: what Playwright itself would have it evaluate, our policy forbids."""
    page.evaluate(
        f"""async () => {{
            const end = Date.now() + {PATIENCE};
            while (!(await {condition})) {{
                if (Date.now() > end) throw new Error("in vain");
                await new Promise((next) => setTimeout(next, 50));
            }}
        }}"""
    )


def enter(page, live_server, one):
    page.context.add_cookies([session(one, live_server.url)])
    page.goto("/")
    expect(page.locator(".card-number")).to_contain_text(one.number)


def open_card(page):
    page.goto("/card/")
    until(page, KEPT)
    return page.locator(".qr path").get_attribute("d")


def test_a_page_says_what_to_do(phone):
    phone.context.set_offline(True)

    phone.goto("/statement/")

    expect(phone.locator(".error-page h1")).to_be_visible()
    expect(phone.locator(".error-page")).to_have_css("text-align", "center")
    is_for_everybody(phone)
    phone.context.set_offline(False)
    phone.locator(".error-page .primary").click()
    expect(phone).to_have_url(re.compile("/statement/$"))
    expect(phone.locator(".error-page")).to_have_count(0)


def test_the_card_opens_says_how_long_it_is_good_and_renews_itself(phone):
    shown = open_card(phone)
    kept_since(phone, minutes=2)
    phone.context.set_offline(True)

    phone.goto("/")
    phone.locator(".error-page a[href='/card/']").click()

    expect(phone.locator(".qr path")).to_have_attribute("d", shown)
    expect(phone.locator(".pass-name")).to_have_text("王小明")
    # Its time runs since it was asked for, not since it was opened again.
    expect(phone.locator("[data-left]")).to_have_text(re.compile("^[0-2]:"))
    is_for_everybody(phone)
    phone.context.set_offline(False)
    phone.evaluate("window.dispatchEvent(new Event('online'))")
    expect(phone.locator(".qr path")).not_to_have_attribute("d", shown)
    expect(phone.locator("[data-left]")).to_have_text(re.compile("^[45]:"))


def kept_since(page, *, minutes):
    """As though the card had been kept so long."""
    page.evaluate(
        """async (ms) => {
            const cache = await caches.open("card");
            const kept = await cache.match("/card/");
            const text = (await kept.text())
                .replace(/data-kept-at="(\\d+)"/, (_all, at) => `data-kept-at="${at - ms}"`);
            await cache.put("/card/", new Response(text, { headers: kept.headers }));
        }""",
        minutes * 60_000,
    )


def test_a_card_kept_too_long_says_so_and_still_tells_the_number(phone):
    open_card(phone)
    kept_since(phone, minutes=60)
    phone.context.set_offline(True)

    phone.goto("/card/")

    expect(phone.locator(".pass-over")).not_to_be_empty()
    expect(phone.locator(".pass-left")).to_be_hidden()
    expect(phone.locator(".pass-number")).to_contain_text("M0")
    is_for_everybody(phone)


def test_the_card_does_not_wait_for_a_slow_network(phone, monkeypatch):
    shown = open_card(phone)
    let_go = threading.Event()
    answer = CardPage.get

    def slow(self, request, *args, **kwargs):
        let_go.wait(30)
        return answer(self, request, *args, **kwargs)

    monkeypatch.setattr(CardPage, "get", slow)
    try:
        phone.goto("/card/")
        assert not let_go.is_set()
        expect(phone.locator(".qr path")).to_have_attribute("d", shown)
    finally:
        let_go.set()


def test_the_logout_forgets_the_card(phone):
    open_card(phone)

    phone.locator("form[action='/logout/'] button").click()
    expect(phone).to_have_url(re.compile("/login/$"))
    until(phone, FORGOTTEN)

    phone.context.set_offline(True)
    phone.goto("/card/")
    expect(phone.locator(".error-page h1")).to_be_visible()
    expect(phone.locator(".qr")).to_have_count(0)


def test_a_session_that_has_ended_forgets_the_card(phone):
    open_card(phone)
    phone.context.clear_cookies()

    phone.goto("/login/")

    until(phone, FORGOTTEN)


def test_another_login_never_sees_it(phone, live_server):
    open_card(phone)

    enter(phone, live_server, member(name="李四"))
    until(phone, FORGOTTEN)

    phone.context.set_offline(True)
    phone.goto("/card/")
    expect(phone.locator(".error-page h1")).to_be_visible()
    expect(phone.locator("body")).not_to_contain_text("王小明")


def test_keeps_no_other_page_of_a_member(phone):
    open_card(phone)
    for path in ("/", "/statement/", "/profile/", "/messages/"):
        phone.goto(path)

    kept = phone.evaluate(
        """async () => {
            const names = await caches.keys();
            const caches_ = await Promise.all(names.map((name) => caches.open(name)));
            const keys = await Promise.all(caches_.map((cache) => cache.keys()));
            return keys.flat().map((request) => new URL(request.url).pathname);
        }"""
    )

    personal = [path for path in kept if not path.startswith("/static/")]
    assert sorted(personal) == ["/card/", "/offline/"]


@pytest.mark.parametrize("language", ["en", "zh-hant"])
def test_the_page_without_a_network_speaks_the_members_language(phone, language):
    phone.locator(".language summary").click()
    phone.locator(f".language button[value='{language}']").click()
    expect(phone.locator("html")).to_have_attribute("lang", language)
    until(phone, f"navigator.serviceWorker.controller.scriptURL.endsWith('={language}')")

    phone.context.set_offline(True)
    phone.goto("/statement/")

    expect(phone.locator(".error-page h1")).to_be_visible()
    expect(phone.locator("html")).to_have_attribute("lang", language)
