import time
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext

from campaigns.management.commands.import_purchases import delimiter
from campaigns.member_files import bringing, fields, mapping
from campaigns.member_files.bringing import Plan, Report
from campaigns.member_files.reading import Read, Terms
from campaigns.member_files.telling import RowRefused
from common import tables
from common.errors import DomainError
from common.progress import progress
from members import attributes
from members.models import Attribute
from partners.models import Organization, OrganizationKind
from partners.queries import store_by_code


def rate(text: str) -> Decimal:
    try:
        points = Decimal(text)
    except InvalidOperation as error:
        raise ArgumentTypeError(f"{text!r} is no number") from error
    if not 0 < points < 10**8:
        raise ArgumentTypeError("a rate is more than nothing")
    return points


class Command(BaseCommand):
    help = """Make members of the people in a CSV or XLSX file (M4, historical members).

Which column tells what is read off the header, or said in a YAML file (--map):

    columns: {external_number: 客户号, name: 姓名, phone: 手机, birthday: 生日}
    days:    {birthday: YYYY/MM/DD}
    values:  {sex: {"1": MALE, "2": FEMALE, "0": ""}}
    warnings: {placeholder_birthday: leave_out, implausible_age: keep}

A row with a mistake is refused whole; nothing is corrected or made up. What is suspicious but
possible (a birthday of 1900-01-01, 118 years of age) is refused too, unless the mapping says keep
or leave_out. Nobody is told: who has belonged for years gets no welcome.

A row is known again by its external number, phone or product: importing a file twice changes
nothing. If the import is interrupted, start it again in the same way: it goes on where it stopped.

Exit code: 0 when the file was read to its end, even if rows were refused (--strict makes any
refusal 1); 1 when the file or the command is at fault."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs["formatter_class"] = RawDescriptionHelpFormatter
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--organization", metavar="CODE", help="whose external numbers; the brand unless told"
        )
        parser.add_argument("--store", metavar="CODE", help="of rows that name no store")
        parser.add_argument("--map", type=Path, metavar="FILE", help="the mapping, YAML")
        parser.add_argument(
            "--tag", action="append", metavar="NAME", help="put on all of them, any number of times"
        )
        parser.add_argument(
            "--active",
            action="store_true",
            help="active at once; else pre-registered until they prove who they are",
        )
        parser.add_argument(
            "--starting-points", type=int, default=0, metavar="N", help="for each member"
        )
        parser.add_argument(
            "--rate", type=rate, metavar="N", help="points for each unit of last year's spend"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="check everything, write nothing"
        )
        parser.add_argument("--again", action="store_true", help="do a finished import once more")
        parser.add_argument("--strict", action="store_true", help="exit 1 if a row was refused")
        parser.add_argument(
            "--errors", type=Path, metavar="FILE", help="write refused rows here (CSV)"
        )
        parser.add_argument("--encoding", help="of a CSV; UTF-8 or GB 18030 is found out")
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
        plan.require_sense()
        for field, column in plan.mapping.columns.items():
            self.stdout.write(f"{field:<24}{column}")
        if options["dry_run"]:
            return self._check(plan, options)
        run = bringing.begin(plan=plan, again=options["again"], now=timezone.now())
        if run.finished_at is not None:
            done = Report.of(run.report) if run.report else Report()
            self.stdout.write(
                f"This import was finished on {timezone.localtime(run.finished_at):%Y-%m-%d %H:%M}:"
                f" {done.brought} brought, {done.known} known, {done.refused} refused. "
                "Nothing to do; --again reads every row once more."
            )
            return done.refused
        behind = run.rows_done
        if behind:
            self.stdout.write(
                f"An earlier start came as far as row {behind + 1}; going on behind it."
            )
        with _error_file(plan, options["errors"], rows_done=behind) as errors:
            reports = bringing.bring(
                plan=plan, run=run, clock=timezone.now, note=_noting(errors, attributes.defined())
            )
            return self._follow(reports, report=Report(up_to=behind + 1), plan=plan, errors=errors)

    def _check(self, plan: Plan, options: dict[str, Any]) -> int:
        with _error_file(plan, options["errors"], rows_done=0) as errors:
            reports = bringing.check(
                plan=plan, now=timezone.now(), note=_noting(errors, attributes.defined())
            )
            refused = self._follow(reports, report=Report(), plan=plan, errors=errors)
        self.stdout.write("Dry run: nothing was written; an import would give this.")
        return refused

    def _follow(
        self,
        reports: Iterator[Report],
        *,
        report: Report,
        plan: Plan,
        errors: tables.ErrorFile | None,
    ) -> int:
        """Let the work go on chunk by chunk, show how far it is, and tell what came of it."""
        started = time.monotonic()
        with progress(total=plan.table.total, unit="rows", done=report.up_to - 1) as advance:
            for chunk in reports:
                if errors:
                    errors.confirm()
                advance(chunk.up_to - report.up_to)
                report.add(chunk)
        self._summarize(report, seconds=time.monotonic() - started)
        return report.refused

    def _summarize(self, report: Report, *, seconds: float) -> None:
        for name in ("rows", "brought", "known", "points", "refused"):
            self.stdout.write(f"{name:<12}{getattr(report, name)}")
        for code, rows in sorted(report.codes.items()):
            self.stdout.write(f"  {code:<24}{rows}")
        if report.warned:
            self.stdout.write("let pass")
        for code, rows in sorted(report.warned.items()):
            self.stdout.write(f"  {code:<24}{rows}")
        self.stdout.write(f"{'seconds':<12}{seconds:.1f}")
        self.stdout.write(f"{'rows/s':<12}{report.rows / max(seconds, 0.001):.0f}")


def _plan(options: dict[str, Any]) -> Plan:
    path: Path = options["file"]
    errors: Path | None = options["errors"]
    if errors and errors.exists() and path.exists() and errors.samefile(path):
        raise CommandError("--errors would overwrite the file that is to be read")
    if not 0 <= options["starting_points"] <= 10**12:
        raise CommandError("--starting-points is a whole number, not negative")
    table = tables.read(
        path,
        encoding=options["encoding"] or tables.encoding_of(path) or None,
        delimiter=options["delimiter"],
        sheet=options["sheet"],
    )
    return Plan(
        table=table,
        mapping=_mapping(options["map"], table),
        organization=_organization(options["organization"]),
        terms=Terms(
            store_id=store_by_code(options["store"]).pk if options["store"] else None,
            points=options["starting_points"],
            rate=options["rate"],
        ),
        active=options["active"],
        tags=options["tag"] or [gettext("Historical member")],
    )


def _mapping(path: Path | None, table: tables.Table) -> mapping.Mapping:
    definitions = attributes.defined()
    if path is None:
        return mapping.Mapping(columns=fields.guess(table.header, definitions))
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise CommandError(f"--map {path}: {error}") from error
    return mapping.read(document, definitions)


def _organization(code: str | None) -> Organization:
    found = Organization.objects.filter(
        **({"code": code} if code else {"kind": OrganizationKind.BRAND})
    ).first()
    if found is None:
        raise CommandError(f"there is no organization {code}")
    return found


def _noting(errors: tables.ErrorFile | None, definitions: dict[str, Attribute]) -> bringing.Note:
    def note(reads: Sequence[Read]) -> None:
        if errors:
            errors.write(
                (row, RowRefused(problems, definitions))
                for row, problems in bringing.refusing(reads)
            )

    return note


def _error_file(
    plan: Plan, path: Path | None, *, rows_done: int
) -> AbstractContextManager[tables.ErrorFile | None]:
    if path is None:
        return nullcontext()
    try:
        return tables.ErrorFile(path, header=plan.table.header, rows_done=rows_done)
    except OSError as error:
        raise CommandError(f"--errors {path}: {error.strerror}") from error
