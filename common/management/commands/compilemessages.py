from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand

from common import catalogues


class Command(BaseCommand):
    """In the place of Django's own, which needs the msgfmt binary."""

    help = "Compile the project's message catalogues. Quick when nothing has changed."
    requires_system_checks = ()

    def handle(self, **_options: object) -> None:
        sources = [path for folder in settings.LOCALE_PATHS for path in Path(folder).rglob("*.po")]
        compiled = [str(path) for path in sources if catalogues.compile_if_changed(path)]
        if compiled:
            self.stdout.write(f"Compiled {len(compiled)} of {len(sources)} catalogues.")
