"""Names that are data: one text per language, kept as JSON `{"zh-hans": …, "zh-hant": …, "en": …}`."""

from collections.abc import Mapping

from django.conf import settings
from django.utils.translation import get_language


def localized(names: Mapping[str, str]) -> str:
    """Return the text in the active language, else in the default one, else any."""
    for language in (get_language(), settings.LANGUAGE_CODE):
        if language and names.get(language):
            return names[language]
    return next(iter(names.values()), "")


# A part of every room's JSON Schema (see `programme.sections`).
NAMES_SCHEMA = {
    "type": "object",
    "properties": {code: {"type": "string", "minLength": 1} for code, _ in settings.LANGUAGES},
    "required": [settings.LANGUAGE_CODE],
    "additionalProperties": False,
}
