"""
Questions about the catalogue: what is listed, what it costs a member, and why a member cannot have
it. A `Shopper` is what the catalogue needs to know of a member, asked for once.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import Case, Count, F, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Cast, Coalesce, JSONObject
from django.utils.formats import date_format
from django.utils.timezone import localdate, localtime
from django.utils.translation import gettext_lazy as _

from benefits.models.coupons import BatchState, CodesFrom
from benefits.models.draws import DrawState
from benefits.models.items import (
    Category,
    Claim,
    Item,
    ItemLimit,
    ItemPrice,
    ItemState,
    Listing,
    ListingPicture,
    Period,
    Stock,
)
from benefits.queries.rights import Guests
from common.errors import DomainError, NotFound
from common.localized import localized
from members.models import Tagging
from tiers import queries as tiers


class UnknownItem(NotFound):
    code = "unknown_item"
    message = _("There is no such item.")


class ItemNotListed(DomainError):
    code = "item_not_listed"
    message = _("“%(item)s” is not offered any more.")


class ItemNotOnSaleYet(DomainError):
    code = "item_not_on_sale_yet"
    message = _("“%(item)s” is on sale from %(time)s.")


class ItemSaleOver(DomainError):
    code = "item_sale_over"
    message = _("The sale of “%(item)s” is over.")


class ItemNotForTier(DomainError):
    code = "item_not_for_tier"
    message = _("“%(item)s” is for other tiers.")


class ItemNotForMember(DomainError):
    code = "item_not_for_member"
    message = _("“%(item)s” is for chosen members.")


class ItemLimitReached(DomainError):
    code = "item_limit_reached"
    message = _("At most %(count)s of “%(item)s” %(period)s: you can have %(left)s more.")


class ItemSoldOut(DomainError):
    code = "item_sold_out"
    message = _("“%(item)s” is sold out.")


class TooFewInStock(DomainError):
    code = "too_few_in_stock"
    message = _("Only %(left)s of “%(item)s” are left.")


# What an item gives by itself; whether there is some of it is an obstacle or none.
GIVEN = ("live__batch", "live__draw")


# --- What is listed -------------------------------------------------------------------------------


def item(code: str) -> Item:
    """
    An item with what was listed of it last.

    :raises UnknownItem: if it was never listed
    """
    found = Item.objects.select_related("live__category", "live__partner", *GIVEN)
    one = found.exclude(state=ItemState.DRAFT).filter(code=code).first()
    if one is None:
        raise UnknownItem
    return one


def left(item_ids: Collection[int]) -> dict[int, int]:
    """How many pieces of counted items are left in all places together. Others are left out."""
    found = Stock.objects.filter(item_id__in=item_ids, item__is_counted=True)
    counted = found.values("item_id").annotate(pieces=Sum("remaining"))
    sums = dict.fromkeys(
        Item.objects.filter(pk__in=item_ids, is_counted=True).values_list("pk", flat=True), 0
    )
    return sums | {row["item_id"]: row["pieces"] for row in counted}


def places(item_id: int) -> QuerySet[Stock]:
    """Where an item's pieces are; `store` is None for the warehouse."""
    return Stock.objects.filter(item=item_id).select_related("store").order_by("store__name", "pk")


PICTURE = JSONObject(
    digest="picture__digest", width="picture__width", height="picture__height", alt="alt"
)


class Sort(models.TextChoices):
    NEW = "new", _("Newest")
    FEW = "few", _("Fewest points")
    MANY = "many", _("Most points")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a member looks for. `points`: only what so many points are enough for."""

    sort: str = Sort.NEW
    category: str = ""
    points: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """
    An item in a list. `points`, `cash`: the price with the fewest points of the member's tier; None
    where the tier has none. `left`: None where it is not counted.
    """

    code: str
    names: dict[str, str]
    summary: dict[str, str]
    source: str
    value: Decimal | None
    tiers: list[str]
    on_sale_from: datetime | None
    points: int | None
    cash: Decimal | None
    prices: int
    left: int | None
    picture: dict[str, Any] | None

    @property
    def name(self) -> str:
        return localized(self.names)

    @property
    def told(self) -> str:
        return localized(self.summary)


def catalogue(
    shopper: "Shopper", *, at: datetime, wish: Wish, start: int = 0, count: int
) -> list[Card]:
    """
    Items a member sees, from a place on: listed, the sale not over, and not for others' tags only.
    What is for other tiers is among them: it tells what a tier is good for.
    """
    found = Item.objects.filter(state=ItemState.LISTED).filter(
        Q(live__on_sale_until=None) | Q(live__on_sale_until__gt=at),
        Q(live__tags=[]) | Q(live__tags__overlap=sorted(shopper.tags)),
    )
    if wish.category:
        found = found.filter(live__category__code=wish.category)
    # A tier's own price stands before the general one, whatever it is.
    paid = ItemPrice.objects.filter(listing=OuterRef("live"), tier__in=["", shopper.tier or ""])
    first = paid.order_by("-tier", "points", "cash")
    found = found.annotate(points=Subquery(first.values("points")[:1]))
    if wish.points is not None:
        found = found.filter(
            Q(live__on_sale_from=None) | Q(live__on_sale_from__lte=at),
            Q(live__tiers=[]) | Q(live__tiers__contains=[shopper.tier or ""]),
            points__lte=wish.points,
        )
    shown = ListingPicture.objects.filter(listing=OuterRef("live"), position=0)
    there = Stock.objects.filter(item=OuterRef("pk")).values("item")
    rows = (
        found.order_by(*_ORDERS[Sort(wish.sort)])
        .annotate(
            cash=Subquery(first.values("cash")[:1]),
            prices=Subquery(paid.values("tier").annotate(n=Count("pk")).order_by("-tier")
                            .values("n")[:1]),
            left=Case(When(is_counted=True, then=Coalesce(
                Subquery(there.annotate(sum=Sum("remaining")).values("sum")), 0))),
            picture=Subquery(shown.values(shown=PICTURE)[:1]),
        )
        .values(
            "code", "points", "cash", "prices", "left", "picture",
            names=F("live__names"), summary=F("live__summary"), source=F("live__source"),
            value=F("live__value"), tiers=F("live__tiers"), on_sale_from=F("live__on_sale_from"),
        )
    )  # fmt: skip
    return [Card(**row) for row in rows[start : start + count]]


# What a tier has no price for comes last; equal ones stand by their age.
_ORDERS: dict[Sort, tuple[Any, ...]] = {
    Sort.NEW: ("-listed_at", "-pk"),
    Sort.FEW: (F("points").asc(nulls_last=True), "-listed_at", "-pk"),
    Sort.MANY: (F("points").desc(nulls_last=True), "-listed_at", "-pk"),
}


def categories() -> QuerySet[Category]:
    """The shelves of the catalogue."""
    return Category.objects.filter(is_active=True).order_by("position", "pk")


def pictures(listing_id: int) -> list[dict[str, Any]]:
    """Address, size and words of a listing's pictures, the first one first."""
    found = ListingPicture.objects.filter(listing=listing_id).order_by("position")
    return list(found.values_list(PICTURE, flat=True))


# --- What it is to a member -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shopper:
    """A member as the catalogue sees them on a day."""

    member_id: int
    # None where the day's rulebook has no tiers.
    tier: str | None
    tags: frozenset[int]


def shopper(member_id: int, day: date) -> Shopper:
    tags = Tagging.objects.filter(member=member_id, tag__is_active=True)
    return Shopper(
        member_id=member_id,
        tier=tiers.level_code_on(member_id, day),
        tags=frozenset(tags.values_list("tag_id", flat=True)),
    )


def of_tier(of: Collection[ItemPrice], tier: str | None) -> list[ItemPrice]:
    """Of a listing's prices, those that a tier pays, the fewest points first."""
    own = [each for each in of if tier and each.tier == tier]
    paid = own or [each for each in of if not each.tier]
    return sorted(paid, key=lambda each: (each.points, each.cash))


@dataclass(frozen=True, slots=True)
class Said:
    """
    What stands beside a listing: every tier's prices and limits, its pictures, the first one first,
    and how many pieces are left; None where they are not counted.
    """

    prices: list[ItemPrice]
    limits: list[ItemLimit]
    pictures: list[dict[str, Any]]
    left: int | None

    def paid(self, tier: str | None) -> list[ItemPrice]:
        """What a tier pays, the fewest points first."""
        return of_tier(self.prices, tier)

    def limits_of(self, tier: str | None) -> list[ItemLimit]:
        """The limits that concern a tier: its own of a period, else the general one."""
        of_period: dict[str, ItemLimit] = {}
        for each in sorted(self.limits, key=lambda limit: limit.tier):
            if each.tier in ("", tier):
                of_period[each.period] = each
        return list(of_period.values())


def said(listing: Listing) -> Said:
    """All that stands beside a listing, in one query."""
    of_it = {"listing": OuterRef("pk")}
    # JSON has no decimals.
    price = JSONObject(pk="pk", tier="tier", points="points", cash=Cast("cash", models.TextField()))
    limit = JSONObject(tier="tier", period="period", count="count")
    there = Stock.objects.filter(item=OuterRef("item")).values("item")
    shown = ListingPicture.objects.filter(**of_it).order_by("position")
    prices, limits, pictures, left, is_counted = (
        Listing.objects.filter(pk=listing.pk)
        .values_list(
            ArraySubquery(ItemPrice.objects.filter(**of_it).values_list(price)),
            ArraySubquery(ItemLimit.objects.filter(**of_it).values_list(limit)),
            ArraySubquery(shown.values_list(PICTURE)),
            Coalesce(Subquery(there.annotate(sum=Sum("remaining")).values("sum")), 0),
            "item__is_counted",
        )
        .get()
    )
    return Said(
        prices=[
            ItemPrice(listing=listing, **each | {"cash": Decimal(each["cash"])}) for each in prices
        ],
        limits=[ItemLimit(listing=listing, **each) for each in limits],
        pictures=pictures,
        left=left if is_counted else None,
    )


def begins(period: str, day: date) -> date:
    """The first day of the period that a day is in."""
    match period:
        case Period.DAY:
            return day
        case Period.WEEK:
            return day - timedelta(days=day.weekday())
        case Period.MONTH:
            return day.replace(day=1)
        case Period.YEAR:
            return day.replace(month=1, day=1)
    return date.min


def had(shopper: Shopper, item_id: int, *, since: Collection[date]) -> dict[date, int]:
    """
    How many pieces a member has of an item, by the day of ordering from each of some days on; given
    back ones not. What those had who were joined with the member counts as the member's.
    """
    if not since:
        return {}
    found = Claim.objects.filter(
        member_id__in=Guests(shopper.member_id), item=item_id, on__gte=min(since),
        given_back_at=None,
    )  # fmt: skip
    counted = found.aggregate(
        **{f"n{day:%Y%m%d}": Sum("quantity", filter=Q(on__gte=day)) for day in since}
    )
    return {day: counted[f"n{day:%Y%m%d}"] or 0 for day in since}


def obstacles(
    found: Item, shopper: Shopper, said: Said, *, at: datetime, quantity: int = 1
) -> Iterator[DomainError]:
    """
    Why a member cannot order so many pieces of an item that was listed: the weightiest first.

    Points and money are no part of it: what they suffice for, who pays with them finds out.

    :param said: what stands beside its live listing
    """
    listing = found.live
    assert listing is not None, "it was listed"
    if found.state != ItemState.LISTED:
        yield ItemNotListed(item=listing.name)
    yield from _window(listing, at)
    is_of_tier = not listing.tiers or shopper.tier in listing.tiers
    if not is_of_tier or not said.paid(shopper.tier):
        yield ItemNotForTier(item=listing.name)
    if listing.tags and shopper.tags.isdisjoint(listing.tags):
        yield ItemNotForMember(item=listing.name)
    limits = [(each, begins(each.period, localdate(at))) for each in said.limits_of(shopper.tier)]
    taken = had(shopper, found.pk, since={since for _limit, since in limits})
    for limit, since in limits:
        more = max(0, limit.count - taken[since])
        if quantity > more:
            yield ItemLimitReached(
                item=listing.name,
                count=limit.count,
                period=limit.get_period_display(),
                left=more,
            )
    if said.left == 0:
        yield ItemSoldOut(item=listing.name)
    elif said.left is not None and quantity > said.left:
        yield TooFewInStock(item=listing.name, left=said.left)
    if not _is_given(listing, at, quantity):
        yield ItemSoldOut(item=listing.name)


def _is_given(listing: Listing, at: datetime, quantity: int) -> bool:
    """Of coupons and draws: whether there are some. Whether a member may have one, they say."""
    if listing.batch is not None:
        batch, day = listing.batch, localdate(at)
        is_good = batch.state == BatchState.RUNNING and day <= batch.last_on
        if batch.codes_from == CodesFrom.POOL:
            return is_good
        return is_good and batch.issued + quantity <= batch.total
    if listing.draw is not None:
        draw = listing.draw
        return draw.state == DrawState.RUNNING and draw.opens_at <= at < draw.closes_at
    return True


def _window(listing: Listing, at: datetime) -> Iterator[DomainError]:
    if listing.on_sale_from and at < listing.on_sale_from:
        begins_at = date_format(localtime(listing.on_sale_from), "SHORT_DATETIME_FORMAT")
        yield ItemNotOnSaleYet(item=listing.name, time=begins_at)
    if listing.on_sale_until and at >= listing.on_sale_until:
        yield ItemSaleOver(item=listing.name)
