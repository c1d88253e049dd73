"""What the lines of a page tell of beside themselves, read for all of them at once."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Q

from members.models import Member
from points import queries
from points.models import Entry, EntryKind
from points.statements._accounts import OnAccount, Waiting, on_accounts

# An entry, by its member and number.
Key = tuple[int, int]

BETWEEN = (
    EntryKind.TRANSFER_OUT,
    EntryKind.TRANSFER_IN,
    EntryKind.POOL_OUT,
    EntryKind.POOL_IN,
    EntryKind.POOL_BACK,
    EntryKind.MERGE_OUT,
    EntryKind.MERGE_IN,
)


@dataclass(frozen=True, slots=True)
class Around:
    """
    `entries`: those that lines name: whose lots, what they take back or end, and what ended them.
    `accounts`: what waits and what is held there now, and their merges.
    `counterparts`: the other members of transfers and merges.
    `announcements`: the notices of what has expired.
    """

    entries: dict[Key, Entry] = field(default_factory=dict)
    ends: dict[Key, list[Entry]] = field(default_factory=dict)
    accounts: dict[int, OnAccount] = field(default_factory=dict)
    counterparts: dict[int, Member] = field(default_factory=dict)
    announcements: dict[Key, list[queries.Announcement]] = field(default_factory=dict)

    def origin(self, entry: Entry) -> Entry | None:
        """The entry that one takes back, gives back or brings to its end."""
        if entry.counterpart_seq is not None and entry.kind not in BETWEEN:
            return self.entries.get((entry.counterpart_id or 0, entry.counterpart_seq))
        return self.entries.get((entry.member_id, entry.reverses or 0))

    def ended(self, entry: Entry, kind: EntryKind) -> list[Entry]:
        """What became of points that waited or were held."""
        return [end for end in self.ends.get((entry.member_id, entry.seq), ()) if end.kind == kind]

    def other(self, entry: Entry) -> Member | None:
        """The other side of a transfer or merge."""
        return self.counterparts.get(entry.counterpart_id or 0)

    def waiting(self, entry: Entry) -> list[Waiting]:
        account = self.accounts.get(entry.member_id)
        return [each for each in account.waiting if each.seq == entry.seq] if account else []

    def is_undone(self, entry: Entry) -> bool:
        """Whether a merge's line took the merge apart."""
        account = self.accounts.get(entry.member_id)
        merges = account.merges if account else ()
        return not any(first <= entry.seq <= last for first, last in merges)


def around(
    entries: Sequence[Entry],
    *,
    accounts: Collection[OnAccount] | None = None,
    also: Iterable[Key] = (),
    announcements: bool = True,
) -> Around:
    """
    Read it in four queries at most, however many entries.

    :param accounts: if they were read already
    :param also: other entries wanted with them
    :param announcements: False where there is no room for when expiries were announced
    """
    if accounts is None:
        accounts = on_accounts({entry.member_id for entry in entries if _is_open(entry)})
    found = {(entry.member_id, entry.seq): entry for entry in _named(entries, also)}
    ends: dict[Key, list[Entry]] = {}
    for entry in found.values():
        if entry.kind in (EntryKind.VEST, EntryKind.REDEEM, EntryKind.RELEASE) and entry.reverses:
            ends.setdefault((entry.member_id, entry.reverses), []).append(entry)
    counterparts = {
        entry.counterpart_id: entry.counterpart
        for entry in entries
        if entry.counterpart_id is not None and Entry.counterpart.is_cached(entry)
    }
    others = {entry.counterpart_id for entry in entries if entry.counterpart_id} - set(counterparts)
    if others:
        counterparts |= Member.objects.only("number", "name").in_bulk(others)
    return Around(
        entries=found,
        ends=ends,
        accounts={account.member_id: account for account in accounts},
        counterparts=counterparts,
        announcements=queries.announcements(
            [entry for entry in entries if entry.kind == EntryKind.EXPIRE and announcements]
        ),
    )


def _is_open(entry: Entry) -> bool:
    """Whether a line may tell of points that still wait, or of a merge."""
    return entry.pending > 0 or entry.kind in BETWEEN


def _named(entries: Sequence[Entry], also: Iterable[Key]) -> Iterable[Entry]:
    """The entries that these name, and those that end them, in one query."""
    seqs: dict[int, set[int]] = {}
    ended: dict[int, set[int]] = {}
    for member_id, seq in [*also, *(key for entry in entries for key in _names(entry))]:
        seqs.setdefault(member_id, set()).add(seq)
    for entry in entries:
        if entry.pending > 0 or entry.kind == EntryKind.HOLD:
            ended.setdefault(entry.member_id, set()).add(entry.seq)
    wanted = Q(pk__in=[])
    for member_id, of_member in seqs.items():
        wanted |= Q(member_id=member_id, seq__in=sorted(of_member))
    for member_id, of_member in ended.items():
        wanted |= Q(member_id=member_id, reverses__in=sorted(of_member))
    return Entry.objects.filter(wanted) if seqs or ended else ()


def _names(entry: Entry) -> Iterable[Key]:
    for seq in {*(entry.lot_seq or ()), *((entry.reverses,) if entry.reverses else ())}:
        yield entry.member_id, seq
    if entry.counterpart_seq is not None and entry.kind not in BETWEEN:
        yield entry.counterpart_id or 0, entry.counterpart_seq
