"""What a segment's conditions may name (see `common.schemas.source`)."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from django.db.models import QuerySet
from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.models import ActivityRule
from common import schemas
from common.localized import localized
from members import places
from members.models import Attribute, AttributeKind, Tag
from tiers import queries as tiers

CHOSEN = (AttributeKind.CHOICE, AttributeKind.CHOICES, AttributeKind.YES_NO)


def register() -> None:
    schemas.source("segment_tags", _tags, label=gettext_lazy("Tag"))
    # A new word may be typed.
    schemas.source("tag_words", _tags, label=gettext_lazy("Tag"), is_open=True)
    schemas.source("segment_tiers", _tiers, label=gettext_lazy("Tier"))
    schemas.source("segment_activities", _activities, label=gettext_lazy("Activity"))
    # A file may bring members of places nobody lived in before.
    schemas.source("provinces", _places("province"), label=gettext_lazy("Province"), is_open=True)
    schemas.source("cities", _places("city"), label=gettext_lazy("City"), is_open=True)
    attribute = gettext_lazy("Attribute")
    schemas.source("segment_attributes", _chosen, label=attribute)
    schemas.source("segment_numbers", _of_kind(AttributeKind.NUMBER), label=attribute)
    schemas.source("segment_days", _of_kind(AttributeKind.DATE), label=attribute)
    schemas.source("segment_texts", _of_kind(AttributeKind.TEXT), label=attribute)


def _tags(_document: Any) -> Iterable[tuple[str, str]]:
    in_use = Tag.objects.filter(is_active=True).order_by("name").values_list("name", flat=True)
    return ((name, name) for name in in_use)


def _places(field: Literal["province", "city"]) -> Any:
    return lambda _document: ((place, place) for place in places.known(field))


def _tiers(_document: Any) -> Iterable[tuple[str, str]]:
    return ((level.code, level.name) for level in tiers.ladder_on(localdate()).levels)


def _activities(_document: Any) -> Iterable[tuple[str, str]]:
    """Of all versions: members have done what the present one does not know. The newest name."""
    named = ActivityRule.objects.order_by("version_id", "position").values_list("code", "names")
    return ((code, localized(names)) for code, names in dict(named).items())


def _in_use(*kinds: AttributeKind) -> QuerySet[Attribute]:
    return Attribute.objects.filter(is_active=True, kind__in=kinds).order_by("position", "code")


def _of_kind(kind: AttributeKind) -> Any:
    return lambda _document: ((each.code, each.name) for each in _in_use(kind))


def _chosen(_document: Any) -> Iterator[tuple[str, str]]:
    for each in _in_use(*CHOSEN).prefetch_related("options"):
        options = {"yes": _("Yes"), "no": _("No")}
        for code, name in (each.choices or options).items():
            yield (
                f"{each.code}:{code}",
                _("%(name)s: %(value)s")
                % {
                    "name": each.name,
                    "value": name,
                },
            )
