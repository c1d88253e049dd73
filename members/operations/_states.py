"""The life cycle of a membership."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from common import audit, events
from common.errors import DomainError
from common.models import User
from members.models import Member, MemberStatus


class WrongState(DomainError):
    code = "wrong_state"
    message = _("This cannot be done to a member who is %(status)s.")


@transaction.atomic
def activate(
    *, member_id: int, activated_at: datetime, by: User | None = None, reason: str = ""
) -> Member:
    """
    Turn a pre-registered member into an active one. What they earned follows by the event
    `member.activated`: its validity may begin only now.

    :raises WrongState: if the member is not pre-registered
    """
    member = locked(member_id, MemberStatus.PRE_REGISTERED)
    member.status = MemberStatus.ACTIVE
    member.activated_at = activated_at
    events.publish(
        "member.activated",
        {"member_id": member.pk, "activated_at": activated_at.isoformat()},
    )
    return changed(member, "member.activated", by, reason)


@transaction.atomic
def freeze(*, member_id: int, by: User, reason: str) -> Member:
    """
    Stop a member from earning and redeeming until `unfreeze`.

    :raises WrongState: if the member is not active
    """
    member = locked(member_id, MemberStatus.ACTIVE)
    member.status = MemberStatus.FROZEN
    return changed(member, "member.frozen", by, reason)


@transaction.atomic
def unfreeze(*, member_id: int, by: User, reason: str) -> Member:
    """:raises WrongState: if the member is not frozen"""
    member = locked(member_id, MemberStatus.FROZEN)
    member.status = MemberStatus.ACTIVE
    return changed(member, "member.unfrozen", by, reason)


@transaction.atomic
def hold_survivor(member_id: int) -> int:
    """
    Hold a member until the transaction ends, or who they turned out to be; return whose id it is.

    What is written for a member must not land beside a merge that is under way.
    """
    while True:
        held = Member.objects.select_for_update(no_key=True).only("merged_into").get(pk=member_id)
        if held.merged_into_id is None:
            return member_id
        member_id = held.merged_into_id


def locked(member_id: int, *allowed: MemberStatus) -> Member:
    member = Member.objects.select_for_update(no_key=True).get(pk=member_id)
    if member.status not in allowed:
        raise WrongState(status=member.get_status_display())
    return member


def changed(member: Member, action: str, by: User | None, reason: str) -> Member:
    member.save(update_fields=["status", "activated_at", "closed_at"])
    audit.record(action=action, target=member.number, by=by, reason=reason)
    return member
