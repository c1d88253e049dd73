"""
Member numbers: `M`, nine digits and a check digit, as in M0000000017.

The check digit is Luhn's (ISO/IEC 7812-1 annex B): it catches every single wrong digit and nearly
every swap of neighbours, so a mistyped number is refused before it can credit someone else.
"""

import re

NUMBER = re.compile(r"M(\d{9})(\d)\Z", re.ASCII)
SEQUENCE_MAX = 999_999_999


def member_number(sequence: int) -> str:
    """Return the number of the member with this sequence (1 … 999,999,999)."""
    assert 0 < sequence <= SEQUENCE_MAX, "the number range is used up"
    digits = f"{sequence:09d}"
    return f"M{digits}{check_digit(digits)}"


def is_member_number(text: str) -> bool:
    match = NUMBER.match(text)
    return match is not None and check_digit(match[1]) == match[2]


def looks_like_one(text: str) -> bool:
    """Whether a text is a member number or a mistyped one, and so nobody's own customer number."""
    return NUMBER.match(text) is not None


def application_number(pk: int) -> str:
    """What people call the application with this key: A, nine digits and a check digit."""
    return "A" + member_number(pk)[1:]


def application_key(text: str) -> int | None:
    """The key of the application with this number; None if it is none."""
    return int(text[1:-1]) if text[:1] == "A" and is_member_number(f"M{text[1:]}") else None


def check_digit(digits: str) -> str:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)
