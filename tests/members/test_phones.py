"""Phones as people write them, kept in one form, shown masked."""

from random import Random

import phonenumbers
import pytest

from members import masking, phones, products


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("13812345678", "+8613812345678"),
        ("138 1234 5678", "+8613812345678"),
        ("138-1234-5678", "+8613812345678"),
        ("+86 138 1234 5678", "+8613812345678"),
        ("0086 13812345678", "+8613812345678"),
        ("１３８１２３４５６７８", "+8613812345678"),
        ("010-65551234", "+861065551234"),
        ("+852 9123 4567", "+85291234567"),
        ("+1 415 555 2671", "+14155552671"),
    ],
)
def test_one_phone_has_one_form(written, kept):
    assert phones.normalize(written) == kept
    assert phones.normalize(kept) == kept


def by_the_library(text):
    number = phonenumbers.parse(text, "CN")
    if not phonenumbers.is_valid_number(number):
        raise phones.InvalidPhone
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def kept_by(read, text):
    try:
        return read(text)
    except (phones.InvalidPhone, phonenumbers.NumberParseException):
        return None


def test_the_short_way_for_mobiles_of_china_is_the_librarys():
    chance = Random(7)
    written = [f"1{chance.randrange(10**10):010d}" for _ in range(3_000)]
    written += [before + each for before in ("+86", "86", "0", "+8", " ") for each in written[:50]]

    found = [kept_by(phones.normalize, text) for text in written]

    assert found == [kept_by(by_the_library, text) for text in written]
    assert 0 < found.count(None) < len(found)


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "1",
        "110",
        "23812345678",
        "138123456789",
        "+99912345678",
        "13812345678 ext. 5",
        "电话",
        "𠮷",
        "\x00",
        "+" * 32,
        "1" * 33,
        "13812345678" * 100_000,
        "'; DROP TABLE members_member; --",
    ],
)
def test_what_is_none(written):
    with pytest.raises(phones.InvalidPhone):
        phones.normalize(written)


@pytest.mark.parametrize(
    ("phone", "shown"),
    [("+8613812345678", "138****5678"), ("+85291234567", "+85****4567"), ("", "")],
)
def test_is_shown_masked(phone, shown):
    assert phones.masked(phone) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [("王小明", "王**"), ("王", "王**"), ("", ""), ("Christopher", "C**"), ("𠮷田", "𠮷**")],
)
def test_names_are_shown_masked(name, shown):
    assert masking.name(name) == shown


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("LSVAA49J132047371", "LSVAA49J132047371"),
        (" lsvaa49j132047371 ", "LSVAA49J132047371"),
        ("sn-001", "SN-001"),
    ],
)
def test_a_product_has_one_identifier(written, kept):
    assert products.normalize(written) == kept


@pytest.mark.parametrize(
    "written", ["", "AB", "-ABC", "A B C", "车架号123", "A" * 65, "AB\x00C", "ſN001", "ıN001"]
)
def test_what_identifies_no_product(written):
    with pytest.raises(products.InvalidIdentifier):
        products.normalize(written)
