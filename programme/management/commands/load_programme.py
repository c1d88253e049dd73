from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from common.errors import DomainError
from programme import documents, operations

SHIPPED = Path(__file__).resolve().parents[2] / "programmes"


class Command(BaseCommand):
    help = "Load a programme by name (plain) or from a YAML file, and publish it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("programme", metavar="NAME|FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            document = documents.parse(self._text(options["programme"]))
            loaded = operations.load(document=document, published_at=timezone.now())
        except DomainError as refusal:
            raise CommandError(str(refusal)) from refusal
        code = document["programme"]["code"]
        if loaded.unchanged:
            self.stdout.write(f"{code} {loaded.version}: loaded before, nothing changed")
        else:
            self.stdout.write(
                self.style.SUCCESS(
                    f"{code} {loaded.version}: published, valid from {loaded.version.valid_from}"
                )
            )

    def _text(self, name: str) -> str:
        shipped = SHIPPED / f"{name}.yaml"
        path = shipped if shipped.parent == SHIPPED and shipped.exists() else Path(name)
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
            raise CommandError(
                f"{name} is neither a shipped programme ({names}) nor a file I can read: {error}"
            ) from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{name} is not UTF-8 text") from error
