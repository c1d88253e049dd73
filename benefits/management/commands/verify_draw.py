import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from benefits.models.draws import Draw, DrawState
from benefits.queries import draws as queries


class Command(BaseCommand):
    """Derive all outcomes of a prize draw from its seed anew (docs/draws.md)."""

    help = "Derives all outcomes of a prize draw from its seed anew; can write the public file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code", help="of the draw")
        parser.add_argument("--write", type=Path, help="the file anybody can check the draw with")

    def handle(self, *_args: Any, **options: Any) -> None:
        draw = Draw.objects.filter(code=options["code"]).exclude(state=DrawState.DRAFT).first()
        if draw is None:
            raise CommandError("There is no published draw with this code.")
        found = list(queries.differences(draw))
        for each in found:
            self.stderr.write(each)
        if found:
            raise CommandError(f"{len(found)} differences.")
        self.stdout.write(f"{draw.drawn} outcomes, each as the seed says.")
        if options["write"]:
            options["write"].write_text(json.dumps(queries.published(draw), indent=1) + "\n")
