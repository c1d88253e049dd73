"""What dealers' systems send and get about points."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from django.utils.timezone import localtime

from common.api.fields import Document, Moment, Text, Whole, member_number, reference, store_code
from common.api.rendering import Answer
from points.models import Entry
from points.operations import POINTS_MAX, Posting
from points.queries import AccountSummary


class RedemptionInput(Document):
    reference = reference(help_text="Your document number; unique in your organization.")
    member = member_number()
    store = store_code()
    points = Whole(low=1, high=POINTS_MAX)
    at = Moment(required=False, help_text="When it happened, with its offset; now by default.")
    note = Text(limit=200, required=False, help_text="What they were spent on, for the statement.")


class RedemptionAnswer(Answer):
    reference: str
    member: str
    store: str | None
    at: datetime
    points: int
    note: str
    entry: str
    balance_after: int


class ExpiryAnswer(Answer):
    """Points that can be spent up to and including a day."""

    last_day: date
    points: int


class AccountAnswer(Answer):
    """`balance` is what is on the books; below zero it is a debt the next points pay."""

    member: str
    balance: int
    spendable: int
    debt: int
    # What has not vested yet, and what holds set aside; null when another day was asked for.
    pending: int | None
    held: int | None
    # The end of this day, in the programme's time zone.
    as_of: date
    # What lapses next; null when another day than today was asked for.
    expiries: list[ExpiryAnswer] | None


class LotUse(Answer):
    """What a line did to the points of which credit: negative, it took them."""

    entry: str
    points: int


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
    note: str | None
    # The credit that was taken back.
    reverses: str | None
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
    assert entry.reference is not None, "it was found by its reference"
    return RedemptionAnswer(
        reference=entry.reference,
        member=member,
        store=entry.store.code if entry.store else None,
        at=localtime(entry.effective_at),
        points=-entry.worth,
        note=entry.note or "",
        entry=entry_name(member, entry.seq),
        balance_after=entry.balance_after,
    )


def entry_answer(entry: Entry, *, member: str) -> EntryAnswer:
    lots: Iterable[tuple[int, int]] = zip(entry.lot_seq or (), entry.lot_points or (), strict=True)
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
        # A note of a correction is for staff.
        note=entry.note if entry.kind == "REDEEM" else None,
        reverses=entry_name(member, entry.reverses) if entry.reverses else None,
        lots=[LotUse(entry=entry_name(member, seq), points=taken) for seq, taken in lots],
    )
