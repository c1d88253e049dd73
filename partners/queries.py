"""Questions about organizations and stores."""

from collections.abc import Collection

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from partners.models import Organization, OrganizationKind, Store


class UnknownStore(Invalid):
    """Also the answer for a store that belongs to somebody else."""

    code = "unknown_store"
    message = _("There is no store “%(store)s”, or it is not yours.")


class StoreRequired(Invalid):
    """A client of some stores would lose sight of what it posted for none of them."""

    code = "store_required"
    message = _("Your system belongs to some stores: name the one this is for.")


class UnknownPartner(Invalid):
    code = "unknown_partner"
    message = _("There is no partner “%(partner)s”.")


def store_by_code(code: str) -> Store:
    """:raises UnknownStore: if there is none, or it is closed"""
    store = Store.objects.filter(code=code, is_active=True).select_related("organization").first()
    if store is None:
        raise UnknownStore(store=code)
    return store


def partner_id(code: str) -> int:
    """:raises UnknownPartner: if no partner in business has this code"""
    partners = Organization.objects.filter(kind=OrganizationKind.PARTNER, is_active=True)
    found = partners.filter(code=code).values_list("pk", flat=True).first()
    if found is None:
        raise UnknownPartner(partner=code)
    return found


def partners(*, also: Collection[int] = ()) -> QuerySet[Organization]:
    """
    The partners in business, by name.

    :param also: partners named whether they are in business or not
    """
    known = Organization.objects.filter(kind=OrganizationKind.PARTNER)
    return known.filter(Q(is_active=True) | Q(pk__in=also)).order_by("name", "pk")


def brand() -> Organization | None:
    """The brand whose programme this is."""
    return Organization.objects.filter(kind=OrganizationKind.BRAND).first()


def main_store() -> Store | None:
    """The brand's first store: where history without a store of its own is booked."""
    return (
        Store.objects.filter(organization__kind=OrganizationKind.BRAND)
        .select_related("organization")
        .order_by("pk")
        .first()
    )
