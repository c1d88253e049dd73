"""What goes from account to account: transfers, merges, and taking a merge apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from common import audit, events
from common.errors import DomainError
from common.models import User
from members import queries as members
from members.operations import NotMerged, SameMember
from members.queries import Identity
from points import queries
from points.models import EntryKind
from points.operations._ledger import too_few
from points.operations._posting import (
    TAKEN,
    AccountMerged,
    Posting,
    Repeat,
    Source,
    active_until,
    begins_with,
    call,
    refusal_of,
    refuse,
    require_in_range,
    require_not_in_future,
    require_not_merged,
    require_note,
    require_reference,
)
from programme.policies import TransferLimit


class TransfersNotAllowed(DomainError):
    code = "transfers_not_allowed"
    message = _("This programme does not allow transfers between members.")


class TransferLimitReached(DomainError):
    code = "transfer_limit_reached"
    message = _("This would pass the limit for transfers within %(days)s days.")


class HoldsOpen(DomainError):
    code = "holds_open"
    message = _("A till holds points of this account at the moment. Try again when it is done.")


class MergedPointsSpent(DomainError):
    code = "merged_points_spent"
    message = _("Points that came over have been spent.")


@transaction.atomic
def transfer(
    *,
    giver: Identity,
    receiver: Identity,
    points: int,
    at: datetime,
    reference: str,
    source: Source,
    limits: Sequence[TransferLimit] | None,
    note: str = "",
    by: User | None = None,
    now: datetime | None = None,
) -> Posting:
    """
    Move points to another member, earliest expiry first. They keep their last days and payers.

    :param limits: how often and how much one member may give; None: not at all
    :returns: the giver's posting
    :raises TransfersNotAllowed: :raises TransferLimitReached: if so
    :raises SameMember: :raises InsufficientPoints: if so
    :raises MemberFrozen: :raises MemberClosed: :raises MemberNotActivated: whichever of the two
    :raises AccountMerged: whichever of the two
    :raises ReferenceReused: if the reference stands for something else
    """
    require_in_range(points)
    require_reference(reference)
    require_note(note)
    if now is not None:
        require_not_in_future(at, now=now)
    if giver.id == receiver.id:
        raise SameMember
    repeat = Repeat(
        giver, EntryKind.TRANSFER_OUT, -points, source, reference, note, counterpart=receiver
    )
    if limits is None:
        return repeat.earlier() or refuse(TransfersNotAllowed())
    for check in (partial(giver.require_can_spend, at), receiver.require_can_redeem):
        if refusal := refusal_of(check):
            return repeat.earlier() or refuse(refusal)
    answer = call(
        "points_transfer",
        (
            giver.id, receiver.id, points, at, settings.TIME_ZONE, source.issuer_id, reference,
            source.store_id, source.client_id, source.version_id, by.pk if by else None,
            note or None, [limit.days for limit in limits], [limit.count for limit in limits],
            [limit.points for limit in limits], active_until(EntryKind.TRANSFER_OUT, at),
            *begins_with(EntryKind.TRANSFER_IN, at),
        ),
    )  # fmt: skip
    if answer is not TAKEN and answer[0] is not None:
        return Posting(*answer)
    if first := repeat.earlier():
        return first
    why = answer[1]
    if why > 0:
        raise TransferLimitReached(days=limits[why - 1].days)
    require_not_merged(receiver)
    return too_few(giver, points, at)


@dataclass(frozen=True, slots=True)
class Unmerged:
    """A merge taken apart. `spent` of what had come over was no longer there."""

    posting: Posting
    spent: int


@transaction.atomic
def merge_accounts(
    *, member: Identity, into: Identity, at: datetime, source: Source, by: User, note: str
) -> Posting:
    """
    Move everything of one account to another's: lots, what waits, a debt, qualifying points.

    Both ledgers stay. From then on nothing can be posted to the first.

    :returns: the posting that left
    :raises SameMember: :raises MemberClosed: :raises HoldsOpen: if so
    :raises AccountMerged: if either was merged into another before
    """
    require_note(note)
    if member.id == into.id:
        raise SameMember
    member.require_not_closed()
    into.require_not_closed()
    answer = call(
        "points_merge_accounts",
        (
            member.id, into.id, at, settings.TIME_ZONE, source.issuer_id, None, by.pk, note,
        ),
    )  # fmt: skip
    if answer[0] is None:
        if answer[1] == _HELD:
            raise HoldsOpen
        require_not_merged(member)
        require_not_merged(into)
    audit.record(
        action="points.merged",
        target=member.number,
        by=by,
        reason=note,
        details={"into": into.number, "entry": answer[0]},
    )
    events.publish("account.merged", _told(member, into.id, at))
    return Posting(answer[0], 0)


@transaction.atomic
def unmerge_accounts(
    *, member: Identity, at: datetime, source: Source, by: User, note: str, after_spending: str
) -> Unmerged:
    """
    Take a merge apart: what is left of what came over goes back to its own lots.

    :param after_spending: what the other has spent of it is its `debt`, a `write_off`, or a reason
        to `refuse`, as with returns
    :raises NotMerged: :raises MergedPointsSpent: :raises HoldsOpen: if so
    :raises AccountMerged: if the other account was merged on; that must be taken apart first
    """
    require_note(note)
    into = next(iter(queries.hosts_of(member.id)), None)
    other = members.identity_of(into) if into else None
    answer = call(
        "points_unmerge_accounts",
        (
            member.id, at, settings.TIME_ZONE, after_spending, source.issuer_id, None, by.pk, note,
        ),
    )  # fmt: skip
    if answer is None or other is None:
        raise NotMerged(number=member.number)
    if answer[0] is None:
        if answer[1] == 0:
            raise MergedPointsSpent
        if answer[1] == _HELD:
            raise HoldsOpen
        raise AccountMerged(number=other.number, into=queries.merged_into(other.id) or "")
    audit.record(
        action="points.unmerged",
        target=member.number,
        by=by,
        reason=note,
        details={"from": other.number, "entry": answer[0], "spent": answer[1]},
    )
    events.publish("account.unmerged", _told(member, other.id, at))
    return Unmerged(Posting(answer[0], queries.balance(member.id)), answer[1])


def _told(member: Identity, into_id: int, at: datetime) -> dict[str, object]:
    return {"member_id": member.id, "into_id": into_id, "at": at.isoformat()}


# How the functions in points/sql/merge.sql say that a till holds points.
_HELD = -3
