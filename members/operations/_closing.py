"""The end of a membership."""

from datetime import datetime

from django.db import transaction

from common import events
from common.models import User
from members import queries
from members.models import EmailDirectory, Member, MemberStatus, PhoneDirectory
from members.operations._groups import depart
from members.operations._states import changed, locked


@transaction.atomic
def close(*, member_id: int, closed_at: datetime, by: User | None, reason: str) -> Member:
    """
    End a membership. The points follow by way of `member.closed`; phone and e-mail become free.

    :raises WrongState: if it has ended before
    """
    member = locked(
        member_id, MemberStatus.PRE_REGISTERED, MemberStatus.ACTIVE, MemberStatus.FROZEN
    )
    member.status = MemberStatus.CLOSED
    member.closed_at = closed_at
    # Those too that lead here from who was joined with the member.
    known_as = queries.with_guests([member.pk])
    PhoneDirectory.objects.filter(member__in=known_as).delete()
    EmailDirectory.objects.filter(member__in=known_as).delete()
    if member.user is not None:
        member.user.is_active = False
        member.user.save(update_fields=["is_active"])
    depart(member.pk, closed_at)
    events.publish("member.closed", {"member_id": member.pk, "closed_at": closed_at.isoformat()})
    return changed(member, "member.closed", by, reason)
