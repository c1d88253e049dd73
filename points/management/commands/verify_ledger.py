from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from common.progress import progress
from points import nightly, verification
from points.models import Account


class Command(BaseCommand):
    help = """Derive every balance, lot and chain of entries anew and print what differs.

Each line is `equation,member,seq`; the equations are told in points/verification.py. Exit code 1
if there is a difference. It only reads, and may run beside the tills."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--day",
            type=date.fromisoformat,
            help="judge the expiry by the latest night that was finished up to this day "
            "(today unless told)",
        )
        parser.add_argument(
            "--range-size", type=_positive, default=20_000, help="members per statement"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        day = options["day"] or timezone.localdate()
        report = verification.Report()
        told = 0
        with progress(total=Account.objects.count(), unit="members") as advance:
            for members in nightly.differences_by_range(
                report=report, day=day, size=options["range_size"]
            ):
                advance(members)
                for line in nightly.told(report.differences[told:]):
                    self.stdout.write(",".join(line))
                told = len(report.differences)
        if told:
            raise CommandError(f"{told} differences in {report.members} accounts")
        self.stdout.write(f"{report.members} accounts, no difference")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number
