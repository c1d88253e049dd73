"""
What staff do by hand: a verb of the ledger, by the rulebook of the day, with a reason and a name.

Corrections are in `_ledger`, merges in `_between`; what a second person must let happen is in
`points.approvals`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection, transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import audit
from common.errors import DomainError
from common.models import User
from members import queries as members
from members.operations import NotMerged, SameMember
from members.queries import Identity
from partners import queries as partners
from points import queries
from points.models import Account, Entry, EntryKind, Lot
from points.operations._between import HoldsOpen, transfer
from points.operations._holds import EndedHold, release
from points.operations._ledger import extend, reinstate
from points.operations._posting import (
    Posting,
    ReferenceReused,
    Source,
    require_not_merged,
    require_note,
    require_reference,
)
from programme import queries as programme
from programme.policies import NEVER


class NothingToExtend(DomainError):
    code = "nothing_to_extend"
    message = _("None of these points would lapse before %(last_day)s.")


class AccountLapsesSooner(DomainError):
    code = "account_lapses_sooner"
    message = _("All points of this account end together on %(lapses_on)s.")


def our_source() -> Source:
    """The brand, for what has no document of its own."""
    brand = partners.brand()
    assert brand is not None, "every installation has its brand (partners/migrations/0002)"
    return Source(issuer_id=brand.pk)


@transaction.atomic
def cancel_redemption(
    *, of: Entry, points: int | None, at: datetime, reference: str, by: User, reason: str
) -> Posting:
    """
    Give back the points of a redemption, or some of them, to their own lots.

    :param points: None for all that was not given back before
    :raises queries.UnknownRedemption: if it is none: what has expired takes another way
    :raises NothingToReinstate: and as `reinstate`
    """
    if of.kind != EntryKind.REDEEM:
        raise queries.UnknownRedemption
    member = members.identity_of(of.member_id)
    posting = reinstate(
        member=member,
        of=of,
        points=points,
        at=at,
        reference=reference,
        source=our_source(),
        floor_days=programme.rulebook_on(localdate(at)).policies.reinstatement_days,
        note=reason,
        by=by,
    )
    if not posting.replayed:
        _record("points.redemption_cancelled", member, by, reason, entry=posting.seq, of=of.seq)
    return posting


@transaction.atomic
def transfer_by_hand(
    *,
    giver: Identity,
    receiver: Identity,
    points: int,
    at: datetime,
    reference: str,
    by: User,
    reason: str,
) -> Posting:
    """
    Move points to another member within the programme's limits.

    :raises TransfersNotAllowed: :raises TransferLimitReached: and as `transfer`
    """
    posting = transfer(
        giver=giver,
        receiver=receiver,
        points=points,
        at=at,
        reference=reference,
        source=our_source(),
        limits=programme.rulebook_on(localdate(at)).policies.transfer_limits,
        note=reason,
        by=by,
    )
    if not posting.replayed:
        _record(
            "points.transferred", giver, by, reason,
            to=receiver.number, points=points, entry=posting.seq,
        )  # fmt: skip
    return posting


@transaction.atomic
def release_by_hand(*, held: Entry, at: datetime, by: User, reason: str) -> EndedHold:
    """
    Give back what a till has set aside and will not spend any more.

    :raises queries.UnknownHold: if it is no hold
    :raises HoldEnded: if it was spent
    """
    if held.kind != EntryKind.HOLD:
        raise queries.UnknownHold
    require_note(reason)
    # In the name of who held them: two tills may call their holds the same.
    source = Source(issuer_id=held.issuer_id or our_source().issuer_id, store_id=held.store_id)
    ended = release(held=held, at=at, source=source)
    if not ended.replayed:
        member = members.identity_of(held.member_id)
        _record("points.hold_released", member, by, reason, entry=ended.release, of=held.seq)
    return ended


@transaction.atomic
def extend_by_hand(
    *,
    member: Identity,
    lots: Collection[int],
    last_day: date,
    at: datetime,
    reference: str,
    by: User,
    reason: str,
) -> Posting:
    """
    Let points of some credits be used until a later day.

    :param lots: the entries that made them; those that last longer already stay as they are
    :raises NothingToExtend: if all do, or nothing is left of them
    :raises AccountLapsesSooner: if the account as a whole ends before that day
    :raises MemberClosed: if the membership has ended
    :raises ReferenceReused: if the reference stands for something else
    """
    require_reference(reference)
    require_note(reason)
    member.require_not_closed()
    source = our_source()
    if first := queries.posted(source.issuer_id, EntryKind.EXTEND, reference):
        if first.member_id != member.id or (first.note or "") != reason:
            raise ReferenceReused(reference=reference)
        return Posting(first.seq, first.balance_after, replayed=True)
    account = Account.objects.filter(pk=member.id).first()
    if account and account.lapses_on < min(last_day, NEVER):
        raise AccountLapsesSooner(lapses_on=account.lapses_on)
    open_lots = queries.lots(member.id, on=localdate(at)).filter(seq__in=lots)
    moves = [(lot.seq, lot.expires_on, last_day) for lot in open_lots if lot.expires_on < last_day]
    posting = None
    if moves:
        posting = extend(
            member_id=member.id,
            moves=moves,
            at=at,
            source=source,
            reference=reference,
            by=by,
            note=reason,
        )
    if posting is None:
        raise NothingToExtend(last_day=last_day)
    _record("points.extended", member, by, reason, entry=posting.seq, last_day=last_day.isoformat())
    return posting


@dataclass(frozen=True, slots=True)
class MergePreview:
    """What a merge would move. `balance` below zero is a debt; `lots` counts credits."""

    balance: int
    pending: int
    qualifying: int
    lots: int


def preview_merge(*, member: Identity, into: Identity) -> MergePreview:
    """
    Tell what `merge_accounts` would move. Writes nothing.

    :raises SameMember: :raises MemberClosed: :raises AccountMerged: :raises HoldsOpen: as it would
    """
    if member.id == into.id:
        raise SameMember
    for one in (member, into):
        one.require_not_closed()
        require_not_merged(one)
    account = Account.objects.filter(pk=member.id).first() or Account(
        balance=0, pending=0, held=0, qualifying=0
    )
    if account.held:
        raise HoldsOpen
    lots = Lot.objects.filter(member_id=member.id).count()
    return MergePreview(account.balance, account.pending, account.qualifying, lots)


@dataclass(frozen=True, slots=True)
class UnmergePreview:
    """What of a merge is left in the other's account, what waits there, and what was spent."""

    into: str
    left: int
    waiting: int
    spent: int


# What came over, by the entries the merge made there.
UNMERGE_SQL = """
    SELECT
        coalesce(sum((SELECT sum(l.remaining) FROM points_lot AS l
            WHERE l.member_id = e.member_id AND l.seq = e.seq)), 0),
        coalesce(sum((SELECT sum(w.points) FROM points_pending AS w
            WHERE w.member_id = e.member_id AND w.seq = e.seq)), 0),
        -- Less what returns of one's own purchases took meanwhile: that was not spent by the other.
        greatest(0,
            coalesce(sum(points_missing_of(e.member_id, e.seq, e.points + e.pending)), 0)
            - coalesce((SELECT r.points FROM points_returned_since(%(member)s, max(m.id)) AS r), 0)
        )
    FROM points_merge AS m JOIN points_entry AS e
        ON e.member_id = m.into_id AND e.seq BETWEEN m.first_seq AND m.last_seq
        AND e.counterpart_seq IS NOT NULL
    WHERE m.member_id = %(member)s AND m.unmerged_at IS NULL
"""


def preview_unmerge(*, member: Identity) -> UnmergePreview:
    """
    Tell what `unmerge_accounts` would find. Writes nothing.

    :raises NotMerged: if there is nothing to take apart
    """
    into = queries.merged_into(member.id)
    if into is None:
        raise NotMerged(number=member.number)
    with connection.cursor() as cursor:
        cursor.execute(UNMERGE_SQL, {"member": member.id})
        left, waiting, spent = (int(value) for value in cursor.fetchone())
    return UnmergePreview(into, left, waiting, spent)


def _record(action: str, member: Identity, by: User, reason: str, **details: object) -> None:
    audit.record(action=action, target=member.number, by=by, reason=reason, details=details)
