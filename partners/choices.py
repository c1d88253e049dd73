"""What drafts of the rulebook may name of this room (see `common.schemas.source`)."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common import schemas
from partners.models import Organization, Store


def register() -> None:
    schemas.source("stores", lambda _document: _named(Store), label=gettext_lazy("Store"))
    schemas.source("dealers", lambda _document: _named(Organization), label=gettext_lazy("Dealer"))
    schemas.source("payers", _payers, label=gettext_lazy("Payer"))


def _named(model: type[Store | Organization]) -> Iterable[tuple[str, str]]:
    return model.objects.order_by("name").values_list("code", "name")


def _payers(_document: Any) -> Iterable[tuple[str, str]]:
    yield "brand", _("the brand")
    yield "store", _("the organization of the store")
    yield from _named(Organization)
