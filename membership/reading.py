"""
The language a member reads: chosen on any page, kept with the member, and so the same at the next
login, on another device and in messages.
"""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import get_language
from django.views import i18n

from common import languages
from members.models import Member
from messaging import operations as messaging
from messaging import queries as messaging_queries

# What a visitor chose in this session, until they log in.
CHOSEN = "language"


def choose(request: HttpRequest) -> HttpResponseBase:
    """POST a language: the browser keeps it, and so does a member."""
    language = request.POST.get("language", "")
    if languages.is_ours(language):
        member = getattr(request.user, "member", None)
        if member is not None:
            messaging.set_language(member_id=member.pk, language=language)
        elif not request.user.is_authenticated:
            request.session[CHOSEN] = language
    return i18n.set_language(request)


def arrived(response: HttpResponse, *, member: Member, chosen: str) -> HttpResponse:
    """
    The answer to a login, in the member's language: the one chosen in this session, the one kept
    with the member, or else the one the member has just read, which is kept from now on.
    """
    kept = messaging_queries.reader(member.pk).language
    language = chosen or kept or get_language() or ""
    if not languages.is_ours(language):
        return response
    if language != kept:
        messaging.set_language(member_id=member.pk, language=language)
    return languages.remember(response, language)
