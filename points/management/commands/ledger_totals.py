import csv
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from common.errors import DomainError
from members.queries import identify_in_file
from points import queries

COLUMNS = ("as_of", "earned", "redeemed", "taken_back", "expired", "outstanding")


class Command(BaseCommand):
    help = "Print what the ledger, or one member's part of it, adds up to at the end of days (CSV)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--as-of",
            type=date.fromisoformat,
            action="append",
            metavar="DATE",
            help="the end of this day in the programme's zone (today unless told); may be repeated",
        )
        parser.add_argument("--member", metavar="NUMBER", help="member number or external number")

    def handle(self, *args: Any, **options: Any) -> None:
        member_id = None
        if options["member"] is not None:
            try:
                member_id = identify_in_file(options["member"], organization_id=None).id
            except DomainError as refusal:
                raise CommandError(str(refusal)) from refusal
        rows = csv.writer(self.stdout, lineterminator="\n")
        rows.writerow(COLUMNS)
        for day in options["as_of"] or [timezone.localdate()]:
            totals = queries.totals(as_of=day, member_id=member_id)
            rows.writerow([getattr(totals, column) for column in COLUMNS])
