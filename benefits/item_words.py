"""What a listing says, in words and in the active language, for staff who write or approve it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.utils.formats import date_format
from django.utils.timezone import localdate, localtime
from django.utils.translation import gettext as _

from benefits import words
from benefits.models.coupons import CouponBatch
from benefits.models.draws import Draw
from benefits.models.items import Category, Handover, ItemSource, Period
from benefits.operations.items import Limit, Price, Terms
from members.models import Tag
from partners.models import Organization
from tiers import queries as tiers

NONE = "–"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing a listing says otherwise than the one before. `kind`: added, removed or changed."""

    place: str
    before: str
    after: str

    @property
    def kind(self) -> str:
        if self.before == NONE:
            return "added"
        return "removed" if self.after == NONE else "changed"


def changes(before: Terms | None, after: Terms) -> list[Change]:
    """What a draft changes; all it says, where nothing was listed before."""
    old = dict(told(before)) if before else {}
    return [
        Change(place, old.get(place, NONE), said)
        for place, said in told(after)
        if said != old.get(place, NONE)
    ]


def told(terms: Terms) -> Iterator[tuple[str, str]]:
    """All a listing says: each thing by its name."""
    names = dict(settings.LANGUAGES)
    for label, texts in (
        (_("Name of the item"), terms.names),
        (_("In one line"), terms.summary),
        (_("Description"), terms.description),
    ):
        for code, language in names.items():
            yield f"{label} · {language}", texts.get(code) or NONE
    yield _("Category"), _named(Category, terms.category_id)
    yield _("Source"), str(ItemSource(terms.source).label)
    yield _("Partner"), _named(Organization, terms.partner_id)
    yield _("Coupon"), _named(CouponBatch, terms.batch_id)
    yield _("Prize draw"), _named(Draw, terms.draw_id)
    yield _("How members get it"), _joined(str(Handover(each).label) for each in terms.handovers)
    yield _("Price"), _joined(price(each) for each in terms.prices)
    yield _("Limits"), _joined(limit(each) for each in terms.limits)
    yield _("Only for tiers"), _joined(tier(each) for each in terms.tiers)
    tags = Tag.objects.filter(pk__in=terms.tags).order_by("name").values_list("name", flat=True)
    yield _("Only for tags"), _joined(tags)
    yield _("On sale from"), _moment(terms.on_sale_from)
    yield _("On sale until"), _moment(terms.on_sale_until)
    yield _("Cost of a piece"), words.price(0, terms.cost) if terms.cost else NONE
    yield _("Usual price"), words.price(0, terms.value) if terms.value else NONE
    yield _("Pictures"), _joined(_picture(each.picture_id, each.alt) for each in terms.pictures)


def price(each: Price) -> str:
    said = words.price(each.points, Decimal(each.cash))
    return f"{tier(each.tier)}: {said}" if each.tier else said


def limit(each: Limit) -> str:
    told = {"count": each.count, "period": Period(each.period).label}
    said = _("At most %(count)s %(period)s") % told
    return f"{tier(each.tier)}: {said}" if each.tier else said


def tier(code: str) -> str:
    level = tiers.ladder_on(localdate()).find(code)
    return level.name if level else code


def _named(model: type[Model], pk: int | None) -> str:
    return str(model._default_manager.get(pk=pk)) if pk else NONE


def _picture(picture_id: int, alt: Mapping[str, str]) -> str:
    return f"#{picture_id} " + " / ".join(alt.values())


def _joined(texts: Any) -> str:
    return "; ".join(texts) or NONE


def _moment(at: datetime | None) -> str:
    return date_format(localtime(at), "SHORT_DATETIME_FORMAT") if at else NONE
