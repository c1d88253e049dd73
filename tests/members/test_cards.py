"""The code on a member's card."""

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest

from members import cards

NOON = datetime(2026, 6, 15, 4, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_tells_whose_it_is_until_its_time_is_over():
    code = cards.code(2**40 + 7, at=NOON)

    assert cards.read(code, at=NOON) == 2**40 + 7
    assert cards.read(code, at=NOON + cards.GOOD_FOR - SECOND) == 2**40 + 7
    for late in (cards.GOOD_FOR, timedelta(days=400)):
        with pytest.raises(cards.CardExpired):
            cards.read(code, at=NOON + late)


def test_no_two_are_the_same():
    assert len({cards.code(1, at=NOON) for _ in range(100)}) == 100


def test_is_letters_and_digits_that_any_keyboard_layout_types():
    code = cards.code(1, at=NOON)

    assert re.fullmatch("[A-Z0-9]+", code)
    assert len(code) == cards.LENGTH
    # As a scanner with caps lock on types it, and ends the line.
    assert cards.read(f"{code.lower()}\n", at=NOON) == 1


def test_nobody_makes_one_for_another_member_or_another_time():
    code = cards.code(1, at=NOON)
    content = bytearray(base64.b32decode(code.removeprefix(cards.PREFIX)))

    for place in range(len(content)):
        forged = bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(cards.InvalidCard):
            cards.read(cards.PREFIX + base64.b32encode(forged).decode(), at=NOON)


def test_another_secret_makes_other_cards(settings):
    code = cards.code(1, at=NOON)
    settings.SECRET_KEY = "another"

    with pytest.raises(cards.InvalidCard):
        cards.read(code, at=NOON)


def test_one_from_the_future_is_none_but_for_clocks_that_differ_a_little():
    assert cards.read(cards.code(1, at=NOON + cards.SKEW), at=NOON) == 1
    with pytest.raises(cards.InvalidCard):
        cards.read(cards.code(1, at=NOON + cards.SKEW + SECOND), at=NOON)


@pytest.mark.parametrize(
    "text",
    ["", "MC1", "M0000000018", "MC1" + "1" * 56, "MC1" + "A" * 56, "MC1" + "é" * 56, "x" * 999],
)
def test_other_codes_are_none(text):
    with pytest.raises(cards.InvalidCard):
        cards.read(text, at=NOON)
