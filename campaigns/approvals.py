"""What is done with imports of members only if a second person lets it happen."""

from datetime import datetime

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from campaigns.member_files import keeping
from campaigns.models import MemberImport
from common import approvals
from common.models import Approval, ApprovalState, User
from programme import queries as programme

MEMBERS = "campaigns.member_import"
APPROVE = "points.approve_points"


def register() -> None:
    approvals.kind(
        name=MEMBERS,
        title=_("Starting points of imported members"),
        permission=APPROVE,
        perform=_start,
        describe=_told,
    )


def needs_approval(run: MemberImport, *, at: datetime) -> bool:
    """Whether so many starting points together are for two to give."""
    limit = programme.rulebook_on(localdate(at)).policies.adjustment_limit
    return limit is not None and run.report.get("points", 0) > limit


def asked_for(run: MemberImport) -> Approval | None:
    """The request that waits for its decision."""
    return Approval.objects.filter(
        kind=MEMBERS, target=str(run)[:128], state=ApprovalState.PENDING
    ).first()


@transaction.atomic
def start_or_ask(
    *, run_id: int, at: datetime, reference: str, by: User, reason: str
) -> MemberImport | Approval:
    """
    Have a checked file brought; if its starting points are above the limit, ask somebody first.

    :raises ImportNotOpen: :raises AlreadyImported: as `keeping.start`
    :raises approvals.ReasonMissing: if there is no reason
    """
    run = keeping.checked(run_id)
    if not needs_approval(run, at=at):
        return keeping.start(run_id=run_id, at=at, by=by, reason=reason)
    if waiting := asked_for(run):
        return waiting
    return approvals.request(
        kind=MEMBERS,
        payload={
            "import": run.pk,
            "file": run.name,
            "members": run.report["brought"],
            "points": run.report["points"],
            "digest": keeping.digest_of(run),
            "reason": reason,
        },
        target=str(run)[:128],
        reason=reason,
        reference=reference,
        by=by,
        at=at,
    )


def _start(
    *, payload: approvals.Payload, requested_by: User, at: datetime, **_more: object
) -> None:
    keeping.start(
        run_id=payload["import"],
        at=at,
        by=requested_by,
        reason=payload["reason"],
        digest=payload["digest"],
    )


def _told(payload: approvals.Payload) -> approvals.Facts:
    return [
        (_("File"), f"#{payload['import']} {payload['file']}"),
        (_("Members"), f"{payload['members']:,}"),
        (_("Points"), f"{payload['points']:,}"),
    ]
