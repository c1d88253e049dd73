from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.timezone import localdate
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from benefits import words
from benefits.forms.items import ShopForm
from benefits.models.items import Item, ItemPicture, ItemPrice, Listing
from benefits.queries import items as queries
from benefits.queries import payments
from benefits.queries.items import Card, Said, Shopper, Sort, Wish
from common.localized import localized
from members.views import MemberPage
from points import queries as points
from tiers import queries as tiers

PAGE_SIZE = 24
# As many pieces as are left are told when they are few.
FEW_LEFT = 10
YEAR = 31_536_000


@require_safe
@cache_control(public=True, max_age=YEAR, immutable=True)
def picture(_request: HttpRequest, digest: str, size: str = "large") -> HttpResponse:
    """A picture of an item; former ones too, for pages that a browser has kept show them."""
    found = get_object_or_404(ItemPicture.objects.only(size), digest=digest)
    return HttpResponse(bytes(getattr(found, size)), content_type="image/webp")


@dataclass(frozen=True, slots=True)
class Shelf:
    """An item in the list, as a member reads it. `note`: what keeps them from it, or a hurry."""

    card: Card
    price: str
    note: str
    is_dim: bool
    alt: str


@method_decorator(vary_on_headers("HX-Request"), name="dispatch")
class ShopPage(MemberPage):
    """The catalogue; htmx gets the list alone."""

    def get_template_names(self) -> list[str]:
        part = self.request.htmx and not self.request.htmx.history_restore_request
        return ["shop/items.html" if part else "shop/shop.html"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        now = timezone.now()
        form = ShopForm(self.request.GET)
        form.is_valid()
        chosen = form.cleaned_data
        spendable = points.spendable_points(self.member.pk, on=localdate(now), at=now)
        start = chosen.get("start") or 0
        wish = Wish(
            sort=chosen.get("sort") or Sort.NEW,
            category=chosen.get("category") or "",
            points=spendable if chosen.get("affordable") else None,
        )
        shopper = queries.shopper(self.member.pk, localdate(now))
        found = queries.catalogue(shopper, at=now, wish=wish, start=start, count=PAGE_SIZE + 1)
        return super().get_context_data(
            form=form,
            shelves=[_shelf(each, shopper) for each in found[:PAGE_SIZE]],
            categories=[
                (each.code, str(each), self._query(None, category=each.code))
                for each in queries.categories()
            ],
            all_categories=self._query(None, category=""),
            category=wish.category,
            is_filtered=bool(wish.category or wish.points is not None),
            is_first_page=start == 0,
            more=self._query(start + PAGE_SIZE) if len(found) > PAGE_SIZE else "",
            first=self._query(None),
            spendable=spendable,
            **kwargs,
        )

    def _query(self, start: int | None, **changed: str) -> str:
        """The page's own query string with another place to start from."""
        query = self.request.GET.copy()
        query.pop("start", None)
        for name, value in changed.items():
            query[name] = value
        if start:
            query["start"] = str(start)
        return query.urlencode()


def _shelf(card: Card, shopper: Shopper) -> Shelf:
    is_mine = card.points is not None and (not card.tiers or shopper.tier in card.tiers)
    note, is_dim = _note(card, is_mine=is_mine)
    return Shelf(
        card=card,
        price=words.price(card.points, card.cash or Decimal(0)) if card.points is not None else "",
        note=note,
        is_dim=is_dim,
        alt=localized(card.picture["alt"]) or card.name if card.picture else "",
    )


def _note(card: Card, *, is_mine: bool) -> tuple[str, bool]:
    if not is_mine:
        return str(words.FOR_OTHER_TIERS), True
    if card.left == 0:
        return str(words.SOLD_OUT), True
    if card.on_sale_from and card.on_sale_from > timezone.now():
        return words.on_sale_from(card.on_sale_from), False
    if card.left is not None and card.left <= FEW_LEFT:
        return words.left(card.left), False
    return "", False


class ItemPage(MemberPage):
    """
    An item: what it is, what it costs this member, and why they cannot have it, if so.

    `shop/_buy.html` finds `item`, `prices` (of the member's tier), `obstacles`, `can_order` and
    `missing`, the points the member lacks for the cheapest price.
    """

    template_name = "shop/item.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        now = timezone.now()
        try:
            item = queries.item(kwargs["code"])
        except queries.UnknownItem as error:
            raise Http404 from error
        shopper = queries.shopper(self.member.pk, localdate(now))
        assert item.live is not None, "it was listed"
        said = queries.said(item.live)
        return super().get_context_data(
            **shown(item, item.live, shopper, said), **self._judged(item, shopper, said), **kwargs
        )

    def _judged(self, item: Item, shopper: Shopper, said: Said) -> dict[str, Any]:
        now = timezone.now()
        found = list(queries.obstacles(item, shopper, said, at=now))
        if any(isinstance(each, queries.ItemNotForMember) for each in found):
            # What is for chosen members only, others do not even see.
            raise Http404
        spendable = points.spendable_points(self.member.pk, on=localdate(now), at=now)
        paid = said.paid(shopper.tier)
        return {
            "obstacles": [each.sentence for each in found],
            "spendable": spendable,
            "missing": max(0, min((each.points for each in paid), default=0) - spendable),
            "can_order": bool(payments.payable(paid)),
        }


def shown(item: Item, listing: Listing, shopper: Shopper, said: Said) -> dict[str, Any]:
    """What the page says of an item by one of its listings, whoever looks at it."""
    return {
        "item": item,
        "listing": listing,
        "value": words.price(0, listing.value) if listing.value else "",
        "told": localized(listing.summary),
        "paragraphs": localized(listing.description).splitlines(),
        "pictures": [
            each | {"alt": localized(each["alt"]) or listing.name} for each in said.pictures
        ],
        "prices": [(each, words.price(each.points, each.cash)) for each in said.paid(shopper.tier)],
        "other_tiers": _of_other_tiers(said.prices, shopper.tier),
        "limits": [words.limit(each) for each in said.limits_of(shopper.tier)],
        "handovers": [words.handover(each) for each in listing.handovers],
        "for_tiers": [tier for code in listing.tiers if (tier := _tier(code))],
        "left": _left(said.left),
    }


def _of_other_tiers(every: Sequence[ItemPrice], tier: str | None) -> list[tuple[str, str]]:
    """What those pay who have prices of their own: what a higher tier is good for."""
    found = {each.tier for each in every if each.tier and each.tier != tier}
    rungs = tiers.ladder_on(localdate())
    of_each = [
        (level.name, queries.of_tier(every, level.code)[0])
        for level in rungs.levels
        if level.code in found
    ]
    return [(name, words.price(first.points, first.cash)) for name, first in of_each]


def _tier(code: str) -> str:
    level = tiers.ladder_on(localdate()).find(code)
    return level.name if level else code


def _left(pieces: int | None) -> str:
    return words.left(pieces) if pieces is not None and 0 < pieces <= FEW_LEFT else ""
