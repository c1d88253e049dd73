"""What is sent and got about transfers between members."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.timezone import localtime

from common.api.fields import Document, Moment, Text, Whole, member_number, reference, store_code
from common.api.rendering import Answer
from points.api.documents import entry_name
from points.models import Entry
from points.operations import POINTS_MAX, Posting


class TransferInput(Document):
    reference = reference(help_text="Your document number; unique in your organization.")
    giver = member_number()
    receiver = member_number()
    points = Whole(low=1, high=POINTS_MAX)
    store = store_code(required=False, help_text="A client of some stores has to name one.")
    at = Moment(required=False, help_text="When it happened, with its offset; now by default.")
    note = Text(limit=200, required=False, help_text="For both statements.")


class TransferAnswer(Answer):
    """`entry` and `balance_after` are the giver's."""

    reference: str
    giver: str
    receiver: str
    store: str | None
    at: datetime
    points: int
    note: str
    entry: str
    balance_after: int


def transferred(posting: Posting, body: Mapping[str, Any], *, at: datetime) -> TransferAnswer:
    """The answer to a transfer just made, without reading it back."""
    return TransferAnswer(
        reference=body["reference"],
        giver=body["giver"],
        receiver=body["receiver"],
        store=body.get("store"),
        at=localtime(at),
        points=body["points"],
        note=body.get("note", ""),
        entry=entry_name(body["giver"], posting.seq),
        balance_after=posting.balance_after,
    )


def transfer_answer(entry: Entry, *, giver: str, receiver: str) -> TransferAnswer:
    assert entry.reference is not None, "it was found by its reference"
    return TransferAnswer(
        reference=entry.reference,
        giver=giver,
        receiver=receiver,
        store=entry.store.code if entry.store else None,
        at=localtime(entry.effective_at),
        points=-entry.points,
        note=entry.note or "",
        entry=entry_name(giver, entry.seq),
        balance_after=entry.balance_after,
    )
