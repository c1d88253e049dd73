"""What commands that read a file of rows have in common: arguments, refused rows, progress."""

import time
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from campaigns.models import ImportRun, MemberImport
from common import tables
from common.errors import DomainError
from common.progress import progress

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", ",": ",", ";": ";", "\\t": "\t"}


def delimiter(text: str) -> str:
    if text not in DELIMITERS:
        raise ArgumentTypeError("the delimiter is comma, semicolon or tab")
    return DELIMITERS[text]


class FileCommand(BaseCommand):
    """A command that reads a CSV or XLSX file."""

    encoding_help: ClassVar[str] = "of a CSV; UTF-8 unless told, else such as gb18030"

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs["formatter_class"] = RawDescriptionHelpFormatter
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--errors", type=Path, metavar="FILE", help="write refused rows here (CSV)"
        )
        parser.add_argument("--encoding", help=self.encoding_help)
        parser.add_argument("--delimiter", type=delimiter, help="comma, semicolon or tab")
        parser.add_argument("--sheet", help="of a workbook; the first one unless told")

    def table(self, options: dict[str, Any]) -> tables.Table:
        """
        The file as a table.

        :raises CommandError: if the refused rows would be written over it
        :raises UnreadableTable: if it is no table
        """
        path: Path = options["file"]
        errors: Path | None = options["errors"]
        if errors and errors.exists() and path.exists() and errors.samefile(path):
            raise CommandError("--errors would overwrite the file that is to be read")
        return tables.read(
            path,
            encoding=options["encoding"],
            delimiter=options["delimiter"],
            sheet=options["sheet"],
        )

    def error_file(
        self, table: tables.Table, options: dict[str, Any], *, rows_done: int
    ) -> AbstractContextManager[tables.ErrorFile | None]:
        """
        Where refused rows go, if anywhere.

        :param rows_done: see `ErrorFile`
        """
        path: Path | None = options["errors"]
        if path is None:
            return nullcontext()
        try:
            return tables.ErrorFile(path, header=table.header, rows_done=rows_done)
        except OSError as error:
            raise CommandError(f"--errors {path}: {error.strerror}") from error


class Report(Protocol):
    """What became of some rows. `up_to`: the number of the last line that was read."""

    rows: int
    up_to: int

    def add(self, other: Self, /) -> None: ...


class Plan(Protocol):
    @property
    def table(self) -> tables.Table: ...


PlanT = TypeVar("PlanT", bound=Plan)
RunT = TypeVar("RunT", ImportRun, MemberImport)
ReportT = TypeVar("ReportT", bound=Report)


class ImportCommand(FileCommand, Generic[PlanT, RunT, ReportT]):
    """
    A command that imports a file: rehearsed or done, and gone on with where it was interrupted.

    What is imported, a subclass says in the methods that have no body here.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="check everything, write nothing"
        )
        parser.add_argument(
            "--again", action="store_true", help="go through a finished import once more"
        )
        parser.add_argument("--strict", action="store_true", help="exit 1 if a row was refused")

    # --- What a subclass says

    def plan(self, options: dict[str, Any]) -> PlanT:
        raise NotImplementedError

    def report(self, up_to: int) -> ReportT:
        """A report of nothing yet."""
        raise NotImplementedError

    def rehearse(self, plan: PlanT, errors: tables.ErrorFile | None) -> Iterator[ReportT]:
        raise NotImplementedError

    def begin(self, plan: PlanT, *, again: bool) -> RunT:
        raise NotImplementedError

    def bring(self, plan: PlanT, run: RunT, errors: tables.ErrorFile | None) -> Iterator[ReportT]:
        raise NotImplementedError

    def done_before(self, run: RunT) -> tuple[str, int]:
        """What came of a finished import in words, and how many rows were refused."""
        raise NotImplementedError

    def figures(self, report: ReportT) -> Iterator[tuple[str, object]]:
        """What is told at the end, a line each."""
        raise NotImplementedError

    def refused(self, report: ReportT) -> int:
        raise NotImplementedError

    # --- The import

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            refused = self._import(options)
        except DomainError as refusal:
            raise CommandError(str(refusal)) from refusal
        if refused and options["strict"]:
            raise CommandError(f"{refused} rows were refused")

    def _import(self, options: dict[str, Any]) -> int:
        plan = self.plan(options)
        if options["dry_run"]:
            with self.error_file(plan.table, options, rows_done=0) as errors:
                refused = self._follow(
                    self.rehearse(plan, errors), self.report(1), plan.table, errors
                )
            self.stdout.write("Dry run: nothing was written; an import would give this.")
            return refused
        run = self.begin(plan, again=options["again"])
        if run.finished_at is not None:
            told, refused = self.done_before(run)
            self.stdout.write(
                f"This import was finished on {timezone.localtime(run.finished_at):%Y-%m-%d %H:%M}:"
                f" {told}. Nothing to do; --again goes through every row once more."
            )
            return refused
        behind = run.rows_done
        if behind:
            self.stdout.write(
                f"An earlier start came as far as row {behind + 1}; going on behind it."
            )
        with self.error_file(plan.table, options, rows_done=behind) as errors:
            return self._follow(
                self.bring(plan, run, errors), self.report(behind + 1), plan.table, errors
            )

    def _follow(
        self,
        reports: Iterator[ReportT],
        report: ReportT,
        table: tables.Table,
        errors: tables.ErrorFile | None,
    ) -> int:
        """Let the work go on chunk by chunk, show how far it is, and tell what came of it."""
        started = time.monotonic()
        with progress(total=table.total, unit="rows", done=report.up_to - 1) as advance:
            for chunk in reports:
                if errors:
                    errors.confirm()
                advance(chunk.up_to - report.up_to)
                report.add(chunk)
        seconds = time.monotonic() - started
        for name, figure in self.figures(report):
            self.stdout.write(f"{name:<12}{figure}")
        self.stdout.write(f"{'seconds':<12}{seconds:.1f}")
        self.stdout.write(f"{'rows/s':<12}{report.rows / max(seconds, 0.001):.0f}")
        return self.refused(report)
