"""Asking somebody into a family or company, and what they answer."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from common import audit, events, limits
from common.errors import DomainError, NotFound
from common.models import User
from members import groups, phones, queries
from members.models import GroupInvitation, GroupMember, Member, MemberStatus
from members.numbers import is_member_number
from members.operations._groups import InGroupAlready, held, join, require_lead
from members.operations._states import locked

INVITATION_LASTS = timedelta(days=7)
# Nobody finds out by inviting who is a member, and nobody is pestered.
INVITATIONS, INVITATIONS_SECONDS = 20, 86_400


class InvitedAlready(DomainError):
    code = "invited_already"
    message = _("This invitation is on its way already.")


class InvitationOver(NotFound):
    code = "invitation_over"
    message = _("This invitation has been answered, taken back or has lapsed.")


def invite_to_group(
    *, group_id: int, by_member: int | None, whom: str, at: datetime
) -> GroupInvitation:
    """
    Ask whoever has a phone or a member number to join. Answers the same if nobody has it.

    :param by_member: who asks; None: staff
    :param whom: a phone or a member number
    :raises phones.InvalidPhone: if it is neither a phone nor a member number
    :raises InvitedAlready: :raises InGroupAlready: if so
    :raises RoleNeeded: :raises NotInGroup: :raises UnknownGroup: if so
    :raises limits.TooMany: after twenty a day of a group; :raises limits.Unavailable: without Redis
    """
    limits.consume(f"groups:invite:{group_id}", limit=INVITATIONS, seconds=INVITATIONS_SECONDS)
    with transaction.atomic():
        group = held(group_id)
        require_lead(group, by_member)
        asked, member = _find(whom)
        if member is not None and groups.place_in(group_id, member.pk) is not None:
            raise InGroupAlready
        lapsed = group.invitations.filter(asked=asked, answered_at=None, lapses_at__lte=at)
        lapsed.update(answered_at=at)
        try:
            with transaction.atomic():
                invitation = GroupInvitation.objects.create(
                    group=group,
                    member=member,
                    asked=asked,
                    invited_at=at,
                    lapses_at=at + INVITATION_LASTS,
                )
        except IntegrityError as error:
            raise InvitedAlready from error
        if member is not None:
            events.publish("group.invited", {"invitation_id": invitation.pk, "at": at.isoformat()})
    return invitation


@transaction.atomic
def accept_invitation(
    *, invitation_id: int, member_id: int, at: datetime, by: User | None = None
) -> GroupMember:
    """
    :raises InvitationOver: if it is not there for this member any more
    :raises GroupFull: :raises InGroupAlready: :raises GroupsNotOffered: if so
    :raises WrongState: unless the member is active
    """
    member = locked(member_id, MemberStatus.ACTIVE)
    invitation = _waiting(invitation_id, member_id, at)
    group = held(invitation.group_id)
    place = join(group, member, at)
    _answered(invitation, at)
    audit.record(action="group.joined", target=member.number, by=by, details={"group": group.pk})
    return place


@transaction.atomic
def decline_invitation(*, invitation_id: int, member_id: int, at: datetime) -> None:
    """:raises InvitationOver: if it is not there for this member any more"""
    _answered(_waiting(invitation_id, member_id, at), at)


@transaction.atomic
def withdraw_invitation(
    *, invitation_id: int, group_id: int, by_member: int | None, at: datetime
) -> None:
    """
    :raises InvitationOver: if it is not waiting any more
    :raises RoleNeeded: :raises NotInGroup: :raises UnknownGroup: if so
    """
    group = held(group_id)
    require_lead(group, by_member)
    invitation = groups.waiting(at=at).filter(pk=invitation_id, group_id=group_id).first()
    if invitation is None:
        raise InvitationOver
    _answered(invitation, at)


def _find(whom: str) -> tuple[str, Member | None]:
    """What stands on the list for what was typed, and who that is, if it is anybody."""
    number = whom.strip().upper()
    if is_member_number(number):
        found = Member.objects.filter(number=number)
        asked = number
    else:
        phone = phones.normalize(whom)
        asked = phones.masked(phone)
        found = Member.objects.filter(phone_entry__phone_index=queries.phone_index(phone))
    return asked, found.filter(status=MemberStatus.ACTIVE).first()


def _waiting(invitation_id: int, member_id: int, at: datetime) -> GroupInvitation:
    invitation = (
        groups.waiting(at=at)
        .select_for_update(of=("self",))
        .filter(pk=invitation_id, member_id=member_id)
        .first()
    )
    if invitation is None:
        raise InvitationOver
    return invitation


def _answered(invitation: GroupInvitation, at: datetime) -> None:
    invitation.answered_at = at
    invitation.save(update_fields=["answered_at"])
