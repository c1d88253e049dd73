"""Which language a browser is spoken to in: a cookie, as `LocaleMiddleware` reads it."""

from django.conf import settings
from django.http import HttpResponse


def is_ours(language: str) -> bool:
    return language in dict(settings.LANGUAGES)


def remember(response: HttpResponse, language: str) -> HttpResponse:
    """Have the browser read a language from now on."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite=settings.LANGUAGE_COOKIE_SAMESITE,  # type: ignore[arg-type]  # a literal, to stubs
    )
    return response
