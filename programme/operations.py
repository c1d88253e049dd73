"""What can be done with the rulebook."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from common import audit
from common.errors import DomainError
from common.models import User
from programme import documents, queries, sections
from programme.models import Programme, Version


class AnotherProgramme(DomainError):
    code = "another_programme"
    message = _("This installation runs the programme “%(installed)s”, not “%(given)s”.")


class VersionTaken(DomainError):
    code = "version_taken"
    message = _("Another version is already valid from %(day)s.")


@dataclass(frozen=True, slots=True)
class Loaded:
    version: Version
    # True when the newest version said the same already and nothing was written.
    unchanged: bool


@transaction.atomic
def load(*, document: dict[str, Any], published_at: datetime, by: User | None = None) -> Loaded:
    """
    Make a document the programme's newest version and publish it. The same again changes nothing.

    :raises documents.InvalidProgramme: if the document breaks the schema
    :raises AnotherProgramme: if another programme is installed
    :raises VersionTaken: if a published version starts on the same day
    """
    documents.validate(document)
    programme = _install(document["programme"])
    newest = Version.objects.order_by("-number").first()
    before_drafting = transaction.savepoint()
    version = _draft(document, number=newest.number + 1 if newest else 1)
    # Compared as the database holds them: “1.50” in a file says the same as “1.5”.
    if newest is not None and queries.export(newest) == queries.export(version):
        transaction.savepoint_rollback(before_drafting)
        return Loaded(newest, unchanged=True)
    transaction.savepoint_commit(before_drafting)

    published = Version.objects.exclude(published_at=None)
    if published.filter(valid_from=version.valid_from).exists():
        raise VersionTaken(day=version.valid_from)
    # Published last: from here on the database refuses any change to it and what hangs on it.
    Version.objects.filter(pk=version.pk).update(published_at=published_at, published_by=by)
    version.refresh_from_db()
    audit.record(action="version.published", target=f"{programme.code} v{version.number}", by=by)
    transaction.on_commit(queries.forget_cached)
    return Loaded(version, unchanged=False)


def _draft(document: dict[str, Any], *, number: int) -> Version:
    version = Version.objects.create(
        number=number,
        valid_from=date.fromisoformat(document["valid_from"]),
        policies=document["policies"],
        note=document["note"],
    )
    for section in sections.all_sections():
        section.load(version, document.get(section.name, section.default))
    return version


def _install(content: dict[str, Any]) -> Programme:
    # Two loads at once: the second waits here or at the lock, then finds what the first installed.
    Programme.objects.bulk_create([Programme(**content)], ignore_conflicts=True)
    installed = Programme.objects.select_for_update().get()
    if installed.code != content["code"]:
        raise AnotherProgramme(installed=installed.code, given=content["code"])
    for name, value in content.items():
        setattr(installed, name, value)
    installed.save(update_fields=list(content))
    return installed
