"""
From rows to members, chunk by chunk: repeatable and resumable.

A chunk is one transaction, and the mark how far the file is done (`MemberImport.rows_done`)
commits with it. So after kill -9 a second start goes on behind the last chunk, and two starts at
once cannot both do the same one. A row is known again by whom it brought (`BroughtMember`,
`BroughtProduct`) and by what is a member's alone: external number, phone, product.

Chunks commit in the order of the file, because the first of two rows that are alike wins. While the
database takes one in, a thread reads the next.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils import translation
from django.utils.timezone import localdate
from django.utils.translation import gettext as _now

from campaigns import gifts
from campaigns.importing import ImportRunning
from campaigns.member_files.mapping import InvalidMapping
from campaigns.member_files.mapping import Mapping as ColumnMapping
from campaigns.member_files.reading import (
    DuplicateInFile,
    FurtherPoints,
    Person,
    Problem,
    Read,
    Reader,
    Terms,
)
from campaigns.models import BroughtMember, BroughtProduct, MemberImport
from common.errors import DomainError
from common.postgres import copying, races
from common.tables import Row, Table
from members import attributes
from members import operations as members
from members import queries as members_queries
from members.models import TagSource
from members.queries import Identity
from partners.models import Organization, OrganizationKind, Store
from points import operations as points
from points.models import EntryKind, PointType
from programme import queries as programme
from programme.policies import NEVER
from tiers import operations as tiers

# Rows per transaction: enough to share its statements, few enough to be done in a second.
CHUNK_ROWS = 2_000

# Called with what was found in a chunk before the chunk commits.
Note = Callable[[Sequence[Read]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    A file, how it is read, and what its members get.

    :param organization: whose external numbers they are
    :param active: else they are pre-registered until they prove who they are
    """

    table: Table
    mapping: ColumnMapping
    organization: Organization
    terms: Terms
    active: bool = False
    tags: Sequence[str] = ()

    def digest(self) -> str:
        """Names the import: the same file read in the same way. Another reading is another."""
        terms = {name: str(value) for name, value in asdict(self.terms).items()}
        reading = json.dumps(
            [
                self.table.digest(), self.mapping.canonical(), self.organization.pk, terms,
                self.active, sorted(self.tags),
            ]
        )  # fmt: skip
        return hashlib.sha256(reading.encode()).hexdigest()

    def require_sense(self) -> None:
        """
        :raises UnknownColumns: :raises AmbiguousColumn: if the file has not the columns
        :raises InvalidMapping: if spend is told and worth nothing, or the other way round
        :raises InvalidTag: :raises TooManyTags: if so
        """
        self.table.positions(self.mapping.columns.values())
        if ("spend" in self.mapping.columns) != (self.terms.rate is not None):
            raise InvalidMapping(why=_now("spend needs a rate of points, and a rate needs spend"))
        members.read_tags(",".join(self.tags))


@dataclass(slots=True)
class Report:
    """
    What became of rows. `up_to` is the number of the last one, as a spreadsheet counts.

    `further` rows told of another product of somebody an earlier row brought. `known` were members
    before, or came with this row before. `codes` counts problems by code: a row may have several;
    `warned` are those of them the operator let pass.
    """

    up_to: int = 1
    rows: int = 0
    brought: int = 0
    further: int = 0
    known: int = 0
    refused: int = 0
    points: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    warned: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Report") -> None:
        self.up_to = other.up_to
        for name in ("rows", "brought", "further", "known", "refused", "points"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.codes.update(other.codes)
        self.warned.update(other.warned)

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return told | {"codes": dict(self.codes), "warned": dict(self.warned)}

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Report":
        """What `as_json` made of one."""
        report = cls(**document)
        report.codes, report.warned = Counter(report.codes), Counter(report.warned)
        return report


def begin(*, plan: Plan, again: bool, now: datetime) -> MemberImport:
    """Return the run of a file that stays where it is, as far as an earlier start has come."""
    run, _created = MemberImport.objects.get_or_create(
        digest=plan.digest(),
        defaults={
            "name": plan.table.path.name[:200],
            "state": "RUNNING",
            "is_kept": False,
            "organization": plan.organization,
            "store_id": plan.terms.store_id,
            "mapping": plan.mapping.as_json(),
            "is_active": plan.active,
            "tags": list(plan.tags),
            "points": plan.terms.points,
            "rate": plan.terms.rate,
            "rows": plan.table.total,
            "created_at": now,
            "started_at": now,
        },
    )
    if again:
        MemberImport.objects.filter(pk=run.pk).update(
            state="RUNNING", rows_done=0, report={}, finished_at=None
        )
        run.refresh_from_db()
    return run


def bring(
    *,
    plan: Plan,
    run: MemberImport,
    clock: Callable[[], datetime],
    note: Note,
    lease: Callable[[], datetime | None] = lambda: None,
) -> Iterator[Report]:
    """
    Bring what is left of a run, yielding a report after each chunk that was committed.

    :param lease: until when the run is ours if we are not heard of any more
    :raises ImportRunning: if another process does the same import at this moment
    """
    assert run.started_at is not None, "campaigns_memberimport_has_begun"
    bringer = _Bringer(plan, run.started_at, run)
    for reads in _read_ahead(bringer, _chunks(plan.table.rows(), behind=run.rows_done)):
        yield _committed(bringer, reads, note, lease)
    MemberImport.objects.filter(pk=run.pk, rows_done=run.rows_done).update(
        state="DONE", finished_at=clock(), leased_until=None
    )


def check(*, plan: Plan, now: datetime, note: Note) -> Iterator[Report]:
    """
    Tell what `bring` would do from the first row on, and write nothing.

    What is a member's alone is remembered from each row of the file, about 200 bytes.
    """
    bringer = _Bringer(plan, now)
    for reads in _read_ahead(bringer, _chunks(plan.table.rows(), behind=0)):
        sifted = bringer.sifted(reads)
        note(reads)
        yield sifted.report


def preview(*, plan: Plan, now: datetime, rows: int) -> list[Read]:
    """The first rows, each with what it would come to."""
    bringer = _Bringer(plan, now)
    reads = bringer.read(list(islice(plan.table.rows(), rows)))
    bringer.sifted(reads)
    return reads


def _chunks(rows: Iterable[Row], *, behind: int) -> Iterator[list[Row]]:
    left = (row for row in rows if row.number - 1 > behind)
    while chunk := list(islice(left, CHUNK_ROWS)):
        yield chunk


def _read_ahead(bringer: "_Bringer", chunks: Iterator[list[Row]]) -> Iterator[list[Read]]:
    """Read a chunk in a thread while whoever asks for them is busy with the one before."""
    language = translation.get_language()

    def following() -> list[Read]:
        with translation.override(language):  # a thread begins with the default
            return bringer.read(next(chunks, []))

    with ThreadPoolExecutor(max_workers=1) as pool:
        reads = pool.submit(following).result()
        while reads:
            coming = pool.submit(following)
            yield reads
            reads = coming.result()


def _committed(
    bringer: "_Bringer", first: list[Read], note: Note, lease: Callable[[], datetime | None]
) -> Report:
    """Bring a chunk and mark it done, in one transaction; once more if it lost a race."""
    run = bringer.run
    assert run is not None, "only a run brings anybody"
    rows = [read.row for read in first]
    done = rows[-1].number - 1
    fresh = [first]

    def post() -> tuple[Report, dict[str, Any]]:
        # What was refused the first time may be good now, or the other way round.
        reads = fresh.pop() if fresh else bringer.read(rows)
        with transaction.atomic(durable=True):
            _claim(run, done, lease())
            sifted = bringer.sifted(reads)
            bringer.bring(sifted)
            total = Report.of(run.report)
            total.add(sifted.report)
            document = total.as_json()
            MemberImport.objects.filter(pk=run.pk).update(report=document)
            note(reads)
        return sifted.report, document

    report, run.report = races.until_won(post, lost=_was_lost)
    run.rows_done = done
    return report


def _claim(run: MemberImport, done: int, leased_until: datetime | None) -> None:
    # First in the transaction: a second import waits here, then sees that it came too late.
    mine = MemberImport.objects.filter(pk=run.pk, rows_done=run.rows_done, state="RUNNING")
    if not mine.update(rows_done=done, leased_until=leased_until):
        run.refresh_from_db()
        raise ImportRunning(row=run.rows_done + 1)


def _was_lost(error: Exception) -> bool:
    # Somebody became a member a moment ago, with the same phone or the like: now we see them.
    taken = (members.PhoneTaken, members.ExternalNumberTaken, members.ProductTaken)
    return isinstance(error, taken) or races.was_lost(error)


# --- One chunk ------------------------------------------------------------------------------------

# What is one member's alone: the field, and how it is told here.
_Key = tuple[str, str | bytes]


@dataclass(frozen=True, slots=True)
class _Further:
    """A row that tells of another product of somebody whom an earlier row of the file brought."""

    person: Person
    first_row: int
    # None: the earlier row stands in the same chunk, or nobody is brought.
    member_id: int | None


@dataclass(slots=True)
class _Sifted:
    """Who is to be brought of a chunk, and what they own besides."""

    report: Report
    people: list[Person] = field(default_factory=list)
    further: list[_Further] = field(default_factory=list)


class _Bringer:
    """
    Brings the rows of one file.

    :param run: None: nobody is brought, and what earlier rows have is remembered instead
    """

    def __init__(self, plan: Plan, now: datetime, run: MemberImport | None = None) -> None:
        self.run = run
        self._plan = plan
        self._now = now
        self._rulebook = programme.rulebook_on(localdate(now))
        self._reader = Reader(
            mapping=plan.mapping,
            positions=plan.table.positions(plan.mapping.columns.values()),
            definitions=attributes.defined(),
            stores=_stores(plan.organization),
            tags=members.read_tags(",".join(plan.tags)),
            terms=plan.terms,
            policies=self._rulebook.policies,
            now=now,
            today=localdate(now),
        )
        self._columns = self._reader.columns()
        self._seen = _Seen()

    def read(self, rows: Iterable[Row]) -> list[Read]:
        return [self._reader.read(row, self._columns) for row in rows]

    def sifted(self, reads: Sequence[Read]) -> _Sifted:
        """Part those to bring from who is a member already; refuse what belongs to another."""
        sifted = _Sifted(Report(up_to=reads[-1].row.number, rows=len(reads)) if reads else Report())
        keys = {id(read): _keys(read.person) for read in reads if read.person}
        known = _Known(
            self._plan.organization, self.run, reads, [key for of in keys.values() for key in of]
        )
        seen = _Seen() if self.run else self._seen
        for read in reads:
            if read.person is None:
                continue
            of = keys[id(read)]
            if known.is_same(read.row, of):
                sifted.report.known += 1
            elif first := _first_row(read.person, of, known, seen):
                self._take_further(read, first, sifted, known, seen)
            else:
                _take(read, of, sifted, known, seen)
        _count(sifted.report, reads)
        sifted.report.brought = len(sifted.people)
        sifted.report.further = len(sifted.further)
        sifted.report.points = sum(person.points for person in sifted.people)
        return sifted

    def _take_further(
        self, read: Read, first_row: int, sifted: _Sifted, known: "_Known", seen: "_Seen"
    ) -> None:
        person = read.person
        assert person is not None, "a good row has a person"
        assert person.historic.product is not None, "it tells of a product"
        if person.points != self._plan.terms.points:
            read.refuse("", FurtherPoints(row=first_row))
            return
        seen.rows[hash(("product", person.historic.product.identifier))] = read.row.number
        sifted.further.append(_Further(person, first_row, known.brought_by_row.get(first_row)))

    def bring(self, sifted: _Sifted) -> None:
        """Make members of them, with tags, products and points; inside a transaction."""
        run = self.run
        assert run is not None, "only a run brings anybody"
        people = sifted.people
        identities = members.enroll_historic(
            people=[person.historic for person in people],
            organization_id=self._plan.organization.pk,
            active=self._plan.active,
            now=self._now,
            by=run.created_by,
            reason=str(run),
        )
        pairs = list(zip(people, identities, strict=True))
        copying.insert(
            BroughtMember,
            {
                "row": [person.row.number for person in people],
                "member_id": [identity.id for identity in identities],
            },
            same={"run_id": run.pk},
        )
        own = [(person, who.id) for person, who in pairs]
        further = self._bind_further(sifted.further, {each.row.number: who for each, who in own})
        self._tag([*own, *further])
        self._grant([(person.points, who) for person, who in pairs if person.points])
        owners = [who for person, who in (*own, *further) if person.historic.product]
        if owners:
            tiers.start_many_by_products(member_ids=owners, at=self._now)

    def _bind_further(
        self, further: Sequence[_Further], brought: dict[int, int]
    ) -> list[tuple[Person, int]]:
        """
        Give members what further rows say they own.

        :param brought: whom the rows of the chunk brought
        """
        if not further:
            return []
        assert self.run is not None, "only a run brings anybody"
        owners = [each.member_id or brought[each.first_row] for each in further]
        bound = [
            (owner, each.person.historic.product)
            for owner, each in zip(owners, further, strict=True)
            if each.person.historic.product
        ]
        copying.insert(
            BroughtProduct,
            {
                "row": [each.person.row.number for each in further],
                "product_id": members.bind_historic(products=bound),
            },
            same={"run_id": self.run.pk},
        )
        return [(each.person, owner) for owner, each in zip(owners, further, strict=True)]

    def _tag(self, pairs: Sequence[tuple[Person, int]]) -> None:
        names: dict[int, list[str]] = {}
        for person, member_id in pairs:
            if person.tags:
                names.setdefault(member_id, []).extend(person.tags)
        if names:
            members.tag_many(names=names, source=TagSource.IMPORT, at=self._now)

    def _grant(self, given: Sequence[tuple[int, Identity]]) -> None:
        if not given:
            return
        outcomes = points.grant(
            grants=self._starting(given),
            source=gifts.our_source(self._rulebook),
            type=PointType.INITIAL,
            rolls=self._rulebook.policies.validity.counts(EntryKind.EARN),
            by=self.run.created_by if self.run else None,
        )
        for outcome in outcomes:
            if isinstance(outcome, DomainError):
                raise outcome  # nothing of the chunk is kept; no row can cause it

    def _starting(self, given: Sequence[tuple[int, Identity]]) -> list[points.Grant]:
        policies, day = self._rulebook.policies, localdate(self._now)
        # M3: the points wait with their member, as those of purchases do.
        waits = policies.clock_from_activation and not self._plan.active
        expires_on = NEVER if waits else policies.validity.last_day(day)
        lapses_on = None if waits else policies.validity.account_last_day(day)
        return [
            points.Grant(
                member=who,
                points=worth,
                # One beginning for each member, however often a file comes.
                reference=f"start:{who.number}",
                at=self._now,
                expires_on=expires_on,
                lapses_on=lapses_on,
            )
            for worth, who in given
        ]


def _stores(organization: Organization) -> dict[str, int]:
    """The stores members of its file may belong to: the brand's file tells of all."""
    stores = Store.objects.all()
    if organization.kind != OrganizationKind.BRAND:
        stores = stores.filter(organization=organization)
    return dict(stores.values_list("code", "pk"))


def _keys(person: Person) -> list[_Key]:
    historic = person.historic
    keys: list[_Key] = []
    if historic.external_number:
        keys.append(("external_number", historic.external_number))
    if historic.profile.phone:
        keys.append(("phone", members_queries.phone_index(historic.profile.phone)))
    if historic.product:
        keys.append(("product", historic.product.identifier))
    return keys


@dataclass(slots=True)
class _Seen:
    """Which row of the file has what is a member's alone: by the hash of it."""

    rows: dict[int, int] = field(default_factory=dict)

    def refusal(self, key: _Key) -> DomainError | None:
        row = self.rows.get(hash(key))
        return None if row is None else DuplicateInFile(row=row)


def _take(read: Read, keys: Sequence[_Key], sifted: _Sifted, known: "_Known", seen: _Seen) -> None:
    """Bring the person of a row, unless something of theirs is another's."""
    assert read.person is not None, "a good row has a person"
    person = read.person
    for key in keys:
        if refusal := known.refusal(key) or seen.refusal(key):
            read.refuse(key[0], refusal)
    if read.person is not None:
        seen.rows.update((hash(key), read.row.number) for key in keys)
        sifted.people.append(person)


def _first_row(person: Person, keys: Sequence[_Key], known: "_Known", seen: _Seen) -> int | None:
    """
    The row that brings the customer of this one, if this tells of another product of theirs.

    Its phone, if it has one, must be the customer's: nothing a row says is swallowed.
    """
    product = person.historic.product
    if not person.historic.external_number or product is None:
        return None
    owned: _Key = ("product", product.identifier)
    if known.refusal(owned) or seen.refusal(owned):
        return None
    rows = {known.row_of(key) or seen.rows.get(hash(key)) for key in keys if key != owned}
    return rows.pop() if len(rows) == 1 else None


def _count(report: Report, reads: Iterable[Read]) -> None:
    for read in reads:
        # A code once for a row, however many of its cells have it.
        refusing = {each.refusal.code for each in read.problems if each.refuses}
        report.refused += bool(refusing)
        report.codes.update(refusing)
        report.warned.update({each.refusal.code for each in read.problems if not each.refuses})


class _Known:
    """Who has what is one member's alone, in one query for a chunk, or four if anybody has."""

    _TAKEN: dict[str, type[DomainError]] = {
        "external_number": members.ExternalNumberTaken,
        "phone": members.PhoneTaken,
        "product": members.ProductTaken,
    }

    def __init__(
        self,
        organization: Organization,
        run: MemberImport | None,
        reads: Sequence[Read],
        keys: Collection[_Key],
    ) -> None:
        def of(name: str) -> list[Any]:
            return [value for field_, value in keys if field_ == name]

        self._owners: dict[_Key, int] = members_queries.owners(
            organization_id=organization.pk,
            external_numbers=of("external_number"),
            phone_indexes=of("phone"),
            identifiers=of("product"),
        )
        # Whom a row of this file brought, and which row brought whom.
        self.brought_by_row: dict[int, int] = {}
        self._rows: dict[int, int] = {}
        # Further products by the row that brought them, and the other way round.
        self._further_rows: set[int] = set()
        self._rows_of_products: dict[_Key, int] = {}
        if run is not None and self._owners:
            self._look_back(run, reads)

    def _look_back(self, run: MemberImport, reads: Sequence[Read]) -> None:
        brought = BroughtMember.objects.filter(run=run, member__in=set(self._owners.values()))
        self._rows = dict(brought.values_list("member_id", "row"))
        self.brought_by_row = {row: member_id for member_id, row in self._rows.items()}
        if not self._rows:
            return
        further = BroughtProduct.objects.filter(run=run)
        chunk = further.filter(row__range=(reads[0].row.number, reads[-1].row.number))
        self._further_rows = set(chunk.values_list("row", flat=True))
        owned = [value for field_, value in self._owners if field_ == "product"]
        found = further.filter(product__identifier__in=owned, product__owned_until=None)
        self._rows_of_products = {
            ("product", identifier): row
            for identifier, row in found.values_list("product__identifier", "row")
        }

    def is_same(self, row: Row, keys: Iterable[_Key]) -> bool:
        """Whether the row's person is a member: by the row itself, or by the external number."""
        if row.number in self._further_rows:
            return True
        owners = [(key, self._owners[key]) for key in keys if key in self._owners]
        if any(self._rows.get(owner) == row.number for _key, owner in owners):
            return True
        return any(key[0] == "external_number" and owner not in self._rows for key, owner in owners)

    def row_of(self, key: _Key) -> int | None:
        """Which row of this file brought what has it, in an earlier chunk."""
        owner = self._owners.get(key)
        return None if owner is None else self._rows_of_products.get(key, self._rows.get(owner))

    def refusal(self, key: _Key) -> DomainError | None:
        if key not in self._owners:
            return None
        row = self.row_of(key)
        return self._TAKEN[key[0]]() if row is None else DuplicateInFile(row=row)


def refusing(reads: Iterable[Read]) -> list[tuple[Row, list[Problem]]]:
    """The rows that are refused, each with all that is wrong with it."""
    return [
        (read.row, read.problems)
        for read in reads
        if any(problem.refuses for problem in read.problems)
    ]
