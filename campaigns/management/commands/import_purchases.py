import time
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from campaigns import importing
from campaigns.importing import Plan, Report
from common import tables
from common.errors import DomainError
from common.progress import progress
from partners.queries import store_by_code

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", ",": ",", ";": ";", "\\t": "\t"}


def mapping(text: str) -> tuple[str, str]:
    field, equals, column = text.partition("=")
    known = (*importing.REQUIRED, *importing.OPTIONAL)
    if not equals or field not in known or not column.strip():
        raise ArgumentTypeError(f"{text!r} is not FIELD=COLUMN; the fields are {', '.join(known)}")
    return field, column.strip()


def delimiter(text: str) -> str:
    if text not in DELIMITERS:
        raise ArgumentTypeError("the delimiter is comma, semicolon or tab")
    return DELIMITERS[text]


class Command(BaseCommand):
    help = """Post the purchases of a CSV or XLSX file, and the points they are worth.

A purchase is known by its reference: importing a file twice changes nothing. If the import is
interrupted, start it again in the same way: it goes on where it stopped. Members are named by
member number, or by the number the store's organization has for its customer.

Exit code: 0 when the file was read to its end, even if rows were refused (see the summary and
--errors; --strict makes any refusal 1); 1 when the file or the command is at fault."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs["formatter_class"] = RawDescriptionHelpFormatter
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--store", required=True, metavar="CODE", help="where they were bought")
        parser.add_argument(
            "--map",
            type=mapping,
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help="which column holds reference, member, amount, at (a day or an ISO date-time) "
            "and, if there are such, category, product (of the line) and channel; the one of the "
            "same name unless told",
        )
        parser.add_argument(
            "--enroll", action="store_true", help="make members of customers nobody has enrolled"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="check everything, write nothing"
        )
        parser.add_argument(
            "--again", action="store_true", help="check a finished import once more"
        )
        parser.add_argument("--strict", action="store_true", help="exit 1 if a row was refused")
        parser.add_argument(
            "--errors", type=Path, metavar="FILE", help="write refused rows here (CSV)"
        )
        parser.add_argument("--encoding", help="of a CSV; UTF-8 unless told, else such as gb18030")
        parser.add_argument("--delimiter", type=delimiter, help="comma, semicolon or tab")
        parser.add_argument("--sheet", help="of a workbook; the first one unless told")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            refused = self._import(options)
        except DomainError as refusal:
            raise CommandError(str(refusal)) from refusal
        if refused and options["strict"]:
            raise CommandError(f"{refused} rows were refused")

    def _import(self, options: dict[str, Any]) -> int:
        plan = _plan(options)
        plan.table.positions(plan.columns.values())
        if options["dry_run"]:
            return self._check(plan, options)
        run = importing.begin(plan=plan, again=options["again"])
        if run.finished_at is not None:
            self.stdout.write(
                f"This import was finished on {timezone.localtime(run.finished_at):%Y-%m-%d %H:%M}:"
                f" {run.posted} posted, {run.repeated} repeated, {run.refused} refused. "
                "Nothing to do; --again checks every row once more."
            )
            return run.refused
        behind = run.rows_done
        if behind:
            self.stdout.write(
                f"An earlier start came as far as row {behind + 1}; going on behind it."
            )
        report = Report(up_to=behind + 1)
        with _error_file(plan, options["errors"], rows_done=behind) as errors:
            note = errors.write if errors else _ignore
            self._follow(
                importing.import_purchases(plan=plan, run=run, now=timezone.now(), note=note),
                report=report,
                plan=plan,
                errors=errors,
            )
        return report.refused.total()

    def _check(self, plan: Plan, options: dict[str, Any]) -> int:
        report = Report()
        with _error_file(plan, options["errors"], rows_done=0) as errors:
            note = errors.write if errors else _ignore
            self._follow(
                importing.check_purchases(plan=plan, now=timezone.now(), note=note),
                report=report,
                plan=plan,
                errors=errors,
            )
        self.stdout.write("Dry run: nothing was written; an import would give this.")
        return report.refused.total()

    def _follow(
        self,
        reports: Iterator[Report],
        *,
        report: Report,
        plan: Plan,
        errors: tables.ErrorFile | None,
    ) -> None:
        """Let the work go on chunk by chunk, show how far it is, and tell what came of it."""
        started = time.monotonic()
        done = report.up_to - 1
        with progress(total=plan.table.total, unit="rows", done=done) as advance:
            for chunk in reports:
                if errors:
                    errors.confirm()
                advance(chunk.up_to - report.up_to)
                report.add(chunk)
        self._summarize(report, seconds=time.monotonic() - started)

    def _summarize(self, report: Report, *, seconds: float) -> None:
        for name in ("rows", "posted", "repeated", "enrolled", "points"):
            self.stdout.write(f"{name:<12}{getattr(report, name)}")
        self.stdout.write(f"{'refused':<12}{report.refused.total()}")
        for code, rows in sorted(report.refused.items()):
            self.stdout.write(f"  {code:<24}{rows}")
        self.stdout.write(f"{'seconds':<12}{seconds:.1f}")
        self.stdout.write(f"{'rows/s':<12}{report.rows / max(seconds, 0.001):.0f}")


def _plan(options: dict[str, Any]) -> Plan:
    columns = {name: name for name in importing.REQUIRED} | dict(options["map"])
    path: Path = options["file"]
    errors: Path | None = options["errors"]
    if errors and errors.exists() and path.exists() and errors.samefile(path):
        raise CommandError("--errors would overwrite the file that is to be read")
    return Plan(
        table=tables.read(
            path,
            encoding=options["encoding"],
            delimiter=options["delimiter"],
            sheet=options["sheet"],
        ),
        columns=columns,
        store=store_by_code(options["store"]),
        enroll=options["enroll"],
    )


def _error_file(
    plan: Plan, path: Path | None, *, rows_done: int
) -> AbstractContextManager[tables.ErrorFile | None]:
    if path is None:
        return nullcontext()
    try:
        return tables.ErrorFile(path, header=plan.table.header, rows_done=rows_done)
    except OSError as error:
        raise CommandError(f"--errors {path}: {error.strerror}") from error


def _ignore(_refusals: Sequence[importing.Refusal]) -> None:
    """Nobody asked for the refused rows one by one."""
