"""Codes, tokens and discounts: without a table."""

from datetime import date
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from benefits.coupons import codes, tokens
from benefits.coupons.discounts import (
    AMOUNT,
    EXCLUSIVE,
    ITEM,
    ONCE,
    PERCENT,
    STACKS,
    BelowMinimum,
    Line,
    NotStackable,
    Terms,
    discounted,
)

CENTS = st.integers(0, 10_000_00).map(lambda cents: Decimal(cents) / 100)
LINES = st.lists(st.builds(Line, st.sampled_from(["parts", "labour", ""]), CENTS), max_size=8)
WORTH = st.one_of(
    st.builds(Terms, batch=st.integers(1, 3), kind=st.just(PERCENT),
              pays=st.integers(0, 99).map(Decimal), most=st.none() | CENTS),
    st.builds(Terms, batch=st.integers(1, 3), kind=st.just(AMOUNT),
              amount=CENTS.filter(bool), categories=st.sampled_from([frozenset(), {"parts"}])),
    st.builds(Terms, batch=st.integers(1, 3), kind=st.just(ITEM)),
)  # fmt: skip


def off(lines, *terms):
    return discounted([Line(*line) for line in lines], terms).discounts


def percent(pays, **more):
    return Terms(batch=1, kind=PERCENT, pays=Decimal(pays), **more)


def amount(value, **more):
    return Terms(batch=2, kind=AMOUNT, amount=Decimal(value), **more)


class TestCodes:
    def test_every_wrong_character_is_found(self):
        [code] = codes.make(1)

        wrong = [
            code[:place] + other + code[place + 1 :]
            for place in range(codes.LENGTH)
            for other in codes.ALPHABET
            if other != code[place]
        ]

        assert codes.is_ours(code)
        assert not any(codes.is_ours(each) for each in wrong)

    def test_nearly_every_swap_of_neighbors_is_found(self):
        swapped = [
            code[:place] + code[place + 1] + code[place] + code[place + 2 :]
            for code in codes.make(200)
            for place in range(codes.LENGTH - 1)
            if code[place] != code[place + 1]
        ]

        assert sum(codes.is_ours(each) for each in swapped) < len(swapped) / 100

    def test_is_read_as_people_type_it(self):
        code = next(
            each for each in codes.make(500) if "0" in each and "1" in each and codes.is_ours(each)
        )

        typed = codes.shown(code).lower().replace("0", "o").replace("1", "l")

        assert codes.read(f" {typed} ") == code

    def test_a_partners_code_stays_as_it_is(self):
        assert codes.read(" kfc-OIL-01 ") == "KFC-OIL-01"

    def test_a_thief_without_the_key_cannot_try_codes(self, settings):
        [code] = codes.make(1)
        before = codes.digest(code)

        settings.FIELD_INDEX_KEY = "A" * 43 + "="

        assert codes.digest(code) != before
        assert len(before) == 16


class TestTokens:
    token = tokens.Token(2**40, 7, date(2026, 7, 1), date(2026, 7, 31))

    def test_says_what_was_written(self):
        text = tokens.write(self.token)

        assert tokens.read(text.lower()) == self.token
        assert tokens.is_one(text)
        # A QR code keeps these in 5.5 bits each.
        assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")

    @pytest.mark.parametrize("place", [3, 20, 60, 120])
    def test_one_character_changed_and_it_is_none(self, place):
        text = tokens.write(self.token)
        other = "A" if text[place] != "A" else "B"

        with pytest.raises(tokens.InvalidToken):
            tokens.read(text[:place] + other + text[place + 1 :])

    @pytest.mark.parametrize("text", ["", "CP1", "CP1" + "A" * 128, "CP1?" * 40])
    def test_rubbish_is_none(self, text):
        with pytest.raises(tokens.InvalidToken):
            tokens.read(text)

    def test_a_till_checks_it_with_the_public_key_alone(self):
        import base64

        text = tokens.write(self.token).removeprefix("CP1")
        raw = base64.b32decode(text + "=" * (-len(text) % 8))

        key = Ed25519PublicKey.from_public_bytes(tokens.public_key())
        key.verify(raw[16:], b"CP1" + raw[:16])

    def test_another_installation_signs_otherwise(self, settings):
        text = tokens.write(self.token)

        settings.SECRET_KEY = "another"

        with pytest.raises(tokens.InvalidToken):
            tokens.read(text)


class TestDiscounts:
    @pytest.mark.parametrize(
        ("terms", "expected"),
        [
            (percent(85), "15.00"),
            (percent(85, most=Decimal(10)), "10.00"),
            (amount(30), "30.00"),
            (amount(300), "100.00"),
            (percent("66.66"), "33.34"),
            (Terms(batch=1, kind=ITEM), "0.00"),
        ],
    )
    def test_of_a_hundred(self, terms, expected):
        assert off([("", Decimal(100))], terms) == (Decimal(expected),)

    def test_half_a_cent_is_rounded_up_once_on_the_sum(self):
        # 15 % of 0.30 are 4.5 cents; of each line alone they would be 1.5, three times.
        assert off([("", Decimal("0.10"))] * 3, percent(85)) == (Decimal("0.05"),)

    def test_only_what_it_is_good_for_is_cheaper(self):
        lines = [Line("parts", Decimal(100)), Line("labour", Decimal(50))]

        bill = discounted(lines, [amount(120, categories=frozenset({"parts"}))])

        assert bill.discounts == (Decimal(100),)
        assert [line.amount for line in bill.lines] == [Decimal(0), Decimal(50)]

    def test_the_minimum_is_of_what_is_left_to_pay(self):
        needs = amount(10, minimum_spend=Decimal(80))

        assert off([("", Decimal(100))], amount(20), needs) == (Decimal(20), Decimal(10))
        with pytest.raises(BelowMinimum):
            off([("", Decimal(100))], amount("20.01"), needs)

    def test_nothing_is_taken_off_nothing(self):
        with pytest.raises(BelowMinimum):
            off([("", Decimal(0))], amount(5))

    @pytest.mark.parametrize(
        ("one", "other", "go_together"),
        [
            (STACKS, STACKS, True), (ONCE, STACKS, True), (EXCLUSIVE, STACKS, False),
            (STACKS, EXCLUSIVE, False), (ONCE, ONCE, False),
        ],
    )  # fmt: skip
    def test_stacking(self, one, other, go_together):
        coupons = [amount(5, stacking=one), amount(5, stacking=other)]

        if go_together:
            assert len(off([("", Decimal(100))], *coupons)) == 2
        else:
            with pytest.raises(NotStackable):
                off([("", Decimal(100))], *coupons)

    def test_two_batches_of_which_each_goes_once_go_together(self):
        one = Terms(batch=8, kind=AMOUNT, amount=Decimal(5), stacking=ONCE)

        assert len(off([("", Decimal(100))], one, amount(5, stacking=ONCE))) == 2

    @given(LINES, st.lists(WORTH, max_size=4))
    def test_no_line_falls_below_nought_and_nothing_is_lost(self, lines, coupons):
        try:
            bill = discounted(lines, coupons)
        except BelowMinimum:
            return

        before = sum((line.amount for line in lines), Decimal(0))
        assert bill.total + sum(bill.discounts) == before
        assert all(line.amount >= 0 for line in bill.lines)
        assert all(off >= 0 and off == round(off, 2) for off in bill.discounts)
        assert [line.category for line in bill.lines] == [line.category for line in lines]

    @given(LINES, WORTH)
    def test_the_order_of_lines_does_not_matter(self, lines, terms):
        try:
            expected = discounted(lines, [terms]).discounts
        except BelowMinimum:
            return

        assert discounted(lines[::-1], [terms]).discounts == expected

    @given(LINES, st.lists(WORTH, min_size=1, max_size=3))
    def test_one_more_coupon_does_not_change_those_before(self, lines, coupons):
        try:
            bill = discounted(lines, coupons)
        except BelowMinimum:
            return

        assert bill.discounts[:-1] == discounted(lines, coupons[:-1]).discounts
