"""A drafted rulebook is published only if a second person lets it be."""

from datetime import date, datetime

from django.db import transaction
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from common import approvals
from common.models import Approval, User
from programme import operations

PUBLICATION = "programme.publication"
APPROVE = "programme.approve_version"


def register() -> None:
    approvals.kind(
        name=PUBLICATION,
        title=_("New rulebook version"),
        permission=APPROVE,
        perform=_publish,
        describe=_told,
    )


@transaction.atomic
def submit(
    *, draft_id: int, revision: int, at: datetime, reference: str, by: User, reason: str
) -> Approval:
    """
    Ask that a draft be published, as it is now. Until that is decided nobody changes it.

    :raises NotFound, DraftNotOpen, DraftWaits, DraftChanged: as `operations.save_draft`
    :raises FirstDayPassed, VersionTaken, DraftOutdated, DraftSaysNothing, DraftRefused: if it could
        not be published now
    :raises approvals.ReasonMissing: if there is no reason
    """
    draft = operations.hold_draft(draft_id=draft_id, revision=revision, at=at)
    approval = approvals.request(
        kind=PUBLICATION,
        payload={
            "draft": draft.pk,
            "revision": draft.revision,
            "valid_from": draft.document["valid_from"],
            "note": draft.document["note"],
            "based_on": draft.based_on.number,
        },
        target=str(draft),
        reason=reason,
        reference=reference,
        by=by,
        at=at,
    )
    operations.note_request(draft_id=draft.pk, approval=approval)
    return approval


def _publish(
    *, payload: approvals.Payload, approved_by: User, at: datetime, **_more: object
) -> None:
    operations.publish_draft(
        draft_id=payload["draft"], revision=payload["revision"], at=at, by=approved_by
    )


def _told(payload: approvals.Payload) -> approvals.Facts:
    return [
        (_("Draft"), _link(payload["draft"])),
        (_("Valid from"), date_format(date.fromisoformat(payload["valid_from"]))),
        (_("Note"), payload["note"] or "–"),
        (_("Follows"), f"v{payload['based_on']}"),
    ]


def _link(draft_id: int) -> str:
    # What it would change is told on a page of a higher room.
    page = reverse("admin:draft", args=[draft_id])
    return format_html('<a class="c-link" href="{}">#{}</a>', page, draft_id)
