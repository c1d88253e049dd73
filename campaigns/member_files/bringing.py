"""
From rows to members, chunk by chunk: repeatable and resumable.

A chunk is one transaction, and the mark how far the file is done (`MemberImport.rows_done`)
commits with it. So after kill -9 a second start goes on behind the last chunk, and two starts at
once cannot both do the same one. A row is known again by whom it brought (`BroughtMember`) and by
what is a member's alone: external number, phone, product.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext as _now

from campaigns import gifts
from campaigns.importing import ImportRunning
from campaigns.member_files.mapping import InvalidMapping
from campaigns.member_files.mapping import Mapping as ColumnMapping
from campaigns.member_files.reading import (
    DuplicateInFile,
    Person,
    Problem,
    Read,
    Reader,
    Terms,
)
from campaigns.models import BroughtMember, MemberImport
from common.errors import DomainError
from common.postgres import races
from common.tables import Row, Table
from members import attributes
from members import operations as members
from members import queries as members_queries
from members.models import ExternalNumber, PhoneDirectory, Product, TagSource
from members.queries import Identity
from partners.models import Organization, OrganizationKind, Store
from points import operations as points
from points.models import EntryKind, PointType
from programme import queries as programme
from programme.policies import NEVER
from programme.queries import Rulebook

# Rows per transaction: enough to share the commit, few enough not to keep anybody waiting.
CHUNK_ROWS = 500

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

    `known` were members before, or came with this row before. `codes` counts problems by code: a
    row may have several; `warned` are those of them the operator let pass.
    """

    up_to: int = 1
    rows: int = 0
    brought: int = 0
    known: int = 0
    refused: int = 0
    points: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    warned: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Report") -> None:
        self.up_to = other.up_to
        for name in ("rows", "brought", "known", "refused", "points"):
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
    for rows in _chunks(plan.table.rows(), behind=run.rows_done):
        yield _committed(bringer, rows, note, lease)
    MemberImport.objects.filter(pk=run.pk, rows_done=run.rows_done).update(
        state="DONE", finished_at=clock(), leased_until=None
    )


def check(*, plan: Plan, now: datetime, note: Note) -> Iterator[Report]:
    """
    Tell what `bring` would do from the first row on, and write nothing.

    What is a member's alone is remembered from each row of the file, about 200 bytes.
    """
    bringer = _Bringer(plan, now)
    for rows in _chunks(plan.table.rows(), behind=0):
        reads = bringer.read(rows)
        people, report = bringer.sifted(reads)
        report.brought = len(people)
        note(reads)
        yield report


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


def _committed(
    bringer: "_Bringer", rows: Sequence[Row], note: Note, lease: Callable[[], datetime | None]
) -> Report:
    """Bring a chunk and mark it done, in one transaction; once more if it lost a race."""
    run = bringer.run
    assert run is not None, "only a run brings anybody"
    done = rows[-1].number - 1

    def post() -> tuple[Report, dict[str, Any]]:
        reads = bringer.read(rows)  # half of the work, and nobody need wait for it
        with transaction.atomic(durable=True):
            _claim(run, done, lease())
            people, report = bringer.sifted(reads)
            report.brought = len(people)
            bringer.bring(people)
            total = Report.of(run.report)
            total.add(report)
            document = total.as_json()
            MemberImport.objects.filter(pk=run.pk).update(report=document)
            note(reads)
        return report, document

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
            terms=plan.terms,
            policies=self._rulebook.policies,
            now=now,
        )
        self._readers = self._reader.readers()
        # Hash of what is a member's alone → the row that has it.
        self._seen: dict[int, int] = {}

    def read(self, rows: Iterable[Row]) -> list[Read]:
        return [self._reader.read(row, self._readers) for row in rows]

    def sifted(self, reads: Sequence[Read]) -> tuple[list[Person], Report]:
        """
        Part those to bring from who is a member already; refuse what belongs to another.

        :returns: who is to be brought, and a report that does not count them yet
        """
        report = Report(up_to=reads[-1].row.number, rows=len(reads)) if reads else Report()
        keys = {id(read): _keys(read.person) for read in reads if read.person}
        known = _Known(self._plan.organization, self.run, [k for of in keys.values() for k in of])
        seen = {} if self.run else self._seen
        people = []
        for read in reads:
            if read.person is None:
                continue
            if known.is_same(read.row, keys[id(read)]):
                report.known += 1
                continue
            for key in keys[id(read)]:
                if refusal := known.refusal(key) or _seen_before(seen, key):
                    read.refuse(key[0], refusal)
            if read.person is not None:
                seen.update((hash(key), read.row.number) for key in keys[id(read)])
                people.append(read.person)
        _count(report, reads)
        report.points = sum(person.points for person in people)
        return people, report

    def bring(self, people: Sequence[Person]) -> None:
        """Make members of them, with tags and points; inside a transaction."""
        assert self.run is not None, "only a run brings anybody"
        if not people:
            return
        identities = members.enroll_historic(
            people=[person.historic for person in people],
            organization_id=self._plan.organization.pk,
            active=self._plan.active,
            by=self.run.created_by,
            reason=str(self.run),
        )
        BroughtMember.objects.bulk_create(
            BroughtMember(run=self.run, row=person.row.number, member_id=identity.id)
            for person, identity in zip(people, identities, strict=True)
        )
        pairs = list(zip(people, identities, strict=True))
        self._tag(pairs)
        self._grant([(person.points, identity) for person, identity in pairs if person.points])

    def _tag(self, pairs: Sequence[tuple[Person, Identity]]) -> None:
        by_tags: dict[tuple[str, ...], list[int]] = {}
        for person, identity in pairs:
            names = tuple(dict.fromkeys((*self._plan.tags, *person.tags)))
            by_tags.setdefault(names, []).append(identity.id)
        for names, ids in by_tags.items():
            if names:
                members.tag_many(member_ids=ids, names=names, source=TagSource.IMPORT, at=self._now)

    def _grant(self, given: Sequence[tuple[int, Identity]]) -> None:
        if not given:
            return
        outcomes = points.grant(
            grants=[_starting(self._rulebook, worth, who, self._now) for worth, who in given],
            source=gifts.our_source(self._rulebook),
            type=PointType.INITIAL,
            rolls=self._rulebook.policies.validity.counts(EntryKind.EARN),
            by=self.run.created_by if self.run else None,
        )
        for outcome in outcomes:
            if isinstance(outcome, DomainError):
                raise outcome  # nothing of the chunk is kept; no row can cause it


def _starting(rulebook: Rulebook, worth: int, who: Identity, at: datetime) -> points.Grant:
    validity, day = rulebook.policies.validity, localdate(at)
    # M3: the points wait with their member, as those of purchases do.
    waits = rulebook.policies.clock_from_activation and who.is_pre_registered
    return points.Grant(
        member=who,
        points=worth,
        # One beginning for each member, however often a file comes.
        reference=f"start:{who.number}",
        at=at,
        expires_on=NEVER if waits else validity.last_day(day),
        lapses_on=None if waits else validity.account_last_day(day),
    )


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


def _seen_before(seen: dict[int, int], key: _Key) -> DomainError | None:
    row = seen.get(hash(key))
    return None if row is None else DuplicateInFile(row=row)


def _count(report: Report, reads: Iterable[Read]) -> None:
    for read in reads:
        # A code once for a row, however many of its cells have it.
        refusing = {each.refusal.code for each in read.problems if each.refuses}
        report.refused += bool(refusing)
        report.codes.update(refusing)
        report.warned.update({each.refusal.code for each in read.problems if not each.refuses})


class _Known:
    """Who has what is one member's alone, in four queries for a chunk."""

    _TAKEN: dict[str, type[DomainError]] = {
        "external_number": members.ExternalNumberTaken,
        "phone": members.PhoneTaken,
        "product": members.ProductTaken,
    }

    def __init__(
        self, organization: Organization, run: MemberImport | None, keys: Collection[_Key]
    ) -> None:
        def of(name: str) -> list[Any]:
            return [value for field_, value in keys if field_ == name]

        external = ExternalNumber.objects.filter(
            organization=organization, number__in=of("external_number")
        ).values_list("number", "member_id")
        phones = PhoneDirectory.objects.filter(phone_index__in=of("phone")).values_list(
            "phone_index", "member_id"
        )
        owned = Product.objects.filter(identifier__in=of("product"), owned_until=None).values_list(
            "identifier", "member_id"
        )
        self._owners: dict[_Key, int] = {
            **{("external_number", number): member for number, member in external},
            **{("phone", bytes(index)): member for index, member in phones},
            **{("product", identifier): member for identifier, member in owned},
        }
        # Which row of this file brought them.
        self._rows: dict[int, int] = {}
        if run is not None and self._owners:
            brought = BroughtMember.objects.filter(run=run, member__in=self._owners.values())
            self._rows = dict(brought.values_list("member_id", "row"))

    def is_same(self, row: Row, keys: Iterable[_Key]) -> bool:
        """Whether the row's person is a member: by the row itself, or by the external number."""
        owners = [(key, self._owners[key]) for key in keys if key in self._owners]
        if any(self._rows.get(owner) == row.number for _key, owner in owners):
            return True
        return any(key[0] == "external_number" and owner not in self._rows for key, owner in owners)

    def refusal(self, key: _Key) -> DomainError | None:
        if key not in self._owners:
            return None
        row = self._rows.get(self._owners[key])
        return self._TAKEN[key[0]]() if row is None else DuplicateInFile(row=row)


def refusing(reads: Iterable[Read]) -> list[tuple[Row, list[Problem]]]:
    """The rows that are refused, each with all that is wrong with it."""
    return [
        (read.row, read.problems)
        for read in reads
        if any(problem.refuses for problem in read.problems)
    ]
