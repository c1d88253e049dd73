"""
A file of historical members that staff hand in: kept, set up, checked, brought by a worker.

The file lies in the database, sealed and in pieces: whichever worker is there can go on with it. A
worker has a run for a minute and says so with every chunk; one that was killed has it no longer.
"""

import base64
import csv
import io
import json
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaigns.importing import ImportRunning
from campaigns.member_files import bringing, mapping, telling
from campaigns.member_files.bringing import Plan, Report
from campaigns.member_files.reading import Problem, Read, Terms
from campaigns.models import (
    MemberImport,
    MemberImportPart,
    MemberImportProblem,
    MemberImportState,
)
from common import audit, personal, tables
from common.errors import DomainError, Invalid, NotFound
from common.models import User
from members import attributes
from members import operations as members
from partners import queries as partners
from partners.models import Organization, Store

PART_BYTES = 1_000_000
LEASE = timedelta(seconds=60)
# One start of a worker; the next goes on, and meanwhile others get their turn.
SLICE_SECONDS = 50
KEPT = timedelta(days=30)

_State = MemberImportState


class ImportNotOpen(DomainError):
    code = "import_not_open"
    message = _("This cannot be done to an import in the state “%(state)s”.")


class AlreadyImported(DomainError):
    code = "already_imported"
    message = _("The same file was imported in the same way before: %(run)s.")


class SetUpAnew(DomainError):
    code = "set_up_anew"
    message = _("The file was set up anew since this was asked for.")


class HeaderMissing(Invalid):
    code = "header_missing"
    message = _("The first row must name the columns; here it holds a phone, an e-mail or an ID.")


class FileForgotten(DomainError):
    code = "file_forgotten"
    message = _("The file is not kept any more.")


# --- Handing in -----------------------------------------------------------------------------------


def hand_in(*, path: Path, name: str, at: datetime, by: User) -> MemberImport:
    """
    Keep a file, with a first guess at what its columns mean.

    :raises UnreadableTable: if it is no table
    :raises HeaderMissing: if somebody's row stands where the columns' names should
    """
    encoding = tables.encoding_of(path)
    table = tables.read(path, encoding=encoding or None)
    # Headers are kept for ever, in the open.
    if any(personal.names_somebody(name) for name in table.header):
        raise HeaderMissing
    brand = partners.brand()
    assert brand is not None, "every installation has its brand (partners/migrations/0002)"
    guess = mapping.guessed(table, attributes.defined())
    with transaction.atomic():
        run = MemberImport.objects.create(
            name=name[-200:],
            state=_State.HANDED_IN,
            is_kept=True,
            encoding=encoding,
            organization=brand,
            mapping=guess.as_json(),
            tags=[gettext("Historical member")],
            rows=table.total,
            created_at=at,
            created_by=by,
        )
        with path.open("rb") as file:
            for nth, block in enumerate(iter(lambda: file.read(PART_BYTES), b"")):
                content = base64.b64encode(zlib.compress(block)).decode()
                MemberImportPart.objects.create(run=run, nth=nth, content=content)
        _record("handed_in", run, by)
    return run


@contextmanager
def opened(run: MemberImport) -> Iterator[tables.Table]:
    """
    The kept file, for as long as the context lasts.

    :raises FileForgotten: if it is not kept any more
    """
    if not run.is_kept:
        raise FileForgotten
    with tempfile.NamedTemporaryFile(suffix=Path(run.name).suffix[:8]) as copy:
        parts = MemberImportPart.objects.filter(run=run).order_by("nth")
        for part in parts.iterator(chunk_size=4):
            copy.write(zlib.decompress(base64.b64decode(part.content)))
        copy.flush()
        yield tables.read(Path(copy.name), encoding=run.encoding or None)


def plan_of(run: MemberImport, table: tables.Table) -> Plan:
    """:raises InvalidMapping: if it names what there is not any more"""
    return Plan(
        table=table,
        mapping=mapping.read(run.mapping, attributes.defined()),
        organization=run.organization,
        terms=Terms(store_id=run.store_id, points=run.points, rate=run.rate),
        active=run.is_active,
        tags=run.tags,
    )


# --- Setting up -----------------------------------------------------------------------------------


def set_up(
    *,
    run_id: int,
    reading: mapping.Mapping,
    organization: Organization,
    store: Store | None,
    active: bool,
    tags: Sequence[str],
    points: int,
    rate: Decimal | None,
) -> MemberImport:
    """
    Say how a file is read and what its members get. What was checked before counts no more.

    :raises ImportNotOpen: if it was begun or discarded
    :raises UnknownColumns: :raises InvalidMapping: :raises InvalidTag: if it makes no sense
    """
    with transaction.atomic():
        run = _open(run_id, _State.HANDED_IN, _State.CHECKED)
        run.state = _State.HANDED_IN
        run.mapping = reading.as_json()
        run.organization, run.store = organization, store
        run.is_active, run.points, run.rate = active, points, rate
        run.tags = members.read_tags(",".join(tags))
        with opened(run) as table:
            plan_of(run, table).require_sense()
        _forget_findings(run)
        run.save()
    return run


def ask_check(*, run_id: int) -> MemberImport:
    """
    Have a file checked to its end by a worker.

    :raises ImportNotOpen: if it was begun or discarded, or is being checked
    """
    with transaction.atomic():
        run = _open(run_id, _State.HANDED_IN, _State.CHECKED)
        run.state = _State.CHECKING
        _forget_findings(run)
        run.save()
    return run


def start(*, run_id: int, at: datetime, by: User, reason: str, digest: str = "") -> MemberImport:
    """
    Have the good rows of a checked file brought, from now on by a worker.

    :param digest: what was approved; empty: nobody had to
    :raises ImportNotOpen: if it is not checked, or was begun or discarded before
    :raises SetUpAnew: if it is read in another way than what was approved
    :raises AlreadyImported: if the same file was begun in the same way
    """
    with transaction.atomic():
        run = _open(run_id, _State.CHECKED)
        run.digest = digest_of(run)
        if digest not in ("", run.digest):
            raise SetUpAnew
        run.state, run.started_at = _State.RUNNING, at
        foretold = run.report
        _forget_findings(run)
        try:
            with transaction.atomic():
                run.save()
        except IntegrityError as error:
            earlier = MemberImport.objects.filter(digest=run.digest).first()
            raise AlreadyImported(run=str(earlier)) from error
        figures = {name: foretold.get(name, 0) for name in ("brought", "refused", "points")}
        _record("started", run, by, reason=reason, details=figures)
    return run


def checked(run_id: int) -> MemberImport:
    """A run that can be started, held. :raises ImportNotOpen: if it is none"""
    return _open(run_id, _State.CHECKED)


def digest_of(run: MemberImport) -> str:
    """What names the file and how it is read."""
    with opened(run) as table:
        return plan_of(run, table).digest()


def discard(*, run_id: int, by: User) -> MemberImport:
    """
    Put a file aside for good: nothing of it is brought, and it is not kept.

    :raises ImportNotOpen: if it was begun or discarded before
    """
    with transaction.atomic():
        run = _open(run_id, _State.HANDED_IN, _State.CHECKING, _State.CHECKED)
        run.state, run.leased_until = _State.DISCARDED, None
        run.save()
        forget_file(run)
        _record("discarded", run, by)
    return run


def forget_file(run: MemberImport) -> None:
    """Keep no personal data of a run longer than it is needed; who was brought stays."""
    MemberImportPart.objects.filter(run=run).delete()
    MemberImportProblem.objects.filter(run=run).delete()
    MemberImport.objects.filter(pk=run.pk).update(is_kept=False)
    run.is_kept = False


def _open(run_id: int, *states: MemberImportState) -> MemberImport:
    """The run, held: of two who decide at once, the second finds it decided."""
    run = (
        MemberImport.objects.select_for_update(no_key=True, of=("self",))
        .select_related("organization", "store")
        .filter(pk=run_id)
        .first()
    )
    if run is None:
        raise NotFound
    if run.state not in states:
        raise ImportNotOpen(state=run.get_state_display())
    return run


def _forget_findings(run: MemberImport) -> None:
    run.report, run.rows_done, run.leased_until = {}, 0, None
    MemberImportProblem.objects.filter(run=run).delete()


def _record(
    verb: str,
    run: MemberImport,
    by: User,
    *,
    reason: str = "",
    details: dict[str, Any] | None = None,
) -> None:
    audit.record(
        action=f"memberimport.{verb}",
        target=str(run)[:128],
        by=by,
        reason=reason,
        details={"import": run.pk, **(details or {})},
    )


# --- The worker -----------------------------------------------------------------------------------


def work(*, clock: Callable[[], datetime], seconds: float = SLICE_SECONDS) -> int:
    """
    Check or bring the oldest file there is work for, for so many seconds. Returns the rows done.

    A check goes to its end: what it remembers of the file dies with it.
    """
    run = _take(clock())
    if run is None:
        return 0
    until = time.monotonic() + seconds
    with opened(run) as table:
        plan = plan_of(run, table)
        if run.state == _State.CHECKING:
            return _checked(run, plan, clock)
        return _brought(run, plan, clock, until)


@transaction.atomic
def _take(now: datetime) -> MemberImport | None:
    run = (
        MemberImport.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        .select_related("organization", "created_by")
        .filter(is_kept=True, state__in=[_State.CHECKING, _State.RUNNING])
        .exclude(leased_until__gt=now)
        .order_by("pk")
        .first()
    )
    if run is not None:
        run.leased_until = now + LEASE
        run.save(update_fields=["leased_until"])
    return run


def _checked(run: MemberImport, plan: Plan, clock: Callable[[], datetime]) -> int:
    total = Report()
    found: list[Read] = []
    # An earlier worker may have been killed in the middle.
    MemberImportProblem.objects.filter(run=run).delete()
    for report in bringing.check(plan=plan, now=clock(), note=found.extend):
        total.add(report)
        if not _still_ours(run, total, clock() + LEASE, found):
            return 0
        found.clear()
    MemberImport.objects.filter(pk=run.pk, state=_State.CHECKING).update(
        state=_State.CHECKED, leased_until=None, report=total.as_json(), rows=total.rows
    )
    return total.rows


@transaction.atomic
def _still_ours(
    run: MemberImport, total: Report, leased_until: datetime, found: Sequence[Read]
) -> bool:
    """Note how far a check is, unless somebody set the file up anew or put it aside."""
    mine = MemberImport.objects.filter(
        pk=run.pk, state=_State.CHECKING, leased_until=run.leased_until
    )
    if not mine.update(
        report=total.as_json(), rows_done=total.up_to - 1, leased_until=leased_until
    ):
        return False
    run.leased_until = leased_until
    _note(run, found)
    return True


def _brought(run: MemberImport, plan: Plan, clock: Callable[[], datetime], until: float) -> int:
    rows = 0
    reports = bringing.bring(
        plan=plan,
        run=run,
        clock=clock,
        note=lambda reads: _note(run, reads),
        lease=lambda: clock() + LEASE,
    )
    try:
        for report in reports:
            rows += report.rows
            if time.monotonic() > until:
                MemberImport.objects.filter(pk=run.pk).update(leased_until=None)
                break
    except ImportRunning:  # another worker took it for dead, and goes on
        pass
    return rows


def _note(run: MemberImport, reads: Sequence[Read]) -> None:
    MemberImportProblem.objects.bulk_create(
        MemberImportProblem(
            run=run,
            row=read.row.number,
            field=problem.field[:64],
            code=problem.refusal.code,
            details=_sealed(problem.refusal),
            is_refused=problem.refuses,
        )
        for read in reads
        for problem in read.problems
    )


def _sealed(refusal: DomainError) -> str:
    told = {name: str(value) for name, value in refusal.details.items()}
    return json.dumps(told) if told else ""


# --- What is wrong with the rows ------------------------------------------------------------------


def preview(run: MemberImport, *, rows: int, now: datetime) -> tuple[tuple[str, ...], list[Read]]:
    """The header, and the first rows with what each would come to."""
    with opened(run) as table:
        plan = plan_of(run, table)
        return table.header, bringing.preview(plan=plan, now=now, rows=rows)


def header_of(run: MemberImport) -> tuple[str, ...]:
    """:raises FileForgotten: if the file is not kept any more"""
    with opened(run) as table:
        return table.header


def download(*, run: MemberImport, by: User, reason: str) -> Iterator[str]:
    """
    The refused rows as lines of a CSV, in the reader's language. It is personal data: recorded.

    :raises FileForgotten: if the file is not kept any more
    """
    if not run.is_kept:
        raise FileForgotten
    with transaction.atomic():
        _record("rows_downloaded", run, by, reason=reason)
    return _refused_lines(run)


def _refused_lines(run: MemberImport) -> Iterator[str]:
    definitions = attributes.defined()
    noted = MemberImportProblem.objects.filter(run=run, is_refused=True).order_by("row", "pk")
    by_row = groupby(noted.iterator(chunk_size=1000), key=lambda problem: problem.row)
    with opened(run) as table:
        yield "\ufeff" + _line([*tables.ERROR_COLUMNS, *table.header])
        rows = table.rows()
        for number, problems in by_row:
            row = next(row for row in rows if row.number == number)
            told = telling.RowRefused([_problem(each) for each in problems], definitions)
            yield _line([str(number), told.code, told.sentence, *row.cells])


def _problem(noted: MemberImportProblem) -> Problem:
    return telling.again(
        field=noted.field, code=noted.code, details=json.loads(noted.details or "{}")
    )


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow([tables.harmless(cell) for cell in cells])
    return text.getvalue()
