"""What dealers' systems send and get about points."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from django.utils.timezone import localtime

from common.api.fields import (
    Document,
    Flag,
    Moment,
    Text,
    Whole,
    member_number,
    reference,
    store_code,
)
from common.api.rendering import Answer
from points.models import Entry, EntryKind
from points.operations import POINTS_MAX, Posting
from points.queries import AccountSummary


class RedemptionInput(Document):
    reference = reference(help_text="Your document number; unique in your organization.")
    member = member_number()
    store = store_code()
    points = Whole(low=1, high=POINTS_MAX)
    at = Moment(required=False, help_text="When it happened, with its offset; now by default.")
    note = Text(limit=200, required=False, help_text="What they were spent on, for the statement.")
    pool = Flag(
        required=False,
        help_text="True: where the member's own points are too few, also of what others share.",
    )


class Posted(Answer):
    """What each answer tells of what was posted for a member."""

    reference: str
    member: str
    store: str | None
    at: datetime
    points: int
    note: str
    entry: str
    balance_after: int


class RedemptionAnswer(Posted):
    pass


class CancellationSummary(Answer):
    # Null: it was made by staff.
    reference: str | None
    at: datetime
    points: int


class RedemptionRecord(RedemptionAnswer):
    cancellations: list[CancellationSummary]


class CancellationInput(Document):
    reference = reference(help_text="The cancellation's own document number.")
    points = Whole(
        low=1,
        high=POINTS_MAX,
        required=False,
        help_text="How many go back; by default all that are left of the redemption.",
    )
    at = Moment(required=False, help_text="When it happened, with its offset; now by default.")
    note = Text(limit=200, required=False, help_text="Why, for the statement.")


class LotUse(Answer):
    """What was done to the points of which credit: negative, they were taken."""

    entry: str
    points: int
    # The last good day they had then; null: they never lapse.
    last_day: date | None


class CancellationAnswer(Posted):
    """`member` has the points: where the account was merged since, whoever has it now."""

    redemption: str
    # Where they went; what is missing paid a debt.
    lots: list[LotUse]


class ExpiryAnswer(Answer):
    """Points that can be spent up to and including a day."""

    last_day: date
    points: int


class AccountAnswer(Answer):
    """`balance` is what is on the books; below zero it is a debt the next points pay."""

    member: str
    balance: int
    spendable: int
    # What others of a family or company share, and this member may spend (`pool`) when the own
    # points are too few; null: there is no such pool, or another day was asked for.
    shared: int | None
    debt: int
    # What has not vested yet, and what holds set aside; null when another day was asked for.
    pending: int | None
    held: int | None
    # The end of this day, in the programme's time zone.
    as_of: date
    # What lapses next; null when another day than today was asked for.
    expiries: list[ExpiryAnswer] | None


class Counterpart(Answer):
    """The other side of a transfer or a merge, or whose account it was before one."""

    member: str
    # Its entry there; null when there are several.
    entry: str | None


class EntryAnswer(Answer):
    entry: str
    kind: str
    points: int
    # What it changed of what waits, of what is held and of the qualifying points.
    pending: int
    held: int
    qualifying: int
    balance_after: int
    at: datetime
    recorded_at: datetime
    # A credit's last good day; null for debits and for points that never lapse.
    expires_on: date | None
    reference: str | None
    store: str | None
    # The line of the document it is about; null: all of it.
    line: str | None
    note: str | None
    # The entry it takes back, gives back or brings to its end.
    reverses: str | None
    counterpart: Counterpart | None
    lots: list[LotUse]


class EntryPage(Answer):
    results: list[EntryAnswer]
    # Give it as `cursor` for the next page; null on the last one.
    next_cursor: str | None


def entry_name(member: str, seq: int) -> str:
    """What people call an entry: M0000000018-17."""
    return f"{member}-{seq}"


def good_until(day: date | None) -> date | None:
    return None if day == date.max else day


def account_answer(summary: AccountSummary, *, member: str) -> AccountAnswer:
    expiries = summary.expiries
    return AccountAnswer(
        member=member,
        balance=summary.balance,
        spendable=summary.spendable,
        shared=summary.shared,
        debt=max(0, -summary.balance),
        pending=summary.pending,
        held=summary.held,
        as_of=summary.as_of,
        expiries=None
        if expiries is None
        else [ExpiryAnswer(last_day=each.last_day, points=each.points) for each in expiries],
    )


def redeemed(
    posting: Posting, body: Mapping[str, Any], *, member: str, at: datetime
) -> RedemptionAnswer:
    """The answer to a redemption just posted, made without reading it back."""
    return RedemptionAnswer(
        reference=body["reference"],
        member=member,
        store=body["store"],
        at=localtime(at),
        points=body["points"],
        note=body.get("note", ""),
        entry=entry_name(member, posting.seq),
        balance_after=posting.balance_after,
    )


def redemption_answer(entry: Entry, *, member: str) -> RedemptionAnswer:
    return RedemptionAnswer(**_redemption(entry, member))


def redemption_record(
    entry: Entry, *, member: str, cancellations: Iterable[Entry]
) -> RedemptionRecord:
    return RedemptionRecord(
        **_redemption(entry, member),
        cancellations=[
            CancellationSummary(
                reference=each.reference if each.issuer_id == entry.issuer_id else None,
                at=localtime(each.effective_at),
                points=each.points,
            )
            for each in cancellations
        ],
    )


def _redemption(entry: Entry, member: str) -> dict[str, Any]:
    return {**posted_by(entry, member), "points": -entry.worth}


def posted_by(entry: Entry, member: str) -> dict[str, Any]:
    """What `Posted` tells, but for the points: what they mean depends on the kind."""
    return {
        "reference": entry.reference,
        "member": member,
        "store": entry.store.code if entry.store else None,
        "at": localtime(entry.effective_at),
        "note": entry.note or "",
        "entry": entry_name(member, entry.seq),
        "balance_after": entry.balance_after,
    }


def cancellation_answer(entry: Entry, *, member: str, redemption: str) -> CancellationAnswer:
    return CancellationAnswer(
        **posted_by(entry, member),
        redemption=redemption,
        points=entry.points,
        lots=lot_uses(entry, member),
    )


def lot_uses(entry: Entry, member: str) -> list[LotUse]:
    lots = zip(entry.lot_seq or (), entry.lot_points or (), entry.lot_expires_on or (), strict=True)
    return [
        LotUse(entry=entry_name(member, seq), points=points, last_day=good_until(last_day))
        for seq, points, last_day in lots
    ]


# What the tills say of these is for their member; a note of staff is for staff.
NOTED = {
    EntryKind.REDEEM,
    EntryKind.HOLD,
    EntryKind.REINSTATE,
    EntryKind.TRANSFER_OUT,
    EntryKind.TRANSFER_IN,
}


POOLED = {EntryKind.POOL_OUT, EntryKind.POOL_IN, EntryKind.POOL_BACK}


def entry_answer(entry: Entry, *, member: str, numbers: Mapping[int, str]) -> EntryAnswer:
    """`numbers`: the member numbers of the counterparts."""
    is_noted = entry.kind in NOTED and entry.actor_id is None
    return EntryAnswer(
        entry=entry_name(member, entry.seq),
        kind=entry.kind,
        points=entry.points,
        pending=entry.pending,
        held=entry.held,
        qualifying=entry.qualifying,
        balance_after=entry.balance_after,
        at=localtime(entry.effective_at),
        recorded_at=localtime(entry.recorded_at),
        expires_on=good_until(entry.expires_on),
        reference=entry.reference,
        store=entry.store.code if entry.store else None,
        line=entry.line,
        note=entry.note if is_noted else None,
        reverses=entry_name(member, entry.reverses) if entry.reverses else None,
        counterpart=_counterpart(entry, numbers),
        lots=lot_uses(entry, member),
    )


def _counterpart(entry: Entry, numbers: Mapping[int, str]) -> Counterpart | None:
    # With whom somebody shares points is for the two of them.
    if entry.counterpart_id is None or entry.kind in POOLED:
        return None
    number = numbers[entry.counterpart_id]
    seq = entry.counterpart_seq
    return Counterpart(member=number, entry=entry_name(number, seq) if seq else None)
