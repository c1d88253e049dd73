"""Two members who are one person: joined in every room at once, and taken apart again (M10)."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from common.models import User
from members import operations as members
from members import queries
from membership import notices
from messaging import operations as messaging
from points import operations as points


@transaction.atomic
def merge(
    *,
    member_id: int,
    into_id: int,
    take: Collection[str],
    frees_phone: bool,
    at: datetime,
    by: User,
    reason: str,
) -> None:
    """
    Give up one member for another: who they are, what is said to them, their points. Tiers follow
    by the event `account.merged`.

    :param take: :param frees_phone: as `members.operations.merge_members`
    :raises DomainError: as that and `points.operations.merge_accounts`
    """
    merged = members.merge_members(
        member_id=member_id,
        into_id=into_id,
        take=take,
        frees_phone=frees_phone,
        at=at,
        by=by,
        reason=reason,
    )
    points.merge_accounts(
        member=merged.member,
        into=merged.into,
        at=at,
        source=points.our_source(),
        by=by,
        note=reason,
    )
    messaging.merge_messages(merge_id=merged.merge_id, member_id=member_id, into_id=into_id, at=at)
    messaging.send(
        member_id=into_id,
        template=notices.MERGED,
        key=f"{notices.MERGED}:{merged.merge_id}",
        variables={"number": merged.member.number},
        at=at,
    )


@transaction.atomic
def unmerge(
    *, member_id: int, after_spending: str, at: datetime, by: User, reason: str
) -> tuple[members.Unmerged, points.Unmerged]:
    """
    Take a merge apart in every room.

    :param after_spending: as `points.operations.unmerge_accounts`
    :raises DomainError: as `members.operations.unmerge_members` and that
    """
    unmerged = members.unmerge_members(member_id=member_id, at=at, by=by, reason=reason)
    accounts = points.unmerge_accounts(
        member=queries.identity_of(member_id),
        at=at,
        source=points.our_source(),
        by=by,
        note=reason,
        after_spending=after_spending,
    )
    messaging.unmerge_messages(
        merge_id=unmerged.merge_id,
        member_id=member_id,
        into_id=unmerged.into.id,
        at=at,
    )
    return unmerged, accounts
