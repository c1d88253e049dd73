"""Every code a problem may have, in the reader's language: where a problem's `type` leads."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.decorators.http import require_safe

from common.api.errors import TITLES
from common.api.rendering import respond
from common.api.schema import ANY, WITH_BODY, WITH_KEY
from common.api.views import language_of
from common.errors import DomainError


@require_safe
def problems(request: HttpRequest) -> HttpResponse:
    with translation.override(language_of(request.headers.get("Accept-Language", ""))):
        listed = {
            code: {"code": code, "status": status, "title": str(TITLES[status])}
            for status, code in sorted([*_of_the_manners(), *_of_the_rooms()])
        }
        return respond({"problems": list(listed.values())}, headers={"Vary": "Accept-Language"})


def _of_the_manners() -> Iterator[tuple[int, str]]:
    yield from [(404, "not_found"), (405, "method_not_allowed"), (500, "internal_error")]
    for group in (ANY, WITH_BODY, WITH_KEY):
        for status, codes in group.items():
            yield from ((status, code) for code in codes)


def _of_the_rooms(refusal: type[DomainError] = DomainError) -> Iterator[tuple[int, str]]:
    for each in refusal.__subclasses__():
        if each.status in TITLES:
            yield each.status, each.code
        yield from _of_the_rooms(each)
