"""Member numbers catch a mistyped digit before it credits someone else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members.numbers import SEQUENCE_MAX, check_digit, is_member_number, member_number

sequences = st.integers(1, SEQUENCE_MAX)


@pytest.mark.parametrize(
    ("sequence", "number"),
    [(1, "M0000000018"), (7, "M0000000075"), (999_999_999, "M9999999999")],
)
def test_are_written_with_their_check_digit(sequence, number):
    assert member_number(sequence) == number
    assert is_member_number(number)


def test_the_check_digit_is_luhns():
    # ISO/IEC 7812-1's own example.
    assert check_digit("7992739871") == "3"


@given(sequences, st.integers(1, 10), st.integers(1, 9))
def test_every_wrong_digit_is_caught(sequence, place, by):
    number = member_number(sequence)
    wrong = number[:place] + str((int(number[place]) + by) % 10) + number[place + 1 :]

    assert not is_member_number(wrong)


@given(sequences, st.integers(1, 9))
def test_nearly_every_swap_of_neighbours_is_caught(sequence, place):
    number = member_number(sequence)
    a, b = number[place], number[place + 1]
    swapped = number[:place] + b + a + number[place + 2 :]

    # Luhn cannot tell 09 from 90.
    assert is_member_number(swapped) == (a == b or {a, b} == {"0", "9"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "M",
        "M000000001",
        "M00000000188",
        "m0000000018",
        " M0000000018",
        "M0000000018\n",
        "M٠٠٠٠٠٠٠٠١٨",
        "M０００００００018",
        "M00000000-8",
        "0000000018",
        "M0000000018'; --",
    ],
)
def test_what_is_none(text):
    assert not is_member_number(text)


@pytest.mark.parametrize("sequence", [0, -1, SEQUENCE_MAX + 1])
def test_the_range_has_ends(sequence):
    with pytest.raises(AssertionError):
        member_number(sequence)
