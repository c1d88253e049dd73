"""
Coupons to the members of a file: read and judged row by row, looked through, issued in pieces.

What was typed into the file is kept nowhere: a row has its number, and the member if there is one.
A piece of rows commits with what came of each, so after kill -9 the next worker goes on behind it;
a row's outcome is final, and a member gets one coupon of a list however often a file names them.
Locks: the list or its run first, then as with a single coupon.
"""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from django.db import connection, transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from benefits.models.coupon_lists import CouponList, CouponRow
from benefits.models.coupons import BatchState, CouponBatch, CouponRun
from benefits.operations.coupons._batches import BatchNotRunning, held
from benefits.operations.coupons._issuing import (
    PIECE,
    BatchExhausted,
    BatchOver,
    for_members,
    give,
    with_room,
)
from benefits.operations.coupons._refusals import MemberLimitReached
from common import audit, personal, tables
from common.errors import DomainError, Invalid, NotFound
from common.fields import blind_index
from common.models import User
from common.postgres import copying
from members import numbers, phones
from members import queries as members
from members.queries import Identity
from points import operations as points

ROWS_MAX = 100_000
# Rows that are looked up at once.
READ_AT_ONCE = 5_000
# What the column of members may be called; a cell is a number or a phone, whatever its name.
COLUMN = (
    *("member", "会员编号", "会员号", "會員編號", "會員號"),
    *("phone", "手机", "手机号", "手機", "手機號"),
)
# What a sentence needs of a row; numbers all. The rest of it is the member's, or the batch's.
_KEPT = ("row", "cells", "columns")


class NoMemberColumn(Invalid):
    """Without what the first row says: in a file without a header that is somebody's phone."""

    code = "no_member_column"
    message = _("The first row must name one column “member” or “phone”, and only one of them.")


class ListTooLong(Invalid):
    code = "coupon_list_too_long"
    message = _("At most %(most)s rows at once; split the file.")


class NothingToIssue(Invalid):
    code = "nothing_to_issue"
    message = _("The file has no row for which a coupon can be issued.")


class UnknownList(NotFound):
    code = "unknown_coupon_list"
    message = _("There is no such list of members.")


class MemberMissing(Invalid):
    code = "member_missing"
    message = _("The row names no member.")


class MemberTwice(Invalid):
    code = "member_twice"
    message = _("The member stands in row %(row)s already.")


# Every refusal a row may meet, so that its code can be said in words later and in any language.
ROW_REFUSALS: dict[str, type[DomainError]] = {
    refusal.code: refusal
    for refusal in (
        BatchExhausted,
        BatchNotRunning,
        BatchOver,
        MemberLimitReached,
        MemberMissing,
        MemberTwice,
        members.MemberClosed,
        members.MemberFrozen,
        members.MemberNotActivated,
        members.UnknownMember,
        tables.Formula,
        tables.ImpreciseNumber,
        tables.RaggedRow,
    )
}


# --- Reading --------------------------------------------------------------------------------------


def read_list(*, batch_id: int, path: Path, name: str, at: datetime, by: User) -> CouponList:
    """
    Read a CSV or XLSX file with a member number or a phone in each row, and judge each row.

    Nothing is issued yet. Rows that are refused are kept with why, and without what they say.

    :param name: what staff call the file
    :raises UnknownBatch: :raises BatchNotRunning: :raises BatchOver: :raises NotForMembers: if so
    :raises NoMemberColumn: :raises ListTooLong: :raises NothingToIssue: if it has no rows at all
    :raises common.tables.UnreadableTable: if it is no table, or in another encoding
    """
    batch = for_members(batch_id, at=at)
    _refuse_nul(path)
    table = tables.read(path, encoding=tables.encoding_of(path) or None)
    cells = list(_cells(table, _place(table)))
    if not cells:
        raise NothingToIssue
    rows = list(_judged(batch, cells))
    with transaction.atomic():
        made = CouponList.objects.create(
            batch=batch,
            name=personal.without_contacts(name)[:200],
            fingerprint=blind_index(table.digest(), purpose="benefits.coupon_lists"),
            rows=len(rows),
            refused=sum(1 for row in rows if row.outcome),
            created_at=at,
            created_by=by,
        )
        columns = ("number", "member_id", "outcome", "details")
        copying.insert(
            CouponRow,
            {column: [getattr(row, column) for row in rows] for column in columns},
            same={"list_id": made.pk},
        )
        audit.record(
            action="coupon_batch.list_read", target=batch.code, by=by,
            details={"list": made.pk, "rows": made.rows, "refused": made.refused},
        )  # fmt: skip
    return made


def _refuse_nul(path: Path) -> None:
    """:raises tables.UnreadableTable: if it is a CSV with NUL in it: no text, or cut off"""
    if tables.encoding_of(path) not in tables.ENCODINGS:
        return
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            if b"\0" in block:
                problem = gettext("it holds NUL characters, which no text does.")
                raise tables.UnreadableTable(file=path.name, problem=problem)


def _place(table: tables.Table) -> int:
    known = [place for place, name in enumerate(table.header) if name.lower() in COLUMN]
    if len(known) != 1:
        raise NoMemberColumn
    return known[0]


def _cells(table: tables.Table, place: int) -> Iterator[tuple[int, str | DomainError]]:
    """Of each row its number, and who it names or why that cannot be told."""
    for count, row in enumerate(table.rows(), start=1):
        if count > ROWS_MAX:
            raise ListTooLong(most=ROWS_MAX)
        yield row.number, row.faults.get(place) or _named(row.cells[place])


def _named(cell: str) -> str | DomainError:
    """A member number in capitals, a normalized phone, or why it is neither."""
    text = cell.strip()
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if not text:
        return MemberMissing()
    # A phone with its country begins like a formula too.
    if text.startswith(tables.FORMULA_STARTS) and not (text[0] == "+" and text[1:2].isdigit()):
        return tables.Formula()
    if numbers.looks_like_one(text.upper()):
        return text.upper()
    try:
        return phones.normalize(text)
    except phones.InvalidPhone:
        return members.UnknownMember()


def _judged(
    batch: CouponBatch, cells: Sequence[tuple[int, str | DomainError]]
) -> Iterator[CouponRow]:
    """Each row with its member and, if it gets no coupon, why. In the order of the file."""
    first_rows: dict[int, int] = {}
    left = batch.total - batch.issued
    for start in range(0, len(cells), READ_AT_ONCE):
        some = cells[start : start + READ_AT_ONCE]
        known = _known({named for _row, named in some if isinstance(named, str)})
        of_row = [known.get(named) if isinstance(named, str) else None for _row, named in some]
        room = set(with_room(batch, list({each.id for each in of_row if each is not None})))
        for (number, named), member in zip(some, of_row, strict=True):
            row = CouponRow(number=number, member_id=member.id if member else None)
            try:
                _require_may(_who(named, member), number, first_rows, room)
                if left == 0:
                    raise BatchExhausted
            except DomainError as refusal:
                _refuse(row, refusal)
            else:
                left -= 1
            yield row


def _known(named: set[str]) -> dict[str, Identity]:
    ours = {each for each in named if numbers.looks_like_one(each)}
    return members.identify_many(ours) | members.identify_many_by_phone(named - ours)


def _who(named: str | DomainError, member: Identity | None) -> Identity:
    if isinstance(named, DomainError):
        raise named
    if member is None:
        raise members.UnknownMember
    return member


def _require_may(member: Identity, row: int, first_rows: dict[int, int], room: set[int]) -> None:
    """:param first_rows: by member, the first row that names them; this one is noted if it is it"""
    member.require_can_redeem()
    if first_rows.setdefault(member.id, row) != row:
        raise MemberTwice(row=first_rows[member.id])
    if member.id not in room:
        raise MemberLimitReached


def _refuse(row: CouponRow, refusal: DomainError) -> None:
    assert refusal.code in ROW_REFUSALS, "it is said in words later"
    row.outcome = refusal.code
    row.details = {name: refusal.details[name] for name in _KEPT if name in refusal.details}


def refusal_told(row: CouponRow, batch: CouponBatch) -> str:
    """Why a row of a list of a batch was refused, in the reader's language; empty for others."""
    if row.outcome in ("", CouponRow.ISSUED):
        return ""
    told = {"batch": str(batch), "most": batch.per_member, **row.details}
    if row.member is not None:
        told["number"] = row.member.number
    return ROW_REFUSALS[row.outcome](**told).sentence


# --- Issuing --------------------------------------------------------------------------------------


@transaction.atomic
def issue_to_list(*, list_id: int, at: datetime, by: User) -> CouponRun:
    """
    Give the members of a list a coupon each; a worker does it piece by piece. Again it is the same
    work, and nobody gets another one.

    :raises UnknownList: if there is none
    :raises NothingToIssue: if all its rows were refused
    :raises BatchNotRunning: :raises BatchOver: if the batch gives out no more
    """
    listed = _held_list(list_id)
    if listed.run is not None:
        return listed.run
    batch = for_members(listed.batch_id, at=at)
    if not listed.good:
        raise NothingToIssue
    listed.run = CouponRun.objects.create(
        batch=batch, work=CouponRun.Work.ISSUE, wanted=listed.good, created_at=at, created_by=by
    )
    listed.save(update_fields=["run"])
    audit.record(
        action="coupon_batch.issued", target=batch.code, by=by,
        details={"run": listed.run.pk, "list": listed.pk, "members": listed.good},
    )  # fmt: skip
    return listed.run


def _held_list(list_id: int) -> CouponList:
    """Of two who begin at once, the second finds it begun."""
    found = CouponList.objects.select_for_update(no_key=True).filter(pk=list_id).first()
    if found is None:
        raise UnknownList
    return found


def issue_list_piece(run: CouponRun, now: datetime) -> bool:
    """Give the members of the next rows their coupons. Returns whether nothing is left to do."""
    listed = CouponList.objects.get(run=run)
    left = CouponRow.objects.filter(list=listed, outcome="").order_by("number")
    rows = list(left[:PIECE])
    if not rows:
        return True
    # Who was joined with another since the file was read gets it as who remains.
    known = members.survivors([row.member_id for row in rows if row.member_id])
    if run.batch.per_member is not None:
        points.lock_many(each.id for each in known.values())
    batch = held(run.batch_id)
    over = _over(batch, now)
    if over is not None:
        run.skipped += left.update(outcome=over.code)
        return True
    good = list(_still_good(batch, run, rows, known))
    issued = good[: batch.total - batch.issued]
    for row, _member_id in good[len(issued) :]:
        _refuse(row, BatchExhausted())
    if issued:
        coupons = give(batch, run, [member_id for _row, member_id in issued], now)
        for (row, _member_id), coupon_id in zip(issued, coupons, strict=True):
            row.outcome, row.coupon_id = CouponRow.ISSUED, coupon_id
    _write(rows)
    run.done += len(issued)
    run.skipped += len(rows) - len(issued)
    return len(rows) < PIECE


def _over(batch: CouponBatch, now: datetime) -> DomainError | None:
    """Why a batch gives out nothing more at all."""
    if batch.state != BatchState.RUNNING:
        return BatchNotRunning()
    return BatchOver() if localdate(now) > batch.last_on else None


def _still_good(
    batch: CouponBatch, run: CouponRun, rows: Sequence[CouponRow], known: dict[int, Identity]
) -> Iterator[tuple[CouponRow, int]]:
    """Rows whose members get a coupon, and who that is; the others are refused."""
    member_ids = list({each.id for each in known.values()})
    first_rows = _had(batch, run, member_ids)
    room = set(with_room(batch, member_ids))
    for row in rows:
        assert row.member_id is not None, "benefits_couponrow_to_be_done_names_a_member"
        member = known[row.member_id]
        try:
            _require_may(member, row.number, first_rows, room)
        except DomainError as refusal:
            _refuse(row, refusal)
        else:
            yield row, member.id


HAD = """
    SELECT coupon.member_id, line.number
    FROM benefits_coupon AS coupon
    JOIN benefits_couponrow AS line ON line.coupon_id = coupon.id
    JOIN benefits_couponlist AS listed ON listed.id = line.list_id AND listed.run_id = %(run)s
    WHERE coupon.batch_id = %(batch)s AND coupon.member_id = ANY(%(members)s)
"""


def _had(batch: CouponBatch, run: CouponRun, member_ids: list[int]) -> dict[int, int]:
    """By member who has a coupon of the same list, as who was joined with them: by which row."""
    with connection.cursor() as cursor:
        cursor.execute(HAD, {"run": run.pk, "batch": batch.pk, "members": member_ids})
        return dict(cursor.fetchall())


WRITE = """
    UPDATE benefits_couponrow AS line
    SET outcome = told.outcome, details = told.details, coupon_id = told.coupon_id
    FROM unnest(%s::bigint[], %s::text[], %s::jsonb[], %s::bigint[])
        AS told (id, outcome, details, coupon_id)
    WHERE line.id = told.id
"""


def _write(rows: Sequence[CouponRow]) -> None:
    told = (
        [row.pk for row in rows],
        [row.outcome for row in rows],
        [json.dumps(row.details) for row in rows],
        [row.coupon_id for row in rows],
    )
    with connection.cursor() as cursor:
        cursor.execute(WRITE, told)
