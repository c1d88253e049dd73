"""
Points for many members from one file: read, looked through, approved if large, granted in chunks.

What the file said stands in its rows. A chunk of them is granted in one transaction with what came
of each, so after kill -9 the next worker goes on behind it, and nothing is granted twice.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from django.db import transaction
from django.db.models import F
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import audit, personal, tables
from common.errors import DomainError, Invalid, NotFound
from common.models import Approval, User
from common.personal import NamesSomebody
from common.tables import Row, Table
from members import queries as members
from members.queries import Identity
from points.models import Entry, EntryKind, GrantBatch, GrantBatchState, GrantRow, PointType
from points.operations._by_hand import our_source
from points.operations._funding import funding_by_policy
from points.operations._grants import Grant, grant
from points.operations._posting import (
    POINTS_MAX,
    AccountMerged,
    InvalidNote,
    InvalidReference,
    LapsedAlready,
    PointsOutOfRange,
    Posting,
    ReferenceReused,
    Source,
    require_in_range,
    require_note,
    require_reference,
)
from programme import queries as programme
from programme.policies import NEVER, Policies

ROWS_MAX = 20_000
# Rows per transaction: enough to share the commit, few enough not to keep a till waiting.
CHUNK_ROWS = 500
# The columns, by any of the names people give them.
COLUMNS = {
    "member": ("member", "会员编号", "会员号", "會員編號", "會員號"),
    "points": ("points", "积分", "積分", "點數"),
    "reference": ("reference", "业务单号", "单号", "業務單號", "單號"),
    "reason": ("reason", "原因", "说明", "說明"),
}


class TooManyRows(Invalid):
    code = "too_many_rows"
    message = _("At most %(most)s rows at once; split the file.")


class NothingToGrant(Invalid):
    code = "nothing_to_grant"
    message = _("The file has no rows.")


class DuplicateReference(Invalid):
    code = "duplicate_reference"
    message = _("The reference “%(reference)s” stands in row %(row)s too.")


class BatchNotOpen(DomainError):
    code = "batch_not_open"
    message = _("This was decided already: %(state)s.")


# Every refusal a row may meet, so that its code can be said in words later and in any language.
ROW_REFUSALS: dict[str, type[DomainError]] = {
    refusal.code: refusal
    for refusal in (
        AccountMerged,
        DuplicateReference,
        InvalidNote,
        InvalidReference,
        LapsedAlready,
        NamesSomebody,
        PointsOutOfRange,
        ReferenceReused,
        members.MemberClosed,
        members.MemberFrozen,
        members.UnknownMember,
        tables.Formula,
        tables.ImpreciseNumber,
        tables.RaggedRow,
    )
}


def read_grants(*, path: Path, name: str, at: datetime, by: User) -> GrantBatch:
    """
    Read a CSV or XLSX file with a member number, points, a reference and a reason in each row.

    Nothing is granted yet. Rows that make no sense are kept with what is wrong with them.

    :raises UnreadableTable: :raises UnknownColumns: :raises AmbiguousColumn: if so
    :raises TooManyRows: :raises NothingToGrant: if so
    """
    table = tables.read(path)
    positions = table.positions(_columns(table).values())
    order = [positions[column] for column in _columns(table).values()]
    rows: list[Row] = []
    for row in table.rows():
        if len(rows) == ROWS_MAX:
            raise TooManyRows(most=ROWS_MAX)
        rows.append(row)
    if not rows:
        raise NothingToGrant
    lines = list(_read_rows(rows, order))
    with transaction.atomic():
        batch = GrantBatch.objects.create(
            name=name[:200],
            rows=len(lines),
            points=sum(line.points or 0 for line in lines if not line.outcome),
            refused=sum(1 for line in lines if line.outcome),
            created_at=at,
            created_by=by,
        )
        for line in lines:
            line.batch = batch
        GrantRow.objects.bulk_create(lines, batch_size=1000)
    return batch


def _columns(table: Table) -> dict[str, str]:
    """Which of its names each column has in this file."""
    return {
        field: next((name for name in names if name in table.header), field)
        for field, names in COLUMNS.items()
    }


def _read_rows(rows: Sequence[Row], order: Sequence[int]) -> Iterator[GrantRow]:
    first_rows: dict[str, int] = {}
    for start in range(0, len(rows), CHUNK_ROWS):
        some = rows[start : start + CHUNK_ROWS]
        told = [[row.cells[place].strip() for place in order] for row in some]
        known = members.identify_many({number.upper() for number, *_rest in told})
        taken = _taken({reference for _number, _points, reference, _reason in told})
        for row, cells in zip(some, told, strict=True):
            line = GrantRow(number=row.number, cells=[cell.replace("\0", "␀") for cell in cells])
            try:
                _read(line, cells, _fault(row, order), known)
                _require_new(cells[2], row.number, first_rows, taken)
            except DomainError as refusal:
                _refuse(line, refusal)
            yield line


def _require_new(
    reference: str, row: int, first_rows: dict[str, int], taken: Collection[str]
) -> None:
    """:raises DuplicateReference: :raises ReferenceReused: if it is in the file, or the ledger"""
    if reference in first_rows:
        raise DuplicateReference(reference=reference, row=first_rows[reference])
    first_rows[reference] = row
    if reference in taken:
        raise ReferenceReused(reference=reference)


def _taken(references: set[str]) -> set[str]:
    """Those that stand for something already."""
    found = Entry.objects.filter(
        issuer_id=our_source().issuer_id, kind=EntryKind.EARN, reference__in=references
    )
    return {str(reference) for reference in found.values_list("reference", flat=True)}


def _fault(row: Row, order: Iterable[int]) -> DomainError | None:
    return next((row.faults[place] for place in order if place in row.faults), None)


def _read(
    line: GrantRow, cells: Sequence[str], fault: DomainError | None, known: dict[str, Identity]
) -> None:
    """Fill in what the cells say; raises what is wrong with them."""
    number, points, reference, reason = cells
    if fault is not None:
        raise fault
    member = known.get(number.upper())
    if member is None:
        raise members.UnknownMember
    if not (points.isascii() and points.isdecimal() and len(points) <= len(str(POINTS_MAX))):
        raise PointsOutOfRange(limit=POINTS_MAX)
    require_in_range(int(points))
    require_reference(reference)
    require_note(reason)
    if not reason:
        raise InvalidNote
    member.require_can_earn()
    line.member_id = member.id
    line.points = int(points)


def _refuse(line: GrantRow, refusal: DomainError) -> None:
    line.outcome = refusal.code
    # It is nobody's row, so no erasure would find what somebody has typed into it.
    line.cells = [personal.without_contacts(cell) for cell in line.cells]
    line.details = {
        name: personal.without_contacts(str(value)) for name, value in refusal.details.items()
    }


def refusal_told(line: GrantRow) -> str:
    """Why a row was refused, in the reader's language; empty for the others."""
    if line.outcome in ("", GrantRow.GRANTED):
        return ""
    refusal = ROW_REFUSALS.get(line.outcome)
    return refusal(**line.details).sentence if refusal else line.outcome


def _open_batch(batch_id: int, *states: GrantBatchState) -> GrantBatch:
    """The batch, held: of two who decide at once, the second finds it decided."""
    batch = GrantBatch.objects.select_for_update(no_key=True).filter(pk=batch_id).first()
    if batch is None:
        raise NotFound
    if batch.state not in states:
        raise BatchNotOpen(state=batch.get_state_display())
    return batch


@transaction.atomic
def start_grants(*, batch_id: int, at: datetime, by: User, reason: str) -> GrantBatch:
    """
    Have the rows that make sense granted, from now on by a worker.

    :raises BatchNotOpen: if it was begun or discarded before
    """
    batch = _open_batch(batch_id, GrantBatchState.READ, GrantBatchState.ASKED)
    batch.state = GrantBatchState.RUNNING
    batch.started_at = at
    batch.save(update_fields=["state", "started_at"])
    audit.record(
        action="points.grants_started",
        target=str(batch)[:128],
        by=by,
        reason=reason,
        details={"batch": batch.pk, "rows": batch.rows - batch.refused, "points": batch.points},
    )
    return batch


@transaction.atomic
def hold_for_approval(*, batch_id: int, approval: Approval) -> GrantBatch:
    """Note that a second person is asked. Asked anew, the later request takes its place."""
    batch = _open_batch(batch_id, GrantBatchState.READ, GrantBatchState.ASKED)
    batch.state = GrantBatchState.ASKED
    batch.approval = approval
    batch.save(update_fields=["state", "approval"])
    return batch


@transaction.atomic
def discard_grants(*, batch_id: int, by: User) -> GrantBatch:
    """
    Put a file aside for good; nothing of it is granted.

    :raises BatchNotOpen: if it was sent for approval, begun or discarded before
    """
    batch = _open_batch(batch_id, GrantBatchState.READ)
    batch.state = GrantBatchState.DISCARDED
    batch.save(update_fields=["state"])
    audit.record(action="points.grants_discarded", target=str(batch)[:128], by=by)
    return batch


def work_on_grants(*, clock: Callable[[], datetime], chunks: int = 100) -> int:
    """
    Grant what files at work still have to do, up to so many chunks. Returns the rows done.

    Another worker meanwhile takes another file, or finds nothing to do.
    """
    done = 0
    for _chunk in range(chunks):
        rows = _next_chunk(clock())
        if rows is None:
            break
        done += rows
    return done


@transaction.atomic
def _next_chunk(now: datetime) -> int | None:
    batch = (
        GrantBatch.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(state=GrantBatchState.RUNNING)
        .order_by("pk")
        .first()
    )
    if batch is None:
        return None
    left = GrantRow.objects.filter(batch=batch, outcome="").order_by("number")
    first = left.first()
    if first is None:
        batch.state = GrantBatchState.DONE
        batch.finished_at = now
        batch.save(update_fields=["state", "finished_at"])
        return 0
    # One reason at a time: it is the note of one call, which holds its accounts in one order.
    rows = list(left.filter(cells__3=first.cells[3])[:CHUNK_ROWS])
    granted = _grant_rows(batch, rows)
    GrantRow.objects.bulk_update(rows, ["outcome", "details", "entry_seq"])
    GrantBatch.objects.filter(pk=batch.pk).update(
        granted=F("granted") + granted, refused=F("refused") + len(rows) - granted
    )
    return len(rows)


def _one(row: GrantRow, member: Identity, policies: Policies, at: datetime) -> Grant:
    day = localdate(at)
    # M3: the points wait with their member, as those of purchases do.
    waits = policies.clock_from_activation and member.is_pre_registered
    return Grant(
        member=member,
        points=row.points or 0,
        reference=row.cells[2],
        at=at,
        expires_on=NEVER if waits else policies.validity.last_day(day),
        lapses_on=None if waits else policies.validity.account_last_day(day),
    )


def _grant_rows(batch: GrantBatch, rows: Sequence[GrantRow]) -> int:
    assert batch.started_at is not None, "points_grantbatch_has_begun"
    at = batch.started_at
    rulebook = programme.rulebook_on(localdate(at))
    policies = rulebook.policies
    known = members.identities_of([row.member_id for row in rows if row.member_id])
    ours = our_source()
    source = Source(
        issuer_id=ours.issuer_id,
        version_id=rulebook.id,
        funding_id=funding_by_policy(policies.funding, store_id=None, issuer_id=ours.issuer_id),
    )
    outcomes = grant(
        grants=[_one(row, known[row.member_id or 0], policies, at) for row in rows],
        source=source,
        type=PointType.OTHER,
        rolls=policies.validity.counts(EntryKind.EARN),
        by=batch.created_by,
        note=rows[0].cells[3],
    )
    for row, outcome in zip(rows, outcomes, strict=True):
        if isinstance(outcome, Posting):
            row.outcome, row.entry_seq = GrantRow.GRANTED, outcome.seq
        else:
            _refuse(row, outcome)
    return sum(isinstance(outcome, Posting) for outcome in outcomes)
