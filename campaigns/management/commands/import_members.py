from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext

from campaigns.management.files import ImportCommand
from campaigns.member_files import bringing, fields, mapping
from campaigns.member_files.bringing import Plan, Report
from campaigns.member_files.reading import Read, Terms
from campaigns.member_files.telling import RowRefused
from campaigns.models import MemberImport
from common import tables
from members import attributes
from partners.models import Organization, OrganizationKind
from partners.queries import store_by_code
from points import operations as points


def rate(text: str) -> Decimal:
    try:
        given = Decimal(text)
    except InvalidOperation as error:
        raise ArgumentTypeError(f"{text!r} is no number") from error
    if not 0 < given < 10**8:
        raise ArgumentTypeError("a rate is more than nothing")
    return given


class Command(ImportCommand[Plan, MemberImport, Report]):
    encoding_help = "of a CSV; UTF-8 or GB 18030 is found out"
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

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
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

    def plan(self, options: dict[str, Any]) -> Plan:
        if not 0 <= options["starting_points"] <= points.POINTS_MAX:
            raise CommandError("--starting-points is a whole number, not negative")
        encoding = options["encoding"] or tables.encoding_of(options["file"]) or None
        table = self.table(options | {"encoding": encoding})
        plan = Plan(
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
        plan.require_sense()
        for field, column in plan.mapping.columns.items():
            self.stdout.write(f"{field:<24}{column}")
        return plan

    def report(self, up_to: int) -> Report:
        return Report(up_to=up_to)

    def rehearse(self, plan: Plan, errors: tables.ErrorFile | None) -> Iterator[Report]:
        return bringing.check(plan=plan, now=timezone.now(), note=_noting(errors))

    def begin(self, plan: Plan, *, again: bool) -> MemberImport:
        return bringing.begin(plan=plan, again=again, now=timezone.now())

    def bring(
        self, plan: Plan, run: MemberImport, errors: tables.ErrorFile | None
    ) -> Iterator[Report]:
        return bringing.bring(plan=plan, run=run, clock=timezone.now, note=_noting(errors))

    def done_before(self, run: MemberImport) -> tuple[str, int]:
        done = Report.of(run.report) if run.report else Report()
        told = f"{done.brought} brought, {done.known} known, {done.refused} refused"
        return told, done.refused

    def figures(self, report: Report) -> Iterator[tuple[str, object]]:
        for name in ("rows", "brought", "further", "known", "points", "refused"):
            yield name, getattr(report, name)
        for code, rows in sorted(report.codes.items()):
            yield f"  {code:<24}", rows
        if report.warned:
            yield "let pass", ""
        for code, rows in sorted(report.warned.items()):
            yield f"  {code:<24}", rows

    def refused(self, report: Report) -> int:
        return report.refused


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


def _noting(errors: tables.ErrorFile | None) -> bringing.Note:
    definitions = attributes.defined()

    def note(reads: Sequence[Read]) -> None:
        if errors:
            errors.write(
                (row, RowRefused(problems, definitions))
                for row, problems in bringing.refusing(reads)
            )

    return note
