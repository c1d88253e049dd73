"""Codes of a batch: generated piece by piece, loaded from a partner's file, taken away once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from benefits.coupons import codes
from benefits.models.coupons import (
    BatchState,
    CodesFrom,
    Coupon,
    CouponBatch,
    CouponFile,
    CouponRun,
)
from benefits.operations.coupons._batches import BatchNotRunning, held
from benefits.operations.coupons._issuing import issue_piece
from benefits.operations.coupons._lists import issue_list_piece
from common import audit, tables
from common.errors import DomainError, Invalid
from common.models import User
from common.postgres import copying

# Codes of a transaction: a second's work.
PIECE = 50_000
ROWS_MAX = 100_000
COLUMN = ("code", "券码", "券碼", "兑换码", "兌換碼")


class AlreadyTaken(DomainError):
    code = "codes_taken_already"
    message = _("The codes were taken away on %(at)s by %(by)s; that is possible once.")


class NotGenerated(DomainError):
    code = "codes_not_generated"
    message = _("There are no codes to take away, or not all yet.")


class NoPool(DomainError):
    code = "no_code_pool"
    message = _("The codes of this batch do not come from a file.")


class PoolTooLarge(Invalid):
    code = "code_pool_too_large"
    message = _("At most %(most)s codes fit into the batch, or into one file.")


class CodeMissing(Invalid):
    code = "code_missing"
    message = _("The row has no code.")


class CodeTooLong(Invalid):
    code = "code_too_long"
    message = _("A code has at most %(most)s characters, none of them blank.")


class CodeTwice(Invalid):
    code = "code_twice"
    message = _("The code stands in row %(row)s already.")


class CodeKnown(Invalid):
    code = "code_known"
    message = _("The code was loaded before, or is one of ours.")


def work(*, clock: Callable[[], datetime], pieces: int = 200) -> int:
    """
    Do what is open of generating and issuing, up to so many pieces. Returns how many it did.

    Another worker meanwhile takes another run, or finds nothing to do.
    """
    for done in range(pieces):
        if not _next_piece(clock()):
            return done
    return pieces


@transaction.atomic
def _next_piece(now: datetime) -> bool:
    run = _next_run()
    if run is None:
        return False
    if _piece_of(run)(run, now):
        run.finished_at = now
        run.skipped = run.wanted - run.done
    run.save(update_fields=["done", "skipped", "last_member", "finished_at"])
    return True


def _next_run() -> CouponRun | None:
    """What nobody else is working on."""
    free = CouponRun.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
    return free.filter(finished_at=None).order_by("pk").first()


def _piece_of(run: CouponRun) -> Callable[[CouponRun, datetime], bool]:
    if run.work == CouponRun.Work.GENERATE:
        return _generate_piece
    return issue_piece if run.tag else issue_list_piece


def _generate_piece(run: CouponRun, now: datetime) -> bool:
    """Returns whether that was the last one."""
    batch = held(run.batch_id)
    count = min(PIECE, run.wanted - run.done)
    if batch.state != BatchState.RUNNING or not count:
        return True
    made = codes.make(count)
    _insert(batch, codes.digests(made), now)
    CouponFile.objects.create(run=run, nth=run.done // PIECE + 1, codes="\n".join(made))
    run.done += count
    return run.done == run.wanted


def _insert(
    batch: CouponBatch, digests: Sequence[bytes], now: datetime, **columns: Sequence[Any]
) -> None:
    copying.insert(
        Coupon,
        {"digest": digests, **columns},
        same={
            "batch_id": batch.pk,
            "issued_on": localdate(now),
            "first_on": batch.first_on,
            "last_on": batch.last_on,
        },
    )
    CouponBatch.objects.filter(pk=batch.pk).update(issued=F("issued") + len(digests))


@transaction.atomic
def take_codes(*, batch_id: int, at: datetime, by: User) -> list[str]:
    """
    Hand out the codes that were generated, once: afterwards only their hashes are left.

    :raises NotGenerated: if there are none, or not all yet
    :raises AlreadyTaken: if somebody took them before
    """
    batch = held(batch_id)
    if batch.exported_at is not None:
        name = batch.exported_by.get_username() if batch.exported_by else ""
        raise AlreadyTaken(at=localdate(batch.exported_at), by=name)
    runs = CouponRun.objects.filter(batch=batch, work=CouponRun.Work.GENERATE)
    if not runs.exists() or runs.filter(finished_at=None).exists():
        raise NotGenerated
    pieces = CouponFile.objects.filter(run__in=runs).order_by("run", "nth")
    found = [code for piece in pieces for code in piece.codes.split("\n")]
    pieces.delete()
    batch.exported_at, batch.exported_by = at, by
    batch.save(update_fields=["exported_at", "exported_by"])
    audit.record(
        action="coupon_batch.exported", target=batch.code, by=by, details={"codes": len(found)}
    )
    return found


# --- A partner's file -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of a file: how many codes, and the rows left out, each with why."""

    count: int
    refused: list[tuple[int, DomainError]]


@transaction.atomic
def load_pool(*, batch_id: int, path: Path, at: datetime, by: User) -> Loaded:
    """
    Add the codes of a CSV or XLSX file to a running batch. What is wrong, or there twice, is left
    out.

    :raises NoPool: :raises BatchNotRunning: :raises PoolTooLarge: if so
    :raises common.tables.UnreadableTable: :raises UnknownColumns: :raises AmbiguousColumn: if so
    """
    table = tables.read(path)
    column = next((name for name in COLUMN if name in table.header), COLUMN[0])
    place = table.positions([column])[column]
    batch = held(batch_id)
    if batch.codes_from != CodesFrom.POOL:
        raise NoPool
    if batch.state != BatchState.RUNNING:
        raise BatchNotRunning
    good, refused = _read(table, place)
    if len(good) > min(ROWS_MAX, batch.total - batch.issued):
        raise PoolTooLarge(most=min(ROWS_MAX, batch.total - batch.issued))
    digests = codes.digests([codes.read(code) for code, _row in good])
    known = set(
        map(bytes, Coupon.objects.filter(digest__in=digests).values_list("digest", flat=True))
    )
    new = [(each, *row) for each, row in zip(digests, good, strict=True) if each not in known]
    refused += [
        (row, CodeKnown())
        for each, (_code, row) in zip(digests, good, strict=True)
        if each in known
    ]
    _insert(batch, [each for each, *_rest in new], at, code=[code for _digest, code, _row in new])
    audit.record(
        action="coupon_batch.loaded", target=batch.code, by=by,
        details={"codes": len(new), "refused": len(refused)},
    )  # fmt: skip
    return Loaded(len(new), sorted(refused, key=lambda each: each[0]))


def _read(
    table: tables.Table, place: int
) -> tuple[list[tuple[str, int]], list[tuple[int, DomainError]]]:
    good: list[tuple[str, int]] = []
    refused: list[tuple[int, DomainError]] = []
    seen: dict[str, int] = {}
    for row in table.rows():
        code = row.cells[place].strip() if place < len(row.cells) else ""
        wrong = row.faults.get(place) or _wrong(code, seen)
        if wrong is not None:
            refused.append((row.number, wrong))
            continue
        seen[codes.read(code)] = row.number
        good.append((code, row.number))
        if len(good) > ROWS_MAX:
            raise PoolTooLarge(most=ROWS_MAX)
    return good, refused


def _wrong(code: str, seen: dict[str, int]) -> DomainError | None:
    if not code:
        return CodeMissing()
    if len(code) > codes.LENGTH_MAX or not code.isprintable() or len(code.split()) > 1:
        return CodeTooLong(most=codes.LENGTH_MAX)
    if codes.read(code) in seen:
        return CodeTwice(row=seen[codes.read(code)])
    return None
