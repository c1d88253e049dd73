from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from common.errors import DomainError
from partners import operations


class Command(BaseCommand):
    help = "Add a store to an organization."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code")
        parser.add_argument("--organization", required=True, metavar="CODE")
        parser.add_argument("--name", required=True)
        parser.add_argument("--city", default="")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            store = operations.add_store(
                code=options["code"],
                organization=options["organization"],
                name=options["name"],
                city=options["city"],
            )
        except (DomainError, ValidationError) as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(f"{store.code}: {store.name}")
