"""What a member attaches to an application: checked by its content, not by its name."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from common import audit
from common.errors import Invalid, NotFound
from common.models import User
from tiers.models import NAME_MAX, Document, MediaType, Proposal

DOCUMENTS_MAX = 5
DOCUMENT_BYTES_MAX = 5_000_000
BEGINNINGS = {
    MediaType.JPEG: b"\xff\xd8\xff",
    MediaType.PNG: b"\x89PNG\r\n\x1a\n",
    MediaType.PDF: b"%PDF-",
}
SUFFIXES = {MediaType.JPEG: ".jpg", MediaType.PNG: ".png", MediaType.PDF: ".pdf"}


class TooManyDocuments(Invalid):
    code = "too_many_documents"
    message = _("Attach at most %(count)s files.")


class DocumentTooLarge(Invalid):
    code = "document_too_large"
    message = _("“%(name)s” is larger than 5 MB.")


class EmptyDocument(Invalid):
    code = "document_empty"
    message = _("“%(name)s” is empty.")


class UnknownDocumentType(Invalid):
    code = "document_type_unknown"
    message = _("“%(name)s” is no JPEG, PNG or PDF file.")


class UnknownDocument(NotFound):
    code = "unknown_document"
    message = _("There is no such document.")


@dataclass(frozen=True, slots=True)
class Attached:
    """A file as it was sent."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Checked:
    name: str
    media_type: MediaType
    content: bytes


def checked(attached: Sequence[Attached]) -> list[Checked]:
    """
    What may be kept.

    :raises TooManyDocuments: :raises DocumentTooLarge: :raises EmptyDocument: if so
    :raises UnknownDocumentType: if a file does not begin as one of the types does
    """
    if len(attached) > DOCUMENTS_MAX:
        raise TooManyDocuments(count=DOCUMENTS_MAX)
    return [_checked(each) for each in attached]


def _checked(attached: Attached) -> Checked:
    name = plain_name(attached.name)
    if not attached.content:
        raise EmptyDocument(name=name)
    if len(attached.content) > DOCUMENT_BYTES_MAX:
        raise DocumentTooLarge(name=name)
    for media_type, beginning in BEGINNINGS.items():
        if attached.content.startswith(beginning):
            return Checked(_with_suffix(name, media_type), media_type, attached.content)
    raise UnknownDocumentType(name=name)


def plain_name(sent: str) -> str:
    """The name without folders, and without what cannot be seen or turns the text around."""
    seen = "".join(c for c in sent if unicodedata.category(c)[0] != "C")
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", seen))[-1]
    return " ".join(last.split()).strip(". ") or "document"


def _with_suffix(name: str, media_type: MediaType) -> str:
    """What it is called when it is saved again must not say that it is something else."""
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name)
    suffix = SUFFIXES[media_type]
    return (stem or "document")[: NAME_MAX - len(suffix)] + suffix


def keep(proposal: Proposal, documents: Sequence[Checked], *, at: datetime) -> None:
    Document.objects.bulk_create(
        Document(
            proposal=proposal,
            place=place,
            name=each.name,
            media_type=each.media_type,
            size=len(each.content),
            content=each.content,
            added_at=at,
        )
        for place, each in enumerate(documents, start=1)
    )


@transaction.atomic
def read_document(*, proposal_id: int, place: int, by: User) -> Document:
    """
    Hand a document to staff who decide, and write down that they had it.

    :raises UnknownDocument: if there is none
    """
    found = Document.objects.select_related("proposal__member")
    document = found.filter(proposal_id=proposal_id, place=place).first()
    if document is None:
        raise UnknownDocument
    audit.record(
        action="tier.document_read",
        target=document.proposal.member.number,
        by=by,
        details={"proposal": proposal_id, "document": place},
    )
    return document
