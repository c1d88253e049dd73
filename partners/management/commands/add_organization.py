from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from common.errors import DomainError
from partners import operations
from partners.models import OrganizationKind


class Command(BaseCommand):
    help = "Add a dealer or a partner."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code")
        parser.add_argument("--kind", required=True, choices=["DEALER", "PARTNER"])
        parser.add_argument("--name", required=True)
        parser.add_argument("--region", default="", metavar="CODE")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            organization = operations.add_organization(
                code=options["code"],
                kind=OrganizationKind(options["kind"]),
                name=options["name"],
                region=options["region"],
            )
        except (DomainError, ValidationError) as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(f"{organization.code}: {organization.name}")
