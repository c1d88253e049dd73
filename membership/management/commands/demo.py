import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from common.progress import progress
from membership.demo import building, logins, rules, shop
from programme import operations as programme


class Command(BaseCommand):
    help = (
        "Fill a sandbox with a car-owner club and two years of its life. Repeating it is harmless."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--logins",
            action="store_true",
            help="print how to get in, as JSON, and change nothing else",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.SANDBOX:
            raise CommandError("Only a sandbox (SANDBOX=true) has a demo.")
        if options["logins"]:
            self.stdout.write(json.dumps(logins.logins(), ensure_ascii=False))
            return
        run = building.begin(today=timezone.localdate())
        if run.finished_at is not None:
            self.stdout.write(f"The demo is there already; its story ends before {run.day}.")
            return
        rulebook = rules.document(today=run.day)
        programme.load(document=rulebook, published_at=timezone.now())
        staff = logins.staff()
        shop.fill(today=run.day, writer=staff["planner"], approver=staff["manager"])
        with progress(total=None, unit="events") as advance:
            for _events in building.build(
                run=run, care=staff["care"], writer=staff["planner"], approver=staff["manager"]
            ):
                advance(1)
        logins.client()
        self.stdout.write(f"{run.report['members']} members, {run.report['events']} events.")
