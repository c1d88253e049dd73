from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import localdate

from members.nightly import check_erasures


class Command(BaseCommand):
    help = "Prove that nothing personal is left of erased members; fails if anything is."

    def handle(self, **_options: Any) -> None:
        report = check_erasures(day=localdate())
        for finding in report.get("findings", []):
            self.stdout.write(finding)
        if report["left"]:
            raise CommandError(f"{report['left']} rows still hold personal data.")
        self.stdout.write(f"{report['members']} erased members: nothing is left.")
