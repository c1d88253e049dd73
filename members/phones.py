"""Phone numbers: kept as E.164, read as people write them, shown masked."""

import re
from typing import Any

import phonenumbers
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid

DEFAULT_REGION = "CN"
TEXT_MAX = 32
# A mobile number of mainland China without anything around it, by the library's own pattern: most
# numbers of a file are such, and what the library does to recognize any other takes a tenth of a
# millisecond.
_CHINA: Any = phonenumbers.PhoneMetadata.metadata_for_region(DEFAULT_REGION)
_MOBILE = re.compile(rf"(?:\+86)?(?:{_CHINA.mobile.national_number_pattern})", re.ASCII)
_MOBILE_DIGITS = 11


class InvalidPhone(Invalid):
    code = "invalid_phone"
    message = _("This is not a valid phone number.")


def normalize(text: str) -> str:
    """
    Return a phone number as E.164. Without a country it is a number of mainland China.

    :raises InvalidPhone: if it is none
    """
    if _MOBILE.fullmatch(text):
        return f"+86{text[-_MOBILE_DIGITS:]}"
    if len(text) > TEXT_MAX:
        raise InvalidPhone
    try:
        number = phonenumbers.parse(text, DEFAULT_REGION)
    except phonenumbers.NumberParseException as error:
        raise InvalidPhone from error
    if not phonenumbers.is_valid_number(number) or number.extension:
        raise InvalidPhone
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def masked(phone: str) -> str:
    """+8613812345678 → 138****5678; enough to recognize one's own, too little to call."""
    national = phone.removeprefix("+86")
    return f"{national[:3]}****{national[-4:]}" if phone else ""
