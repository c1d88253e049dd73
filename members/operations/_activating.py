"""How who was registered before they came proves to be that person (M3)."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from common import limits
from common.errors import Invalid
from common.models import User
from members import products
from members.models import Member, Product
from members.operations._consents import Agreed, note_consents
from members.operations._states import activate

HOUR = 3600
TRIES = 5


class WrongProduct(Invalid):
    code = "wrong_product"
    message = _("This is not the identifier your dealer registered. Please look at it once more.")


def activate_by_product(
    *,
    member_id: int,
    identifier: str,
    address: str,
    activated_at: datetime,
    by: User,
    agreed: Agreed | None = None,
) -> Member:
    """
    Activate a pre-registered member who has proven the phone and names a product of theirs.

    Of whom no product is known, the phone alone is the proof. Whatever is wrong with an identifier,
    the answer is the same: whose it is, nobody learns here.

    :param identifier: VIN or serial number, as typed
    :param address: the network address of who tries
    :param by: the member's own login
    :param agreed: what they agreed to with it
    :raises products.InvalidIdentifier: if it cannot be one; this is no try
    :raises WrongProduct: if the member does not own it
    :raises limits.TooMany: after five tries an hour for a member, or thirty from one address
    :raises limits.Unavailable: without Redis
    :raises WrongState: if the member is not pre-registered
    """
    owned = set(
        Product.objects.filter(member_id=member_id, owned_until=None).values_list(
            "identifier", flat=True
        )
    )
    if owned:
        wanted = products.normalize(identifier)
        limits.consume(f"activation:address:{address}", limit=30, seconds=HOUR)
        limits.consume(f"activation:member:{member_id}", limit=TRIES, seconds=HOUR)
        if wanted not in owned:
            raise WrongProduct
    with transaction.atomic():
        member = activate(member_id=member_id, activated_at=activated_at, by=by)
        if agreed:
            note_consents(
                member_id=member_id,
                words=agreed.words,
                at=activated_at,
                channel=agreed.channel,
                by=by,
            )
    return member
