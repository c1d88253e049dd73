"""
Identifiers of products: VIN 车架号 or serial number, compared without case and blanks.

A vehicle identification number (ISO 3779, GB 16735) has 17 characters, the ninth of which is made
of all others: a mistyped character is found by it.
"""

import re

from django.utils.translation import gettext_lazy as _

from common.errors import Invalid

IDENTIFIER = re.compile(r"[A-Z0-9][A-Z0-9-]{2,63}\Z", re.ASCII)


class InvalidIdentifier(Invalid):
    code = "invalid_product_identifier"
    message = _("This is not a product identifier: 3 to 64 letters and digits.")


class InvalidVin(Invalid):
    code = "invalid_vin"
    message = _("This is not a VIN: it needs 17 characters and a check digit that fits.")


VIN_LENGTH = 17
_CHECKED_AT = 8
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
# What each character counts. I, O and Q look like digits and are none of them.
VIN_VALUES = {
    **{str(digit): digit for digit in range(10)},
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}


def with_check_digit(vin: str) -> str:
    """Put the right character in the ninth place of 17."""
    values = (VIN_VALUES[character] for character in vin)
    rest = sum(value * weight for value, weight in zip(values, _WEIGHTS, strict=True)) % 11
    return f"{vin[:_CHECKED_AT]}{'X' if rest == 10 else rest}{vin[_CHECKED_AT + 1 :]}"


def require_vin(identifier: str) -> None:
    """:raises InvalidVin: if it is none"""
    has_form = len(identifier) == VIN_LENGTH and all(each in VIN_VALUES for each in identifier)
    if not has_form or with_check_digit(identifier) != identifier:
        raise InvalidVin


def normalize(text: str) -> str:
    """:raises InvalidIdentifier: if it is none"""
    identifier = text.strip().upper()
    # Before upper(): it makes the ASCII letters S and I of ſ and ı.
    if not text.isascii() or not IDENTIFIER.match(identifier):
        raise InvalidIdentifier
    return identifier
