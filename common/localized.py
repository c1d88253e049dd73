"""Names that are data: one text per language, as JSON `{"zh-hans": …, "zh-hant": …, "en": …}`."""

from collections.abc import Mapping

from django.conf import settings
from django.utils.translation import get_language


def localized(names: Mapping[str, str]) -> str:
    """Return the text in the active language, else in the default one, else any."""
    for language in (get_language(), settings.LANGUAGE_CODE):
        if language and names.get(language):
            return names[language]
    return next(iter(names.values()), "")


# Text the database can store and a page can show: no control characters, no half surrogate pairs.
TEXT_PATTERN = r"^[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*\Z"
# The same in several lines.
LINES_PATTERN = r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]*\Z"

# A part of every room's JSON Schema (see `programme.sections`).
NAMES_SCHEMA = {
    "type": "object",
    "properties": {
        code: {"type": "string", "minLength": 1, "maxLength": 200, "pattern": TEXT_PATTERN}
        for code, _ in settings.LANGUAGES
    },
    "required": [settings.LANGUAGE_CODE],
    "additionalProperties": False,
}
