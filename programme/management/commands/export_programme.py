from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from programme import documents, queries
from programme.models import Version


class Command(BaseCommand):
    help = "Print a version of the programme as the YAML that load_programme reads."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--version-number", type=int, help="default: the newest")

    def handle(self, *args: Any, **options: Any) -> None:
        versions = Version.objects.order_by("-number")
        if options["version_number"] is not None:
            versions = versions.filter(number=options["version_number"])
        version = versions.first()
        if version is None:
            raise CommandError("There is no such version. Load a programme first.")
        self.stdout.write(documents.render(queries.export(version)), ending="")
