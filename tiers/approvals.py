"""What two people decide about tiers: one by hand, and a longer validity (T5)."""

from datetime import date, datetime
from typing import Any

from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import approvals
from common.localized import localized
from common.models import Approval, User
from members import queries as members
from members.queries import Identity
from tiers import operations, queries

MANUAL = "tiers.manual"
EXTENSION = "tiers.extension"
PERMISSION = "tiers.approve_tier"


def register() -> None:
    approvals.kind(
        name=MANUAL,
        title=_("Tier by hand"),
        permission=PERMISSION,
        perform=_set_manual,
        describe=_manual_told,
    )
    approvals.kind(
        name=EXTENSION,
        title=_("Longer validity of a tier"),
        permission=PERMISSION,
        perform=_extend,
        describe=_extension_told,
    )


def ask_for_manual(
    *,
    member: Identity,
    level: str,
    until: date | None,
    reason: str,
    reference: str,
    at: datetime,
    by: User,
) -> Approval:
    """
    Ask that a tier be given by hand; nobody does that alone.

    :raises operations.UnknownLevel: :raises operations.EndsTooSoon: if it could never be
    :raises approvals.ReasonMissing: if there is no reason
    """
    member.require_not_closed()
    ladder = queries.ladder_on(localdate(at))
    wanted = ladder.find(level) if ladder else None
    if wanted is None:
        raise operations.UnknownLevel(level=level)
    if until is not None and until <= localdate(at):
        raise operations.EndsTooSoon(day=localdate(at))
    return approvals.request(
        kind=MANUAL,
        payload={
            "member": member.number,
            "level": level,
            "names": wanted.names,
            "until": until.isoformat() if until else None,
            "reason": reason,
        },
        target=member.number,
        reason=reason,
        reference=reference,
        by=by,
        at=at,
    )


def ask_to_extend(
    *, member: Identity, until: date, reason: str, reference: str, at: datetime, by: User
) -> Approval:
    """
    Ask that a member's tier last longer; nobody decides that alone.

    :raises operations.EndsTooSoon: if that day is over
    :raises approvals.ReasonMissing: if there is no reason
    """
    member.require_not_closed()
    if until <= localdate(at):
        raise operations.EndsTooSoon(day=localdate(at))
    return approvals.request(
        kind=EXTENSION,
        payload={"member": member.number, "until": until.isoformat(), "reason": reason},
        target=member.number,
        reason=reason,
        reference=reference,
        by=by,
        at=at,
    )


def _set_manual(
    *,
    payload: approvals.Payload,
    requested_by: User,
    approved_by: User,
    at: datetime,
    **_more: object,
) -> None:
    until = payload["until"]
    operations.set_manual(
        member=members.identify(payload["member"]),
        level=payload["level"],
        until=date.fromisoformat(until) if until else None,
        reason=payload["reason"],
        at=at,
        by=requested_by,
        approved_by=approved_by,
    )


def _extend(
    *,
    payload: approvals.Payload,
    requested_by: User,
    approved_by: User,
    at: datetime,
    **_more: object,
) -> None:
    operations.extend(
        member=members.identify(payload["member"]),
        until=date.fromisoformat(payload["until"]),
        reason=payload["reason"],
        at=at,
        by=requested_by,
        approved_by=approved_by,
    )


def _manual_told(payload: approvals.Payload) -> approvals.Facts:
    until: Any = payload["until"]
    return [
        (_("Tier"), localized(payload["names"])),
        (_("Last day"), date.fromisoformat(until) if until else _("until it is ended")),
    ]


def _extension_told(payload: approvals.Payload) -> approvals.Facts:
    return [(_("Last day"), date.fromisoformat(payload["until"]))]
