"""What is listed in the catalogue goes live only if a second person lets it, its price too."""

from datetime import datetime

from django.db import transaction
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from benefits.models.items import ItemState
from benefits.operations import items
from common import approvals
from common.localized import localized
from common.models import Approval, User

LISTING = "benefits.listing"
APPROVE = "benefits.approve_item"


def register() -> None:
    approvals.kind(
        name=LISTING,
        title=_("Listing of an item"),
        permission=APPROVE,
        perform=_put_live,
        describe=_told,
    )


@transaction.atomic
def submit(
    *, listing_id: int, revision: int, at: datetime, reference: str, by: User, reason: str
) -> Approval:
    """
    Ask that a draft go live as it is now. Until that is decided nobody changes it.

    :raises NotFound, DraftNotOpen, DraftWaits, DraftChanged: as `items.save_draft`
    :raises items.PriceMissing: if it could not be sold
    :raises approvals.ReasonMissing: if there is no reason
    """
    draft = items.hold_draft(listing_id=listing_id, revision=revision)
    approval = approvals.request(
        kind=LISTING,
        payload={
            "listing": draft.pk,
            "revision": draft.revision,
            "item": draft.item.code,
            "names": draft.names,
            "is_new": draft.item.state != ItemState.LISTED,
        },
        target=draft.item.code,
        reason=reason,
        reference=reference,
        by=by,
        at=at,
    )
    items.note_request(listing_id=draft.pk, approval=approval)
    return approval


def _put_live(
    *, payload: approvals.Payload, approved_by: User, at: datetime, **_more: object
) -> None:
    items.put_live(
        listing_id=payload["listing"], revision=payload["revision"], by=approved_by, at=at
    )


def _told(payload: approvals.Payload) -> approvals.Facts:
    return [
        (_("Item"), _link(payload["listing"], f"{payload['item']} {localized(payload['names'])}")),
        (_("What happens"), _("It is listed") if payload["is_new"] else _("It is changed")),
    ]


def _link(listing_id: int, text: str) -> str:
    # What it would change is told on a page of a higher room.
    page = reverse("admin:listing", args=[listing_id])
    return format_html('<a class="c-link" href="{}">{}</a>', page, text)
