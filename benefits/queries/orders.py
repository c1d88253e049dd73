"""Questions about orders."""

from collections.abc import Collection

from django.db.models import QuerySet

from benefits.models.items import Listing
from benefits.models.orders import Order, OrderState, OrderStep
from benefits.queries.rights import Guests
from partners.models import OrganizationKind, Store

WITH_ITEM = ("claim__item", "claim__listing", "store")


def of_member(member_id: int) -> QuerySet[Order]:
    """A member's orders, those of who was joined with them too, the latest first."""
    found = Order.objects.filter(member_id__in=Guests(member_id))
    return found.select_related(*WITH_ITEM).order_by("-pk")


def steps(order_id: int) -> QuerySet[OrderStep]:
    """First to last."""
    found = OrderStep.objects.filter(order=order_id).select_related("actor", "client")
    return found.order_by("nth")


def stores(listing: Listing) -> QuerySet[Store]:
    """Where an item can be collected: what is a partner's at the partner's, else at the brand's and
    dealers' stores."""
    found = Store.objects.filter(is_active=True, organization__is_active=True)
    if listing.partner_id is not None:
        return found.filter(organization=listing.partner_id).order_by("city", "name", "pk")
    found = found.exclude(organization__kind=OrganizationKind.PARTNER)
    return found.order_by("city", "name", "pk")


def ready(store_ids: Collection[int]) -> QuerySet[Order]:
    """What waits at stores for its members, longest waiting first."""
    found = Order.objects.filter(state=OrderState.READY, store_id__in=store_ids)
    return found.select_related(*WITH_ITEM, "member").order_by("pk")
