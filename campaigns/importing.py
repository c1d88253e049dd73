"""
Purchases from a file: chunk by chunk, repeatable, resumable.

A chunk is one transaction; the mark how far the file is done (`ImportRun.rows_done`) commits with
it. So after kill -9 a second start goes on behind the last chunk, and two starts at once cannot
both do the same one. What makes a purchase the same is its reference, never its content: two
equal rows with two references are two purchases.

A chunk is posted set by set, in the order of the file. The accounts are held in the order of member
ids, as the night holds them, so that the import, the night and other imports wait for each other
instead of deadlocking.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from itertools import islice

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaigns import cells, operations
from campaigns.earning import Line
from campaigns.models import ImportRun
from campaigns.operations import Purchase
from common.errors import DomainError
from common.postgres import races
from common.tables import Row, Table
from members import operations as members
from members import queries as members_queries
from members.numbers import looks_like_one
from members.queries import Identity, UnknownMember
from partners.models import Store
from points import operations as points
from points import queries as points_queries
from points.models import Activity

# Purchases per transaction: enough to share the commit, few enough not to keep a till waiting.
CHUNK_ROWS = 500
# What a file must tell of each purchase, and what it may.
REQUIRED = ("reference", "member", "amount", "at")
OPTIONAL = ("category", "product", "channel")


class ImportRunning(DomainError):
    code = "import_running"
    message = _("Another import of this file is running; it has gone on behind row %(row)s.")


Refusal = tuple[Row, DomainError]
# Called with a chunk's refusals before the chunk commits.
Note = Callable[[Sequence[Refusal]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A file, what its columns mean, and for whom it is read."""

    table: Table
    # Field (`reference` …) → the column's name.
    columns: dict[str, str]
    store: Store
    enroll: bool

    def digest(self) -> str:
        """Names the import: the same file read in the same way. Another reading is another."""
        reading = json.dumps([self.table.digest(), sorted(self.columns.items()), self.enroll])
        return hashlib.sha256(reading.encode()).hexdigest()


@dataclass(slots=True)
class Report:
    """What became of rows. `up_to` is the number of the last one, as a spreadsheet counts."""

    up_to: int = 1
    rows: int = 0
    posted: int = 0
    repeated: int = 0
    enrolled: int = 0
    points: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Report") -> None:
        self.up_to = other.up_to
        for name in ("rows", "posted", "repeated", "enrolled", "points"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.refused.update(other.refused)


def begin(*, plan: Plan, again: bool) -> ImportRun:
    """Return the run of this import, as far as an earlier start has come unless `again`."""
    run, _created = ImportRun.objects.get_or_create(digest=plan.digest(), store=plan.store)
    if again:
        ImportRun.objects.filter(pk=run.pk).update(
            rows_done=0, posted=0, repeated=0, refused=0, finished_at=None
        )
        run.refresh_from_db()
    return run


def import_purchases(*, plan: Plan, run: ImportRun, now: datetime, note: Note) -> Iterator[Report]:
    """
    Post what is left of a run, yielding a report after each chunk that was committed.

    :raises ImportRunning: if another process does the same import at this moment
    """
    positions = plan.table.positions(plan.columns.values())
    for rows in _chunks(plan.table.rows(), behind=run.rows_done):
        chunk = _Chunk(plan, positions, rows, now)
        yield _committed(chunk, run, note)
    ImportRun.objects.filter(pk=run.pk).update(finished_at=timezone.now())


def check_purchases(*, plan: Plan, now: datetime, note: Note) -> Iterator[Report]:
    """
    Tell what `import_purchases` would do from the first row on, and write nothing.

    It takes no locks, so a till never waits for it. References within the file are remembered,
    about 150 bytes each.
    """
    positions = plan.table.positions(plan.columns.values())
    seen = _Seen()
    for rows in _chunks(plan.table.rows(), behind=0):
        chunk = _Chunk(plan, positions, rows, now)
        report = chunk.foretell(seen)
        note(chunk.refusals)
        yield report


def _chunks(rows: Iterable[Row], *, behind: int) -> Iterator[list[Row]]:
    left = (row for row in rows if _rows_up_to(row) > behind)
    while chunk := list(islice(left, CHUNK_ROWS)):
        yield chunk


def _rows_up_to(row: Row) -> int:
    """How many rows below the header are done when this one is."""
    return row.number - 1


def _committed(chunk: "_Chunk", run: ImportRun, note: Note) -> Report:
    """Post a chunk and mark it done, in one transaction; once more if it lost a race for locks."""
    done = _rows_up_to(chunk.rows[-1])

    def post() -> Report:
        items = chunk.judged()  # half of the work, and nobody need wait for it
        with transaction.atomic(durable=True):
            _claim(run, done)
            report = chunk.post(items)
            ImportRun.objects.filter(pk=run.pk).update(
                posted=F("posted") + report.posted,
                repeated=F("repeated") + report.repeated,
                refused=F("refused") + report.refused.total(),
            )
            note(chunk.refusals)
        return report

    report = races.until_won(post, lost=_was_lost)
    run.rows_done = done
    return report


def _claim(run: ImportRun, done: int) -> None:
    # First in the transaction: a second import waits here, then sees that it came too late.
    mine = ImportRun.objects.filter(pk=run.pk, rows_done=run.rows_done)
    if not mine.update(rows_done=done):
        run.refresh_from_db()
        raise ImportRunning(row=run.rows_done + 1)


def _was_lost(error: Exception) -> bool:
    # Another import enrolled this customer a moment ago: now we find them.
    return isinstance(error, members.ExternalNumberTaken) or races.was_lost(error)


# --- One chunk ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """What a row says, before anybody asked who the member is."""

    row: Row
    member: str
    reference: str
    at: datetime
    amount: Decimal
    lines: Sequence[Line]
    channel: str


@dataclass(slots=True)
class _Item:
    """A row that was judged and found good. `member` is what the file calls the member."""

    row: Row
    member: str
    purchase: Purchase
    judged: points.JudgedPurchase

    @property
    def reference(self) -> str:
        return self.purchase.reference

    @property
    def is_newcomer(self) -> bool:
        return self.purchase.member is _NOBODY_YET

    @property
    def who(self) -> int | str:
        return self.member if self.is_newcomer else self.purchase.member.id

    def belongs_to(self, identity: Identity) -> None:
        """Put in the member: the judgement did not need to know who it is, the fingerprint does."""
        self.purchase = replace(self.purchase, member=identity)
        self.judged = replace(self.judged, member=identity, fingerprint=self.purchase.fingerprint())


# Stands for somebody who will be enrolled if the row is good.
_NOBODY_YET = Identity(0, "", "ACTIVE")


@dataclass(slots=True)
class _Seen:
    """What a dry run remembers of the file: reference → content, and who would be enrolled."""

    contents: dict[int, int] = field(default_factory=dict)
    newcomers: set[int] = field(default_factory=set)


class _Chunk:
    def __init__(
        self, plan: Plan, positions: dict[str, int], rows: Sequence[Row], now: datetime
    ) -> None:
        self.rows = rows
        self.refusals: list[Refusal] = []
        self._plan = plan
        self._now = now
        self._positions = {name: positions[column] for name, column in plan.columns.items()}
        self._issuer_id = plan.store.organization_id
        self._source = points.Source(issuer_id=self._issuer_id, store_id=plan.store.pk)

    def post(self, items: list[_Item]) -> Report:
        """Post what `judged` found good, in a transaction; after a rollback, judge anew."""
        report = Report()
        report.enrolled, items = self._enrolled(items)
        outcomes = operations.post_many(
            purchases=[item.purchase for item in items],
            already=[item.judged for item in items],
            now=self._now,
        )
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, DomainError):
                self._refuse(item.row, outcome)
            else:
                _count(report, outcome.points, was_posted_before=outcome.replayed)
        return self._finished(report)

    def foretell(self, seen: _Seen) -> Report:
        """Say what `post` would answer, from what the journal holds and the file said before."""
        items = self.judged()
        report = Report()
        journal = points_queries.purchases(
            issuer_id=self._issuer_id, references={item.reference for item in items}
        )
        for item in items:
            try:
                before = _was_posted_before(item, journal.get(item.reference), seen)
            except points.ReferenceReused as refusal:
                self._refuse(item.row, refusal)
                continue
            _count(report, item.judged.points, was_posted_before=before)
            if item.is_newcomer and hash(item.member) not in seen.newcomers:
                seen.newcomers.add(hash(item.member))
                report.enrolled += 1
        return self._finished(report)

    def _finished(self, report: Report) -> Report:
        self.refusals.sort(key=lambda refusal: refusal[0].number)
        report.up_to = self.rows[-1].number
        report.rows = len(self.rows)
        report.refused = Counter(refusal.code for _row, refusal in self.refusals)
        return report

    def _refuse(self, row: Row, refusal: DomainError) -> None:
        self.refusals.append((row, refusal))

    # --- From rows to judged purchases

    def judged(self) -> list[_Item]:
        """Read, identify and judge; what is refused on the way goes to `refusals`."""
        self.refusals = []
        drafts = []
        for row in self.rows:
            try:
                drafts.append(self._read(row))
            except DomainError as refusal:
                self._refuse(row, refusal)
        known = members_queries.identify_many_in_file(
            {draft.member for draft in drafts}, organization_id=self._issuer_id
        )
        found = []
        for draft in drafts:
            try:
                found.append((draft, self._purchase(draft, known.get(draft.member))))
            except DomainError as refusal:
                self._refuse(draft.row, refusal)
        judged = operations.judged_many(
            purchases=[purchase for _draft, purchase in found], now=self._now
        )
        items = []
        for (draft, purchase), answer in zip(found, judged, strict=True):
            if isinstance(answer, DomainError):
                self._refuse(draft.row, answer)
            else:
                items.append(_Item(draft.row, draft.member, purchase, answer))
        return items

    def _read(self, row: Row) -> _Draft:
        member = self._cell(row, "member")
        if not cells.names_a_customer(member):
            raise UnknownMember
        amount = cells.amount(self._cell(row, "amount"))
        category, product = self._cell(row, "category"), self._cell(row, "product")
        return _Draft(
            row=row,
            member=member,
            reference=self._cell(row, "reference"),
            at=cells.moment(self._cell(row, "at")),
            amount=amount,
            lines=[Line("1", category, amount, product)] if category or product else (),
            channel=self._cell(row, "channel"),
        )

    def _cell(self, row: Row, name: str) -> str:
        position = self._positions.get(name)
        if position is None:
            return ""
        if position in row.faults:
            raise row.faults[position]
        return row.cells[position].strip()

    def _purchase(self, draft: _Draft, identity: Identity | None) -> Purchase:
        if identity is None:
            # One of our own numbers, mistyped or nobody's, is a mistake, not a customer to enroll.
            if not self._plan.enroll or looks_like_one(draft.member):
                raise UnknownMember
            identity = _NOBODY_YET
        identity.require_can_earn()
        return Purchase(
            member=identity,
            reference=draft.reference,
            at=draft.at,
            amount=draft.amount,
            lines=draft.lines,
            channel=draft.channel,
            source=self._source,
        )

    # --- Newcomers

    def _enrolled(self, items: list[_Item]) -> tuple[int, list[_Item]]:
        """Enroll whoever has a purchase that will be posted; tell how many, and what is left."""
        if not any(item.is_newcomer for item in items):
            return 0, items
        items = self._without_taken_references(items)
        first_at: dict[str, datetime] = {}
        for item in items:
            if item.is_newcomer:
                earliest = first_at.get(item.member, item.purchase.at)
                first_at[item.member] = min(earliest, item.purchase.at)
        identities = members.enroll_many(
            newcomers=[
                members.Newcomer(external_number=number, joined_at=at)
                for number, at in first_at.items()
            ],
            organization_id=self._issuer_id,
            store_id=self._plan.store.pk,
        )
        for item in items:
            if item.is_newcomer:
                item.belongs_to(identities[item.member])
        return len(identities), items

    def _without_taken_references(self, items: list[_Item]) -> list[_Item]:
        """Refuse a newcomer's document that is somebody else's already: nobody joins for that."""
        journal = points_queries.purchases(
            issuer_id=self._issuer_id,
            references={item.reference for item in items if item.is_newcomer},
        )
        owners: dict[str, int | str] = {}
        kept = []
        for item in items:
            owner = owners.setdefault(item.reference, item.who)
            if item.is_newcomer and (item.reference in journal or owner != item.who):
                self._refuse(item.row, points.ReferenceReused(reference=item.reference))
            else:
                kept.append(item)
        return kept


def _count(report: Report, worth: int, *, was_posted_before: bool) -> None:
    if was_posted_before:
        report.repeated += 1
    else:
        report.posted += 1
        report.points += worth


def _was_posted_before(item: _Item, first: Activity | None, seen: _Seen) -> bool:
    """:raises points.ReferenceReused: if its reference stands for something else"""
    if first is not None:
        same = bytes(first.fingerprint) == item.judged.fingerprint
    else:
        purchase = item.purchase
        content = hash((item.who, purchase.at, purchase.amount, str(purchase.lines)))
        earlier = seen.contents.get(hash(item.reference))
        if earlier is None:
            seen.contents[hash(item.reference)] = content
            return False
        same = earlier == content
    if not same:
        raise points.ReferenceReused(reference=item.reference)
    return True
