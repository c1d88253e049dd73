from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from common import resealing
from common.fields import newest_key_id
from common.progress import progress


class Command(BaseCommand):
    help = """Seal personal data anew with the first key of FIELD_KEYS.

Put the new key in front of the old ones, restart every process, run this, and take the old keys
out when it says that nothing is left. It may be interrupted and run again, and beside the site."""

    def handle(self, *args: Any, **options: Any) -> None:
        columns = resealing.sealed_columns()
        left = {column: resealing.values_left(column) for column in columns}
        try:
            with progress(total=sum(left.values()), unit="values") as advance:
                for column in columns:
                    for values in resealing.reseal(column):
                        advance(values)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        for column, values in left.items():
            self.stdout.write(f"{column.label:<40}{values}")
        self.stdout.write(f"Nothing is left that key {newest_key_id()!r} has not sealed.")
