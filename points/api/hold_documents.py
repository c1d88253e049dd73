"""What tills send and get about holds."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

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
from points.api.documents import Posted, entry_name, posted_by
from points.models import Entry
from points.operations import POINTS_MAX, EndedHold, Posting
from points.queries import HoldState, HoldStatus

MINUTES_MAX = 7 * 24 * 60


class HoldInput(Document):
    extra_schema = {"not": {"required": ["minutes", "until"]}}

    reference = reference(help_text="Your document number; the redemption will have it, too.")
    member = member_number()
    store = store_code()
    points = Whole(low=1, high=POINTS_MAX)
    at = Moment(required=False, help_text="When it happened, with its offset; now by default.")
    minutes = Whole(
        low=1,
        high=MINUTES_MAX,
        required=False,
        help_text="How long; by default, and at most, as long as the programme allows.",
    )
    until = Moment(required=False, help_text="Until when, instead of how long.")
    note = Text(limit=200, required=False, help_text="What they are for, for the statement.")
    pool = Flag(
        required=False,
        help_text="True: where the member's own points are too few, also of what others share.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "minutes" in attrs and "until" in attrs:
            raise ValidationError(_("Give minutes or until, not both."), "not_both")
        return attrs


class ConfirmationInput(Document):
    points = Whole(
        low=1,
        high=POINTS_MAX,
        required=False,
        help_text="How many are spent; all by default. The rest is given back.",
    )
    at = Moment(required=False, help_text="When it happened, with its offset; now by default.")
    note = Text(
        limit=200, required=False, help_text="What they were spent on; by default as in the hold."
    )


class ReleaseInput(Document):
    at = Moment(required=False, help_text="When it happened, with its offset; now by default.")


class HoldAnswer(Posted):
    """
    `balance_after` is what was left when the hold was made.

    `state`: OPEN; CONFIRMED, with how many points were spent; RELEASED by you, by staff, or because
    the membership ended; OVERDUE when its time was over before anything was spent.
    """

    until: datetime
    state: HoldState
    spent: int
    released: int
    ended_at: datetime | None


class ConfirmationAnswer(Posted):
    """`balance_after` is what there is after the rest was given back."""

    held: int
    released: int
    # The entry that gave back the rest; null when there was none.
    release: str | None


def hold_until(body: Mapping[str, Any], *, at: datetime, longest: timedelta) -> datetime:
    """Until when a till asks to hold: as long as may be unless it says less."""
    minutes = body.get("minutes")
    length = longest if minutes is None else timedelta(minutes=minutes)
    return body.get("until") or at + length


def held(
    posting: Posting, body: Mapping[str, Any], *, member: str, at: datetime, until: datetime
) -> HoldAnswer:
    """The answer to a hold just made, without reading it back."""
    return HoldAnswer(
        reference=body["reference"],
        member=member,
        store=body["store"],
        at=localtime(at),
        points=body["points"],
        note=body.get("note", ""),
        entry=entry_name(member, posting.seq),
        balance_after=posting.balance_after,
        until=localtime(until),
        state=HoldState.OPEN,
        spent=0,
        released=0,
        ended_at=None,
    )


def hold_answer(entry: Entry, *, member: str, status: HoldStatus) -> HoldAnswer:
    assert entry.until is not None, "a hold has an end"
    return HoldAnswer(
        **posted_by(entry, member),
        points=-entry.points,
        until=localtime(entry.until),
        state=status.state,
        spent=status.spent,
        released=status.released,
        ended_at=status.ended_at and localtime(status.ended_at),
    )


def confirmation_answer(
    held: Entry,
    ended: EndedHold,
    body: Mapping[str, Any],
    *,
    member: str,
    at: datetime,
) -> ConfirmationAnswer:
    """`at`: when it was confirmed first."""
    assert ended.redemption is not None, "it was confirmed"
    points = body.get("points", -held.points)
    posted = posted_by(held, member) | {
        "at": localtime(at),
        "note": body.get("note") or held.note or "",
        "entry": entry_name(member, ended.redemption),
        "balance_after": ended.balance_after,
    }
    return ConfirmationAnswer(
        **posted,
        points=points,
        held=-held.points,
        released=-held.points - points,
        release=entry_name(member, ended.release) if ended.release else None,
    )
