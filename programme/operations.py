"""What can be done with the rulebook: load a file, or draft, save, discard and publish."""

from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from common import audit
from common.errors import DomainError, Invalid, NotFound
from common.models import Approval, ApprovalState, User
from common.schemas import Problem
from programme import checks, documents, logos, queries, sections
from programme.models import Draft, DraftState, Logo, Programme, Version


class AnotherProgramme(DomainError):
    code = "another_programme"
    message = _("This installation runs the programme “%(installed)s”, not “%(given)s”.")


class VersionTaken(DomainError):
    code = "version_taken"
    message = _("Another version is already valid from %(day)s.")


class NoVersion(DomainError):
    code = "no_version"
    message = _("There is no rulebook yet. Load a programme first.")


class FirstDayPassed(Invalid):
    code = "first_day_passed"
    message = _("The first day must lie ahead: %(earliest)s or later.")


class DraftNotOpen(DomainError):
    code = "draft_not_open"
    message = _("This draft cannot be changed any more: %(state)s.")


class DraftWaits(DomainError):
    code = "draft_waits"
    message = _("This draft waits for its approval. To go on with it, the request is withdrawn.")


class DraftChanged(DomainError):
    code = "draft_changed"
    message = _("Somebody saved this draft meanwhile. Open it anew to see what it says now.")


class DraftOutdated(DomainError):
    code = "draft_outdated"
    message = _("%(version)s was published since this draft was begun. Compare them first.")


class DraftSaysNothing(DomainError):
    code = "draft_says_nothing"
    message = _("The draft says the same as %(version)s.")


class DraftRefused(Invalid):
    code = "draft_refused"
    message = _("The rule check found a mistake: %(finding)s")


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
    before_writing = transaction.savepoint()
    version = _write(document)
    # Compared as the database holds them: “1.50” in a file says the same as “1.5”.
    if newest is not None and queries.export(newest) == queries.export(version):
        transaction.savepoint_rollback(before_writing)
        return Loaded(newest, unchanged=True)
    transaction.savepoint_commit(before_writing)

    published = Version.objects.exclude(published_at=None)
    if published.filter(valid_from=version.valid_from).exists():
        raise VersionTaken(day=version.valid_from)
    # Published last: from here on the database refuses any change to it and what hangs on it.
    Version.objects.filter(pk=version.pk).update(published_at=published_at, published_by=by)
    version.refresh_from_db()
    audit.record(action="version.published", target=f"{programme.code} v{version.number}", by=by)
    transaction.on_commit(queries.forget_cached)
    return Loaded(version, unchanged=False)


@transaction.atomic
def set_logo(*, file: bytes, by: User, at: datetime) -> Logo:
    """
    Have members see a picture from now on.

    :raises logos.NoPicture, logos.PictureTooLarge, logos.PictureTooSmall: if it is none for us
    :raises NoVersion: if no programme is installed
    """
    image, width, height = logos.drawn(file)
    installed = _installed()
    logo, _created = Logo.objects.get_or_create(
        digest=sha256(image).hexdigest(),
        defaults={
            "image": image, "width": width, "height": height, "created_by": by, "created_at": at,
        },
    )  # fmt: skip
    _show(installed, logo, by=by)
    return logo


@transaction.atomic
def remove_logo(*, by: User) -> None:
    """:raises NoVersion: if no programme is installed"""
    _show(_installed(), None, by=by)


def _installed() -> Programme:
    if not Programme.objects.exists():
        raise NoVersion
    return _hold_programme()


def _show(installed: Programme, logo: Logo | None, *, by: User) -> None:
    installed.logo = logo
    installed.save(update_fields=["logo"])
    details = {"digest": logo.digest if logo else ""}
    audit.record(action="logo.set", target=installed.code, by=by, details=details)
    transaction.on_commit(queries.forget_cached)


# --- Drafts ---------------------------------------------------------------------------------------


@transaction.atomic
def start_draft(
    *, by: User, at: datetime, source: Version | None = None, document: Any = None
) -> Draft:
    """
    Begin a draft that says what a version says, or a document, to be valid from the next free day.

    :param source: the newest version unless told; what the draft follows is the newest all the same
    :param document: of a file, with a first day of its own
    :raises NoVersion: if no rulebook was published yet
    :raises documents.InvalidProgramme: if the document could not be loaded
    """
    newest = queries.newest_version()
    if newest is None:
        raise NoVersion
    taken_from = source or newest
    if document is None:
        first_day = queries.next_free_day(at).isoformat()
        document = queries.export(taken_from) | {"valid_from": first_day, "note": ""}
    draft = Draft.objects.create(
        based_on=newest,
        document=_as_loaded(document, at=at, before=None),
        created_by=by,
        created_at=at,
        changed_by=by,
        changed_at=at,
    )
    _record_draft(draft, "started", by=by, details={"taken_from": taken_from.number})
    return draft


@transaction.atomic
def save_draft(*, draft_id: int, document: Any, revision: int, by: User, at: datetime) -> Draft:
    """
    Keep what a draft says now. Only what could be loaded is kept.

    :param revision: which one was edited
    :raises documents.InvalidProgramme: with all that breaks the schema, or the first nonsense
    :raises DraftChanged: if somebody saved another revision meanwhile
    :raises NotFound, DraftNotOpen, DraftWaits: if it cannot be changed
    """
    draft = _draft_to_change(draft_id, revision)
    loaded = _as_loaded(document, at=at, before=draft.document)
    documents.require_known(loaded, before=draft.document)
    if loaded == draft.document:
        return draft
    draft.document = loaded
    _touch(draft, by=by, at=at)
    _record_draft(draft, "saved", by=by, details={"revision": draft.revision})
    return draft


@transaction.atomic
def follow_newest(*, draft_id: int, revision: int, by: User, at: datetime) -> Draft:
    """
    Note that whoever drafts has seen the newest version and what the draft would change of it.

    :raises NotFound, DraftNotOpen, DraftWaits, DraftChanged: as `save_draft`
    """
    draft = _draft_to_change(draft_id, revision)
    newest = queries.newest_version()
    assert newest is not None, "a draft is based on one"
    draft.based_on = newest
    _touch(draft, by=by, at=at)
    _record_draft(draft, "compared", by=by, details={"with": newest.number})
    return draft


@transaction.atomic
def discard_draft(*, draft_id: int, by: User, at: datetime) -> Draft:
    """:raises NotFound, DraftNotOpen, DraftWaits: as `save_draft`"""
    draft = _draft_to_change(draft_id)
    draft.state = DraftState.DISCARDED
    draft.changed_by, draft.changed_at = by, at
    draft.save(update_fields=["state", "changed_by", "changed_at"])
    _record_draft(draft, "discarded", by=by)
    return draft


@transaction.atomic
def hold_draft(*, draft_id: int, revision: int, at: datetime) -> Draft:
    """
    Keep others from changing a draft that is about to be asked for; see `require_publishable`.

    :raises NotFound, DraftNotOpen, DraftWaits, DraftChanged: as `save_draft`
    """
    draft = _draft_to_change(draft_id, revision)
    _require_publishable(draft, at=at)
    return draft


@transaction.atomic
def note_request(*, draft_id: int, approval: Approval) -> None:
    """From now on the draft waits for its approval."""
    Draft.objects.filter(pk=draft_id).update(approval=approval)


@transaction.atomic
def publish_draft(*, draft_id: int, revision: int, at: datetime, by: User) -> Version:
    """
    Make the newest version of a draft whose request was approved in this transaction.

    :raises NotFound, DraftNotOpen, DraftChanged: if it is not what was asked for
    :raises FirstDayPassed: if its first day came while it waited
    :raises VersionTaken: if another version begins on that day
    :raises DraftOutdated: if another version was published since
    :raises DraftRefused: if it would now break what is in use
    """
    draft = _locked_draft(draft_id)
    if draft.revision != revision:
        raise DraftChanged
    # Two who publish stand in line here, and the second sees what the first has done.
    _hold_programme()
    _require_publishable(draft, at=at)
    draft.version = load(document=draft.document, published_at=at, by=by).version
    draft.state = DraftState.PUBLISHED
    draft.save(update_fields=["version", "state"])
    return draft.version


def _require_publishable(draft: Draft, *, at: datetime) -> None:
    newest = queries.newest_version()
    assert newest is not None, "a draft is based on one"
    if draft.based_on_id != newest.pk:
        raise DraftOutdated(version=newest)
    day = date.fromisoformat(draft.document["valid_from"])
    _require_first_day(day, at=at)
    before = queries.export(newest)
    if _what_it_rules(draft.document) == _what_it_rules(before):
        raise DraftSaysNothing(version=newest)
    for finding in checks.run(draft.document):
        if finding.severity is checks.Severity.MISTAKE:
            raise DraftRefused(finding=finding.text)


def _what_it_rules(document: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in document.items() if name not in ("valid_from", "note")}


def _require_first_day(day: date, *, at: datetime) -> None:
    """What has begun was judged already: a version is published before its first day begins."""
    earliest = queries.earliest_first_day(at)
    if day < earliest:
        raise FirstDayPassed(earliest=earliest)
    if Version.objects.exclude(published_at=None).filter(valid_from=day).exists():
        raise VersionTaken(day=day)


def _as_loaded(document: Any, *, at: datetime, before: dict[str, Any] | None) -> dict[str, Any]:
    """
    Return a document as the database would hold it, having tried.

    :param before: what the draft said; a first day that stays as it was is not looked at
    """
    documents.require_valid(document)
    installed = _hold_programme()
    code = document["programme"]["code"]
    if code != installed.code:
        refusal = AnotherProgramme(installed=installed.code, given=code)
        raise documents.InvalidDocument(Problem(("programme", "code"), refusal.sentence))
    if before is None or document["valid_from"] != before["valid_from"]:
        try:
            _require_first_day(date.fromisoformat(document["valid_from"]), at=at)
        except (FirstDayPassed, VersionTaken) as refusal:
            problem = Problem(("valid_from",), refusal.sentence)
            raise documents.InvalidDocument(problem) from refusal
    before_writing = transaction.savepoint()
    try:
        written = queries.export(_write(document))
    except documents.InvalidProgramme as refusal:
        raise documents.InvalidDocument(refusal.problem()) from refusal
    finally:
        transaction.savepoint_rollback(before_writing)
    return written | {"programme": document["programme"]}


def _draft_to_change(draft_id: int, revision: int | None = None) -> Draft:
    draft = _locked_draft(draft_id)
    if draft.approval and draft.approval.state == ApprovalState.PENDING:
        raise DraftWaits
    if revision not in (None, draft.revision):
        raise DraftChanged
    return draft


def _locked_draft(draft_id: int) -> Draft:
    drafts = Draft.objects.select_for_update(of=("self",), no_key=True)
    draft = drafts.select_related("approval").filter(pk=draft_id).first()
    if draft is None:
        raise NotFound
    if draft.state != DraftState.OPEN:
        raise DraftNotOpen(state=draft.get_state_display())
    return draft


def _touch(draft: Draft, *, by: User, at: datetime) -> None:
    draft.revision += 1
    draft.changed_by, draft.changed_at = by, at
    draft.save(update_fields=["based_on", "document", "revision", "changed_by", "changed_at"])


def _record_draft(
    draft: Draft, verb: str, *, by: User, details: dict[str, Any] | None = None
) -> None:
    target = f"{draft.document['programme']['code']} {draft}"
    audit.record(action=f"draft.{verb}", target=target, by=by, details=details)


# --- Both -----------------------------------------------------------------------------------------


def _write(document: dict[str, Any]) -> Version:
    """Write a document as a version that is not published; whoever calls holds the programme."""
    latest = Version.objects.aggregate(number=Max("number"))["number"]
    version = Version.objects.create(
        number=(latest or 0) + 1,
        valid_from=date.fromisoformat(document["valid_from"]),
        policies=document["policies"],
        note=document["note"],
    )
    for section in sections.all_sections():
        section.load(version, document.get(section.name, section.default))
    return version


def _install(content: dict[str, Any]) -> Programme:
    content = {"contact": {}, "questions": [], **content}
    # Two loads at once: the second waits here or at the lock, then finds what the first installed.
    Programme.objects.bulk_create([Programme(**content)], ignore_conflicts=True)
    installed = _hold_programme()
    if installed.code != content["code"]:
        raise AnotherProgramme(installed=installed.code, given=content["code"])
    for name, value in content.items():
        setattr(installed, name, value)
    installed.save(update_fields=list(content))
    return installed


def _hold_programme() -> Programme:
    return Programme.objects.select_for_update().get()
