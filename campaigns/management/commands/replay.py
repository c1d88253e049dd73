import time
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from campaigns import replaying
from campaigns.management.files import FileCommand
from common.errors import DomainError
from common.progress import progress
from partners.models import Store
from partners.queries import main_store, store_by_code


class Command(FileCommand):
    help = """Play dated events in order under their own clock, and each day's nightly jobs between.

The file is a CSV (or XLSX) with the columns at, kind, member, reference, amount, points, original,
and activity if there are any. kind is purchase (amount), return (amount given back of the purchase
`original`), redemption (points) or activity (its code in the rulebook, as check-in); at is a day or
an ISO date-time. Playing a file again changes nothing.

Exit code: 0 when every event was posted now or before, 1 when one was refused."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--store", metavar="CODE", help="the brand's first store unless told")
        parser.add_argument(
            "--enroll", action="store_true", help="make members of customers nobody has enrolled"
        )
        parser.add_argument(
            "--until",
            type=date.fromisoformat,
            metavar="DATE",
            help="go on with the nights to this day after the last event",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        until: date | None = options["until"]
        # A night of the future would expire points that are good today.
        if until and until > timezone.localdate(now) and not settings.SANDBOX:
            raise CommandError("--until lies in the future; only a sandbox can go there")
        report = replaying.Report()
        started = time.monotonic()
        try:
            table = self.table(options)
            played = replaying.replay(
                table=table,
                store=_store(options["store"]),
                enroll=options["enroll"],
                until=until,
                not_after=None if settings.SANDBOX else now,
                report=report,
            )
            refusals = []
            with progress(total=table.total, unit="events") as advance:
                for each in played:
                    advance(1)
                    if each.refusal is not None:
                        refusals.append((each.row, each.refusal))
                        self.stderr.write(f"row {each.row.number}: {each.refusal}")
            with self.error_file(table, options, rows_done=0) as errors:
                if errors:
                    errors.write(refusals)
        except DomainError as refusal:
            raise CommandError(str(refusal)) from refusal
        self._summarize(report, seconds=time.monotonic() - started)
        if refusals:
            raise CommandError(f"{len(refusals)} events were refused")

    def _summarize(self, report: replaying.Report, *, seconds: float) -> None:
        for name in ("events", "posted", "repeated", "enrolled"):
            self.stdout.write(f"{name:<12}{getattr(report, name)}")
        self.stdout.write(f"{'refused':<12}{report.refused.total()}")
        for code, events in sorted(report.refused.items()):
            self.stdout.write(f"  {code:<24}{events}")
        self.stdout.write(f"{'seconds':<12}{seconds:.1f}")


def _store(code: str | None) -> Store:
    if code:
        return store_by_code(code)
    store = main_store()
    if store is None:
        raise CommandError("The brand has no store yet: name one with --store")
    return store
