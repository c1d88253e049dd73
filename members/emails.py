"""E-mail addresses: kept and compared in lower case. Shown masked (`members.masking`)."""

import unicodedata

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid

TEXT_MAX = 254


class InvalidEmail(Invalid):
    code = "invalid_email"
    message = _("This is not a valid e-mail address.")


def normalize(text: str) -> str:
    """:raises InvalidEmail: if it is none"""
    # Full-width letters come from Chinese input methods.
    email = unicodedata.normalize("NFKC", text).strip().lower()
    try:
        if len(email) > TEXT_MAX:
            raise InvalidEmail
        validate_email(email)
    except ValidationError as error:
        raise InvalidEmail from error
    return email
