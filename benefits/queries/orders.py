"""Questions about orders."""

import re
from collections.abc import Collection

from django.db.models import Q, QuerySet

from benefits.models.coupons import Coupon
from benefits.models.draws import DrawOutcome
from benefits.models.items import Listing
from benefits.models.orders import Order, OrderState, OrderStep
from benefits.queries.rights import Guests
from partners.models import OrganizationKind, Store

WITH_ITEM = ("claim__item", "claim__listing", "store")

NUMBER = re.compile(r"D\d{10}")


def key_of(number: str) -> int | None:
    """The key of an order by its number; None: it is none."""
    return int(number[1:]) if number.isascii() and NUMBER.fullmatch(number) else None


def of_member(member_id: int) -> QuerySet[Order]:
    """A member's orders, those of who was joined with them too, the latest first."""
    found = Order.objects.filter(member_id__in=Guests(member_id))
    return found.select_related(*WITH_ITEM).order_by("-pk")


def steps(order_id: int) -> QuerySet[OrderStep]:
    """First to last."""
    found = OrderStep.objects.filter(order=order_id).select_related("actor", "client")
    return found.order_by("nth")


def gifts(order: Order) -> list[str]:
    """By which references coupons and draws know what each piece of an order gave."""
    return [f"order:{order.pk}:{nth}" for nth in range(1, order.claim.quantity + 1)]


def coupons_given(order: Order) -> list[Coupon]:
    """What an order gave; empty for all but those for coupons."""
    listing = order.claim.listing
    if listing.batch_id is None:
        return []
    found = Coupon.objects.filter(batch=listing.batch_id, reference__in=gifts(order))
    return list(found.order_by("pk"))


def draws_given(order: Order) -> list[DrawOutcome]:
    """What an order came to; empty for all but those for draws."""
    if order.claim.listing.draw_id is None:
        return []
    found = DrawOutcome.objects.filter(reference__in=gifts(order))
    return list(found.select_related("draw", "prize", "handover").order_by("number"))


def stores(listing: Listing) -> QuerySet[Store]:
    """Where an item can be collected: what is a partner's at the partner's, else at the brand's and
    dealers' stores."""
    found = Store.objects.filter(is_active=True, organization__is_active=True)
    if listing.partner_id is not None:
        return found.filter(organization=listing.partner_id).order_by("city", "name", "pk")
    found = found.exclude(organization__kind=OrganizationKind.PARTNER)
    return found.order_by("city", "name", "pk")


def at_stores(
    *, organization_id: int | None, only_stores: Collection[int] | None = None
) -> QuerySet[Order]:
    """
    Orders that are collected at stores, or were placed by their systems, the first ordered first.

    :param organization_id: at whose; None: at anybody's
    :param only_stores: at which of them; None: at any
    """
    stores = Store.objects.all()
    if organization_id is not None:
        stores = stores.filter(organization=organization_id)
    if only_stores is not None:
        stores = stores.filter(pk__in=only_stores)
    found = at_any_of(Order.objects.all(), stores)
    return found.select_related(
        *WITH_ITEM, "claim__price", "member", "placed_store", "payment"
    ).order_by("pk")


def at_any_of(found: QuerySet[Order], stores: Collection[int] | QuerySet[Store]) -> QuerySet[Order]:
    """Of orders, those that are collected or were placed at one of some stores."""
    return found.filter(Q(store__in=stores) | Q(placed_store__in=stores))


def ready_for(member_id: int, store_id: int) -> QuerySet[Order]:
    """What waits at a store for a member, longest waiting first: one query."""
    found = Order.objects.filter(
        state=OrderState.READY, store=store_id, member_id__in=Guests(member_id)
    )
    return found.select_related("claim__listing").order_by("pk")
