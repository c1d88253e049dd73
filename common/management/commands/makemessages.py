from pathlib import Path
from typing import Any

import polib
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import to_locale

from common import catalogues

SOURCE_LANGUAGE = "en"


class Command(BaseCommand):
    """In the place of Django's own, which needs the xgettext binary."""

    help = "Bring locale/*/LC_MESSAGES/django.po up to the sources; new texts wait for translation."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="Change nothing; fail if a text is not translated."
        )

    def handle(self, *, check: bool, **_options: Any) -> None:
        found = catalogues.extract(settings.BASE_DIR, [*settings.ROOMS, "templates"])
        said = []
        for path in catalogue_files():
            catalogue = _open(path)
            if not check:
                catalogues.update(found, catalogue)
                path.parent.mkdir(parents=True, exist_ok=True)
                catalogue.save(str(path))
            waiting = catalogues.problems(found, catalogue)
            said += [f"{path.relative_to(settings.BASE_DIR)}: {problem}" for problem in waiting]
        for problem in said:
            self.stdout.write(problem)
        if check and said:
            raise CommandError(f"{len(said)} texts need a translator.")


def catalogue_files() -> list[Path]:
    """One catalogue for each language but the one the sources are written in."""
    return [
        Path(settings.LOCALE_PATHS[0]) / to_locale(code) / "LC_MESSAGES" / "django.po"
        for code, _name in settings.LANGUAGES
        if code != SOURCE_LANGUAGE
    ]


def _open(path: Path) -> polib.POFile:
    if path.exists():
        return polib.pofile(str(path), wrapwidth=100)
    catalogue = polib.POFile(wrapwidth=100)
    catalogue.metadata = {
        "Language": path.parent.parent.name,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": "nplurals=1; plural=0;",
    }
    return catalogue
