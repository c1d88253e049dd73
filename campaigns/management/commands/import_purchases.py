from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from campaigns import importing
from campaigns.importing import Plan, Report
from campaigns.management.files import ImportCommand
from campaigns.models import ImportRun
from common import tables
from partners.queries import store_by_code


def mapping(text: str) -> tuple[str, str]:
    field, equals, column = text.partition("=")
    known = (*importing.REQUIRED, *importing.OPTIONAL)
    if not equals or field not in known or not column.strip():
        raise ArgumentTypeError(f"{text!r} is not FIELD=COLUMN; the fields are {', '.join(known)}")
    return field, column.strip()


class Command(ImportCommand[Plan, ImportRun, Report]):
    help = """Post the purchases of a CSV or XLSX file, and the points they are worth.

A purchase is known by its reference: importing a file twice changes nothing. If the import is
interrupted, start it again in the same way: it goes on where it stopped. Members are named by
member number, or by the number the store's organization has for its customer.

Exit code: 0 when the file was read to its end, even if rows were refused (see the summary and
--errors; --strict makes any refusal 1); 1 when the file or the command is at fault."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
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

    def plan(self, options: dict[str, Any]) -> Plan:
        table = self.table(options)
        columns = {name: name for name in importing.REQUIRED} | dict(options["map"])
        table.positions(columns.values())
        return Plan(
            table=table,
            columns=columns,
            store=store_by_code(options["store"]),
            enroll=options["enroll"],
        )

    def report(self, up_to: int) -> Report:
        return Report(up_to=up_to)

    def rehearse(self, plan: Plan, errors: tables.ErrorFile | None) -> Iterator[Report]:
        note = errors.write if errors else _ignore
        return importing.check_purchases(plan=plan, now=timezone.now(), note=note)

    def begin(self, plan: Plan, *, again: bool) -> ImportRun:
        return importing.begin(plan=plan, again=again)

    def bring(
        self, plan: Plan, run: ImportRun, errors: tables.ErrorFile | None
    ) -> Iterator[Report]:
        note = errors.write if errors else _ignore
        return importing.import_purchases(plan=plan, run=run, now=timezone.now(), note=note)

    def done_before(self, run: ImportRun) -> tuple[str, int]:
        told = f"{run.posted} posted, {run.repeated} repeated, {run.refused} refused"
        return told, run.refused

    def figures(self, report: Report) -> Iterator[tuple[str, object]]:
        for name in ("rows", "posted", "repeated", "enrolled", "points"):
            yield name, getattr(report, name)
        yield "refused", report.refused.total()
        for code, rows in sorted(report.refused.items()):
            yield f"  {code:<24}", rows

    def refused(self, report: Report) -> int:
        return report.refused.total()


def _ignore(_refusals: Sequence[importing.Refusal]) -> None:
    """Nobody asked for the refused rows one by one."""
