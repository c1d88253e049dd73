"""Identifiers of products: VIN 车架号 or serial number, compared without case and blanks."""

import re

from django.utils.translation import gettext_lazy as _

from common.errors import Invalid

IDENTIFIER = re.compile(r"[A-Z0-9][A-Z0-9-]{2,63}\Z", re.ASCII)


class InvalidIdentifier(Invalid):
    code = "invalid_product_identifier"
    message = _("This is not a product identifier: 3 to 64 letters and digits.")


def normalize(text: str) -> str:
    """:raises InvalidIdentifier: if it is none"""
    identifier = text.strip().upper()
    # Before upper(): it makes the ASCII letters S and I of ſ and ı.
    if not text.isascii() or not IDENTIFIER.match(identifier):
        raise InvalidIdentifier
    return identifier
