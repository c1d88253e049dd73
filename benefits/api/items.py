"""The catalogue for tills and apps: what there is, what it costs a member, why it cannot be had."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.timezone import localdate, localtime

from benefits.api.documents import CODE
from benefits.models.items import Item
from benefits.queries import items as queries
from benefits.queries.items import Card, Said, Shopper, Wish
from common.api.fields import Text, member_number
from common.api.pagination import InvalidCursor, PageParameters, cursor_at, position_of
from common.api.parameters import Parameters
from common.api.rendering import Answer, respond
from common.api.request import Request
from common.api.schema import describe
from common.api.views import ApiView
from members import queries as members
from members.queries import UnknownMember
from partners.models import Scope

OF_WHOM = "Whose tier pays and who may have it; without one, what everybody pays and sees."
NOBODY = Shopper(member_id=0, tier=None, tags=frozenset())


class CatalogueParameters(PageParameters):
    member = member_number(required=False, help_text=OF_WHOM)
    category = Text(limit=50, pattern=CODE, required=False, help_text="The category's code.")


class ItemParameters(Parameters):
    member = member_number(required=False, help_text=OF_WHOM)


class CardAnswer(Answer):
    """
    An item in a list. `points`, `cash`: its price with the fewest points; null where the tier has
    none. `left`: null where it is not counted.
    """

    code: str
    names: dict[str, str]
    summaries: dict[str, str]
    source: str
    tiers: list[str]
    on_sale_from: datetime | None
    points: int | None
    cash: Decimal | None
    left: int | None
    picture: str | None


class CatalogueAnswer(Answer):
    results: list[CardAnswer]
    next_cursor: str | None


class PriceAnswer(Answer):
    """One way to pay for a piece. An order names it by its `id`."""

    id: int
    points: int
    cash: Decimal


class LimitAnswer(Answer):
    """Pieces a member gets: `count` a `period` (DAY, WEEK, MONTH, YEAR, LIFETIME)."""

    count: int
    period: str


class ObstacleAnswer(Answer):
    """Why the member cannot have a piece now. Points and money are no part of it."""

    code: str
    sentence: str


class ItemAnswer(Answer):
    """`state`: LISTED or DELISTED. `handovers`: SHIP, STORE, ONLINE."""

    code: str
    state: str
    names: dict[str, str]
    summaries: dict[str, str]
    descriptions: dict[str, str]
    source: str
    category: str | None
    handovers: list[str]
    tiers: list[str]
    on_sale_from: datetime | None
    # At this moment it is over.
    on_sale_until: datetime | None
    prices: list[PriceAnswer]
    limits: list[LimitAnswer]
    left: int | None
    pictures: list[str]
    obstacles: list[ObstacleAnswer]


class CatalogueList(ApiView):
    scopes = {"GET": Scope.BENEFITS_READ}
    parameters = {"GET": CatalogueParameters}

    @describe(
        summary="Read the catalogue",
        description=(
            "Items that are listed and whose sale is not over, the latest first; those for other "
            "tiers too, those for chosen members only for these."
        ),
        answers={200: CatalogueAnswer},
        parameters=[CatalogueParameters],
        refusals=[UnknownMember, InvalidCursor],
    )
    def get(self, request: Request) -> HttpResponse:
        cursor, limit = self.query.get("cursor"), self.query["limit"]
        start = position_of(cursor) if cursor else 0
        found = queries.catalogue(
            _shopper(self.query.get("member")),
            at=timezone.now(),
            wish=Wish(category=self.query.get("category", "")),
            start=start,
            count=limit + 1,
        )
        return respond(
            CatalogueAnswer(
                results=[_card(each, request) for each in found[:limit]],
                next_cursor=cursor_at(start + limit) if len(found) > limit else None,
            )
        )


class CatalogueItem(ApiView):
    scopes = {"GET": Scope.BENEFITS_READ}
    parameters = {"GET": ItemParameters}

    @describe(
        summary="Read an item",
        description="With every price of the member's tier, and why the member cannot have it.",
        answers={200: ItemAnswer},
        parameters=[ItemParameters],
        refusals=[UnknownMember, queries.UnknownItem],
    )
    def get(self, request: Request, code: str) -> HttpResponse:
        number = self.query.get("member")
        shopper = _shopper(number)
        item = queries.item(code)
        assert item.live is not None, "it was listed"
        said = queries.said(item.live)
        found = list(queries.obstacles(item, shopper, said, at=timezone.now()))
        if any(isinstance(each, queries.ItemNotForMember) for each in found):
            # What is for chosen members only, others do not even see.
            raise queries.UnknownItem
        return respond(_item(item, shopper, said, found, request))


def _shopper(number: str | None) -> Shopper:
    if number is None:
        return NOBODY
    return queries.shopper(members.identify(number).id, localdate())


def _card(card: Card, request: Request) -> CardAnswer:
    return CardAnswer(
        code=card.code,
        names=card.names,
        summaries=card.summary,
        source=card.source,
        tiers=card.tiers,
        on_sale_from=card.on_sale_from and localtime(card.on_sale_from),
        points=card.points,
        cash=card.cash,
        left=card.left,
        picture=_address(request, card.picture, "item_picture_small") if card.picture else None,
    )


def _item(
    item: Item, shopper: Shopper, said: Said, found: list[Any], request: Request
) -> ItemAnswer:
    listing = item.live
    assert listing is not None, "it was listed"
    return ItemAnswer(
        code=item.code,
        state=item.state,
        names=listing.names,
        summaries=listing.summary,
        descriptions=listing.description,
        source=listing.source,
        category=listing.category.code if listing.category else None,
        handovers=listing.handovers,
        tiers=listing.tiers,
        on_sale_from=listing.on_sale_from and localtime(listing.on_sale_from),
        on_sale_until=listing.on_sale_until and localtime(listing.on_sale_until),
        prices=[PriceAnswer(each.pk, each.points, each.cash) for each in said.paid(shopper.tier)],
        limits=[LimitAnswer(each.count, each.period) for each in said.limits_of(shopper.tier)],
        left=said.left,
        pictures=[_address(request, each, "item_picture") for each in said.pictures],
        obstacles=[ObstacleAnswer(each.code, each.sentence) for each in found],
    )


def _address(request: Request, picture: dict[str, Any], name: str) -> str:
    return request.build_absolute_uri(reverse(f"benefits:{name}", args=[picture["digest"]]))


urlpatterns: list[URLPattern] = [
    path("catalogue/", CatalogueList.as_view()),
    path("catalogue/<slug:code>/", CatalogueItem.as_view()),
]
