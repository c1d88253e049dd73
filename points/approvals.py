"""What is done with points only if a second person lets it happen."""

from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import approvals, audit
from common.models import Approval, ApprovalState, User
from members import queries as members
from members.queries import Identity
from points import operations, queries
from points.models import AdjustmentReason, Entry, EntryKind, GrantBatch
from points.operations import Posting
from programme import queries as programme

ADJUSTMENT = "points.adjustment"
GRANTS = "points.grants"
REINSTATEMENT = "points.reinstatement"
APPROVE = "points.approve_points"


def register() -> None:
    approvals.kind(
        name=ADJUSTMENT,
        title=_("Correction of points"),
        permission=APPROVE,
        perform=_adjust,
        describe=_adjustment_told,
    )
    approvals.kind(
        name=GRANTS,
        title=_("Points for many members"),
        permission=APPROVE,
        perform=_start_grants,
        describe=_grants_told,
    )
    approvals.kind(
        name=REINSTATEMENT,
        title=_("Expired points given back"),
        permission=APPROVE,
        perform=_reinstate,
        describe=_reinstatement_told,
    )


# --- Corrections ----------------------------------------------------------------------------------


@transaction.atomic
def adjust_or_ask(
    *,
    member: Identity,
    points: int,
    at: datetime,
    expires_on: date,
    reason: AdjustmentReason,
    note: str,
    reference: str,
    by: User,
) -> Posting | Approval:
    """
    Correct a balance at once; above the programme's limit, ask a second person to let it happen.

    :raises approvals.ReasonMissing: if there is no note
    :raises InsufficientPoints: and as `operations.adjust`, also of what is only asked for
    """
    arguments = {
        "member": member.number,
        "points": points,
        "expires_on": expires_on.isoformat(),
        "reason": reason.value,
        "note": note,
        "reference": reference,
    }
    try:
        return _corrected(arguments, member=member, at=at, by=by)
    except operations.ApprovalNeeded:
        member.require_not_closed()
        operations.preview_adjustment(member=member, points=points, at=at)
        return approvals.request(
            kind=ADJUSTMENT,
            payload=arguments,
            target=member.number,
            reason=note,
            reference=reference,
            by=by,
            at=at,
        )


def needs_approval(points: int, *, at: datetime) -> bool:
    """Whether a correction of so many points, either way, is for two to make."""
    limit = _limit(at)
    return limit is not None and abs(points) > limit


def _adjust(
    *,
    payload: approvals.Payload,
    requested_by: User,
    approved_by: User,
    at: datetime,
    **_more: object,
) -> None:
    member = members.identify(payload["member"])
    _corrected(payload, member=member, at=at, by=requested_by, approved_by=approved_by)


def _corrected(
    arguments: approvals.Payload,
    *,
    member: Identity,
    at: datetime,
    by: User,
    approved_by: User | None = None,
) -> Posting:
    return operations.adjust(
        member=member,
        points=arguments["points"],
        at=at,
        expires_on=date.fromisoformat(arguments["expires_on"]),
        reason=AdjustmentReason(arguments["reason"]),
        note=arguments["note"],
        reference=arguments["reference"],
        source=operations.our_source(),
        by=by,
        limit=_limit(at),
        approved_by=approved_by,
    )


def _limit(at: datetime) -> int | None:
    return programme.rulebook_on(localdate(at)).policies.adjustment_limit


def _adjustment_told(payload: approvals.Payload) -> approvals.Facts:
    facts: list[tuple[Any, Any]] = [
        (_("Points"), f"{payload['points']:+,}"),
        (_("Kind of correction"), AdjustmentReason(payload["reason"]).label),
    ]
    if payload["points"] > 0:
        facts.append((_("Last day"), _day_told(payload["expires_on"])))
    return facts


def _day_told(text: str) -> Any:
    day = date.fromisoformat(text)
    return _("never") if day == date.max else day


# --- Points for many members ----------------------------------------------------------------------


@transaction.atomic
def start_grants_or_ask(
    *, batch_id: int, at: datetime, reference: str, by: User, reason: str
) -> GrantBatch | Approval:
    """
    Have a file's points granted; if they are above the limit together, ask a second person first.

    :raises BatchNotOpen: if it was begun or discarded before, or waits for its approval
    :raises approvals.ReasonMissing: if there is no reason
    """
    batches = GrantBatch.objects.select_for_update(of=("self",), no_key=True)
    batch = batches.select_related("approval").get(pk=batch_id)
    limit = _limit(at)
    if limit is None or batch.points <= limit:
        return operations.start_grants(batch_id=batch.pk, at=at, by=by, reason=reason)
    if batch.approval and batch.approval.state == ApprovalState.PENDING:
        raise operations.BatchNotOpen(state=batch.get_state_display())
    approval = approvals.request(
        kind=GRANTS,
        payload={
            "batch": batch.pk,
            "file": batch.name,
            "rows": batch.rows - batch.refused,
            "points": batch.points,
            "reason": reason,
        },
        target=str(batch)[:128],
        reason=reason,
        reference=reference,
        by=by,
        at=at,
    )
    operations.hold_for_approval(batch_id=batch.pk, approval=approval)
    return approval


def _start_grants(
    *, payload: approvals.Payload, requested_by: User, at: datetime, **_more: object
) -> None:
    operations.start_grants(
        batch_id=payload["batch"], at=at, by=requested_by, reason=payload["reason"]
    )


def _grants_told(payload: approvals.Payload) -> approvals.Facts:
    return [
        (_("File"), f"#{payload['batch']} {payload['file']}"),
        (_("Rows"), f"{payload['rows']:,}"),
        (_("Points"), f"{payload['points']:,}"),
    ]


# --- Expired points -------------------------------------------------------------------------------


def ask_to_reinstate(
    *, of: Entry, points: int | None, at: datetime, reference: str, by: User, reason: str
) -> Approval:
    """
    Ask that expired points be given back as goodwill; nobody does that alone (P6).

    :param points: None for all that was not given back before
    :raises NothingToReinstate: if less than that is left of them
    :raises MemberClosed: if the membership has ended
    :raises approvals.ReasonMissing: if there is no reason
    """
    if of.kind != EntryKind.EXPIRE:
        raise operations.NothingToReinstate(left=0)
    member = members.identity_of(of.member_id)
    member.require_not_closed()
    left = -of.points - sum(entry.points for entry in queries.reinstatements(of))
    wanted = left if points is None else points
    if not 0 < wanted <= left:
        raise operations.NothingToReinstate(left=left)
    return approvals.request(
        kind=REINSTATEMENT,
        payload={
            "member": member.number,
            "entry": of.seq,
            "points": wanted,
            "expired_after": queries.last_day_of(of).isoformat(),
            "floor_days": programme.rulebook_on(localdate(at)).policies.reinstatement_days,
            "note": reason,
            "reference": reference,
        },
        target=member.number,
        reason=reason,
        reference=reference,
        by=by,
        at=at,
    )


def _reinstate(
    *,
    payload: approvals.Payload,
    requested_by: User,
    approved_by: User,
    approval_id: int,
    at: datetime,
) -> None:
    member = members.identify(payload["member"])
    posting = operations.reinstate(
        member=member,
        of=Entry.objects.get(member_id=member.id, seq=payload["entry"]),
        points=payload["points"],
        at=at,
        reference=payload["reference"],
        source=operations.our_source(),
        floor_days=payload["floor_days"],
        note=payload["note"],
        by=requested_by,
    )
    audit.record(
        action="points.reinstated",
        target=member.number,
        by=requested_by,
        reason=payload["note"],
        details={
            "entry": posting.seq,
            "of": payload["entry"],
            "approved_by": approved_by.pk,
            "approval": approval_id,
        },
    )


def _reinstatement_told(payload: approvals.Payload) -> approvals.Facts:
    return [
        (_("Points"), f"{payload['points']:,}"),
        (_("Expired after"), date.fromisoformat(payload["expired_after"])),
        (_("Entry"), f"{payload['member']}-{payload['entry']}"),
        (_("Can be used for days"), payload["floor_days"]),
    ]
