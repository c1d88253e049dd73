"""What is listed in the catalogue goes live only if a second person lets it, its price too."""

from datetime import datetime

from django.db import transaction
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from benefits.models.items import ItemState
from benefits.operations import draws, items
from benefits.queries.draws import cost_at_most, cost_expected
from common import approvals
from common.localized import localized
from common.models import Approval, User

LISTING = "benefits.listing"
DRAW = "benefits.draw"
APPROVE = "benefits.approve_item"


def register() -> None:
    approvals.kind(
        name=LISTING,
        title=_("Listing of an item"),
        permission=APPROVE,
        perform=_put_live,
        describe=_told,
    )
    approvals.kind(
        name=DRAW,
        title=_("Prize draw"),
        permission="benefits.approve_draw",
        perform=_publish_draw,
        describe=_told_of_draw,
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


@transaction.atomic
def submit_draw(
    *, draw_id: int, revision: int, at: datetime, reference: str, by: User, reason: str
) -> Approval:
    """
    Ask that a prize draw be published as it is now. Until that is decided nobody changes it.

    :raises draws.UnknownDraw, DrawNotDraft, DrawChanged, PrizesAboveBudget: see `draws.hold_draft`
    :raises approvals.ReasonMissing: if there is no reason
    """
    draw = draws.hold_draft(draw_id=draw_id, revision=revision)
    prizes = list(draw.prizes.order_by("position"))
    approval = approvals.request(
        kind=DRAW,
        payload={
            "draw": draw.pk,
            "revision": draw.revision,
            "code": draw.code,
            "names": draw.names,
            "prizes": [[each.names, each.parts, each.pieces] for each in prizes],
            "cost_at_most": str(cost_at_most(prizes)),
            "cost_of_thousand": str(cost_expected(prizes, 1000)),
        },
        target=draw.code,
        reason=reason,
        reference=reference,
        by=by,
        at=at,
    )
    draws.note_request(draw_id=draw.pk, approval=approval)
    return approval


def _publish_draw(
    *, payload: approvals.Payload, approved_by: User, at: datetime, **_more: object
) -> None:
    draws.publish(draw_id=payload["draw"], revision=payload["revision"], by=approved_by, at=at)


def _told_of_draw(payload: approvals.Payload) -> approvals.Facts:
    return [
        (_("Prize draw"), f"{payload['code']} {localized(payload['names'])}"),
        *(
            (
                localized(names),
                _("%(parts)s of a million, %(pieces)s pieces") % {"parts": parts, "pieces": pieces},
            )
            for names, parts, pieces in payload["prizes"]
        ),
        (_("Expected cost of a thousand draws"), payload["cost_of_thousand"]),
        (_("Cost if every prize is won"), payload["cost_at_most"]),
    ]
