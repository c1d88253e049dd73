import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.errors import DomainError
from partners import operations
from partners.models import Scope


class Command(BaseCommand):
    help = "Give a dealer's system its credentials, printed once as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="CODE")
        parser.add_argument("--name", required=True)
        parser.add_argument(
            "--scopes", default=" ".join(Scope.values), help=f"Of: {' '.join(Scope.values)}"
        )
        parser.add_argument(
            "--stores", default="", help="Codes; all of the organization's if none."
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            credentials = operations.create_api_client(
                organization=options["organization"],
                name=options["name"],
                scopes=options["scopes"].split(),
                stores=options["stores"].split(),
            )
        except DomainError as refused:
            raise CommandError(str(refused)) from refused
        answer = {"client_id": credentials.client_id, "client_secret": credentials.secret}
        self.stdout.write(json.dumps(answer))
