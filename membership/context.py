from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.utils.functional import SimpleLazyObject

from membership.brand_pages import icon_version
from membership.colors import FALLBACK, shades
from messaging import queries as messaging
from programme import queries as programme


def brand(_request: HttpRequest) -> dict[str, Any]:
    """The programme's name and colours, and whether this is a sandbox, for every page."""
    current = programme.programme()
    return {
        "programme_name": str(current) if current else "",
        "shades": shades(current.color if current else FALLBACK),
        "logo": current.logo if current else None,
        "icon_version": icon_version(current),
        # Each in its own language, whatever the page speaks.
        "languages": settings.LANGUAGES,
        "is_sandbox": settings.SANDBOX,
    }


def login(request: HttpRequest) -> dict[str, Any]:
    """Whose page this is, for what the browser keeps without the network."""
    user = getattr(request, "session", {}).get(SESSION_KEY, "")
    tag = salted_hmac("membership.context.login", user).hexdigest()[:16] if user else ""
    return {"login_tag": tag}


def unread(request: HttpRequest) -> dict[str, Any]:
    """The badge in a member's navigation; nobody else's page asks for it."""
    return {"unread_messages": SimpleLazyObject(lambda: _unread_count(request))}


def _unread_count(request: HttpRequest) -> int:
    member = getattr(request.user, "member", None)
    return messaging.unread_count(member.pk) if member is not None else 0
