"""Questions about purchases, as the journal and the ledger hold them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from campaigns.operations import find_purchase
from members import queries as members
from points import queries as points
from points.models import Activity, ActivityKind, Entry, EntryKind, Pending


@dataclass(frozen=True, slots=True)
class Recorded:
    """An activity and what came of it. `entry` is None when no points moved."""

    activity: Activity
    entry: Entry | None
    member_number: str
    store_code: str
    returns: Sequence[Activity] = ()
    # What of it waits still, line by line.
    waiting: Sequence[Pending] = ()


def recorded_purchase(
    *, issuer_id: int, reference: str, only_stores: Collection[int] | None = None
) -> Recorded:
    """:raises UnknownPurchase: as `find_purchase`"""
    activity = find_purchase(issuer_id=issuer_id, reference=reference, only_stores=only_stores)
    return _recorded(activity, tuple(activity.returns.order_by("occurred_at", "id")))


@dataclass(frozen=True, slots=True)
class Vested:
    """An entry that made points of a purchase spendable, and whose they are."""

    entry: Entry
    member_number: str
    store_code: str | None


def vested(*, issuer_id: int, reference: str) -> Vested:
    """What the issuer has posted under this reference."""
    entry = points.posted(issuer_id, EntryKind.VEST, reference)
    assert entry is not None, "it was posted"
    return Vested(
        entry=entry,
        member_number=members.identity_of(entry.member_id).number,
        store_code=entry.store.code if entry.store else None,
    )


def recorded_return(*, issuer_id: int, reference: str) -> Recorded:
    """A return the issuer has posted."""
    activity = points.activity(issuer_id=issuer_id, kind=ActivityKind.RETURN, reference=reference)
    assert activity is not None, "it was posted"
    return _recorded(activity)


def _recorded(activity: Activity, returns: Sequence[Activity] = ()) -> Recorded:
    entry = points.entry_of(activity)
    return Recorded(
        activity=activity,
        entry=entry,
        member_number=members.identity_of(activity.member_id).number,
        store_code=activity.store.code,
        returns=returns,
        waiting=tuple(points.waiting(entry)) if entry and entry.pending > 0 else (),
    )
