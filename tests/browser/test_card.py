"""The card at the till, on a phone whose network comes and goes."""

import re

import pytest
from playwright.sync_api import expect

from members import cards
from tests.browser.test_every_page import session
from tests.factories import member, plain

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def card(open_page, live_server):
    plain()
    one = member(name="王小明")
    page = open_page("/login/")
    page.context.add_cookies([session(one, live_server.url)])
    page.clock.install()
    page.goto("/card/")
    expect(page.locator(".pass-left")).to_be_visible()
    return page


def drawn(page):
    return page.locator(".qr path").get_attribute("d")


def test_is_renewed_each_minute_without_a_new_page(card):
    first = drawn(card)
    card.evaluate("window.isSame = true")

    card.clock.run_for(61_000)

    expect(card.locator(".qr path")).not_to_have_attribute("d", first)
    expect(card.locator("[data-left]")).to_have_text(re.compile("^(5:00|4:5)"))
    assert card.evaluate("window.isSame")


def seconds_left(page):
    minutes, seconds = page.locator("[data-left]").inner_text().split(":")
    return int(minutes) * 60 + int(seconds)


def test_without_the_network_it_stays_counts_down_and_says_when_it_is_over(card):
    first = drawn(card)
    card.context.set_offline(True)
    # From here on time passes only when it is told to, however slow the machine.
    card.clock.pause_at(card.evaluate("Date.now()") / 1000 + 1)
    left = seconds_left(card)

    card.clock.run_for(181_000)
    assert drawn(card) == first
    assert seconds_left(card) == left - 181
    expect(card.locator(".pass-over")).to_be_empty()

    card.clock.run_for(cards.GOOD_FOR.seconds * 1000)
    expect(card.locator(".pass-over")).not_to_be_empty()
    expect(card.locator(".pass-left")).to_be_hidden()
    assert drawn(card) == first

    card.context.set_offline(False)
    card.clock.resume()
    card.clock.run_for(11_000)
    expect(card.locator(".qr path")).not_to_have_attribute("d", first)
    expect(card.locator(".pass-over")).to_be_empty()


def test_says_whose_it_is_to_who_does_not_see_it(card):
    name = card.locator(".qr").get_attribute("aria-label")

    assert card.locator(".card-number, .pass-number").inner_text().replace(" ", "")[-11:] in name


@pytest.mark.parametrize("size", [(320, 568), (390, 844), (844, 390), (568, 320)])
def test_is_large_enough_for_a_scanner_however_the_phone_is_held(card, size):
    card.set_viewport_size({"width": size[0], "height": size[1]})

    box = card.locator(".qr").bounding_box()

    # A phone's pixel is a sixth of a millimetre: 168 of them are 27 mm.
    assert min(box["width"], box["height"]) >= 168
    assert card.evaluate("document.documentElement.scrollWidth") <= size[0]
