"""
A batch as it comes in: one document a line, NDJSON or CSV.

Lines are cut at line feeds before anything is read, so a line that cannot be read (half a
character, a quote left open) refuses itself and no other. The price: a cell has no line breaks,
which no field of ours may have anyway.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Any

import msgspec
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser

from campaigns.api.activity_documents import ActivityInput
from campaigns.api.documents import PurchaseInput, ReturnInput
from campaigns.batches import Posted
from common.api.errors import NotValid, flattened, shown
from common.api.fields import Document, OneOf, reference
from common.api.parsing import BODY_MAX, Malformed, parse, require_utf8
from common.api.rendering import Answer
from common.api.schema import Place
from common.errors import DomainError, Invalid
from common.tables import Formula, RaggedRow
from points.api.documents import RedemptionInput, entry_name

NDJSON = "application/x-ndjson"
CSV = "text/csv"

BYTES_MAX = 10_000_000
LINES_MAX = 10_000

# A longer one is no reference, and need not be told back.
REFERENCE_SHOWN_MAX = 64

# What each row of a CSV must tell, one of what makes it a purchase or an activity, and what it may.
REQUIRED = ("reference", "member", "store")
EITHER = ("amount", "activity")
OPTIONAL = ("at", "channel", "line", "category", "product", "line_amount")
# What all rows of one document tell alike.
SHARED = ("member", "store", "at", "amount", "channel")

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class TooManyLines(DomainError):
    code = "too_many_lines"
    message = _("A batch has at most %(limit)s lines, this one has %(lines)s.")
    status = 413


class MalformedLine(DomainError):
    code = "malformed"
    message = _("The line cannot be read.")
    status = 400


class LineTooLong(DomainError):
    code = "body_too_large"
    message = _("The line is larger than %(limit)s bytes.")
    status = 413


class UnknownHeader(Invalid):
    code = "unknown_columns"
    message = _(
        "The first line names the columns, each once: %(required)s; optional: %(optional)s."
    )


class RowsDiffer(Invalid):
    code = "rows_differ"
    message = _("The rows of one document differ in “%(column)s”.")


def _type(name: str) -> OneOf:
    return OneOf([name], help_text="What the line is.")


class PurchaseLine(PurchaseInput):
    type = _type("purchase")


class ReturnLine(ReturnInput):
    type = _type("return")
    purchase = reference(help_text="The purchase of which something comes back.")


class ActivityLine(ActivityInput):
    type = _type("activity")


class RedemptionLine(RedemptionInput):
    type = _type("redemption")


TYPES: dict[str, type[Document]] = {
    "purchase": PurchaseLine,
    "return": ReturnLine,
    "activity": ActivityLine,
    "redemption": RedemptionLine,
}


class AnyLine(Document):
    """Says what is wrong with a `type` that is none of ours."""

    type = OneOf(list(TYPES))


@dataclass(frozen=True, slots=True)
class Read:
    """
    A line as it was read: the values of its document, or why it is refused.

    `number` counts all lines from 1, in a CSV the header, too. `reference` is what stands there,
    for the answer, even where the document is refused.
    """

    number: int
    type: str | None
    reference: str | None
    body: dict[str, Any] = field(default_factory=dict)
    refusal: DomainError | None = None


class BatchParser(BaseParser):
    """Reads the bytes; the view reads the lines, when it knows how many there are."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """
        Return the lines that are not blank, each with its number.

        :raises Malformed: if there are none
        :raises TooManyLines: if there are too many
        """
        require_utf8(media_type or self.media_type)
        body: bytes = stream.read(BYTES_MAX).removeprefix(BYTE_ORDER_MARK)
        lines = [
            (number, line)
            for number, line in enumerate(body.split(b"\n"), start=1)
            if line.strip(b" \t\r")
        ]
        if not lines:
            raise Malformed
        if len(lines) > LINES_MAX:
            raise TooManyLines(limit=LINES_MAX, lines=len(lines))
        return lines


class NdjsonParser(BatchParser):
    media_type = NDJSON


class CsvParser(BatchParser):
    media_type = CSV


# --- NDJSON ---------------------------------------------------------------------------------------


def read_ndjson(lines: Sequence[tuple[int, bytes]]) -> Iterator[Read]:
    for number, line in lines:
        try:
            document = _json(line)
        except DomainError as refusal:
            yield Read(number, None, None, refusal=refusal)
        else:
            yield _checked(number, document)


def _json(line: bytes) -> Any:
    if len(line) > BODY_MAX:
        raise LineTooLong(limit=BODY_MAX)
    try:
        return parse(line)
    except Malformed as error:
        raise MalformedLine from error


def _checked(number: int, document: Any) -> Read:
    """Read a line with the reader of its type."""
    given = document if isinstance(document, dict) else {}
    kind = _text_or_none(given.get("type"))
    reader = TYPES.get(kind or "", AnyLine)
    if reader is AnyLine and isinstance(document, dict):
        # The other fields are not at fault.
        document = {name: document[name] for name in ("type",) if name in document}
    named = _text_or_none(given.get("reference"))
    try:
        return Read(number, kind, named, body=reader.read(document))
    except ValidationError as error:
        return Read(number, kind, named, refusal=NotValid(list(flattened(error.detail))))


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= REFERENCE_SHOWN_MAX else None


# --- CSV ------------------------------------------------------------------------------------------


def read_csv(lines: Sequence[tuple[int, bytes]]) -> Iterator[Read]:
    """
    Read purchases and activities, a row each; rows of one reference that name a `line` are one
    purchase.

    :raises UnknownHeader: if the first line is no header of ours
    """
    header = _header(lines[0][1])
    rows: dict[str | int, list[_Row]] = {}
    faults = []
    for number, line in lines[1:]:
        try:
            row = _Row(number, _cells(line, header))
        except DomainError as refusal:
            faults.append(Read(number, "purchase", None, refusal=refusal))
        else:
            rows.setdefault(row.document, []).append(row)
    read = [
        _activity(of_one[0]) if "activity" in of_one[0].cells else _purchase(of_one)
        for of_one in rows.values()
    ]
    yield from sorted(read + faults, key=lambda each: each.number)


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    # Column → text; empty ones are left out.
    cells: Mapping[str, str]

    @property
    def document(self) -> str | int:
        """What the row is part of: the document of its reference, or one of its own."""
        if "line" not in self.cells or "activity" in self.cells:
            return self.number
        return self.cells.get("reference", self.number)


def _header(line: bytes) -> list[str]:
    try:
        names = [name.strip() for name in _split(line)]
    except MalformedLine:
        names = []
    is_ours = set(REQUIRED) <= set(names) <= {*REQUIRED, *EITHER, *OPTIONAL}
    if not is_ours or set(EITHER).isdisjoint(names) or len(set(names)) != len(names):
        required = (*REQUIRED, "/".join(EITHER))
        raise UnknownHeader(required=", ".join(required), optional=", ".join(OPTIONAL))
    return names


def _cells(line: bytes, header: Sequence[str]) -> dict[str, str]:
    cells = [cell.strip(" ") for cell in _split(line)]
    if len(cells) < len(header) or any(cells[len(header) :]):
        raise RaggedRow(cells=len(cells), columns=len(header))
    # Some programs keep the zeros of a number by ="007".
    if any(cell.startswith("=") for cell in cells):
        raise Formula
    return {name: cell for name, cell in zip(header, cells, strict=False) if cell}


def _split(line: bytes) -> list[str]:
    if len(line) > BODY_MAX:
        raise LineTooLong(limit=BODY_MAX)
    try:
        [cells] = csv.reader([line.decode().rstrip("\r")], strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise MalformedLine from error
    return cells


def _activity(row: _Row) -> Read:
    """Read an activity as the single call would: what only purchases have is a field too many."""
    named = _text_or_none(row.cells.get("reference"))
    try:
        return Read(row.number, "activity", named, body=ActivityInput.read(dict(row.cells)))
    except ValidationError as error:
        return Read(row.number, "activity", named, refusal=NotValid(list(flattened(error.detail))))


def _purchase(rows: Sequence[_Row]) -> Read:
    """Put a purchase together and read it as the single call would."""
    first = rows[0].cells
    named = _text_or_none(first.get("reference"))
    number = rows[0].number
    for column in SHARED:
        if any(row.cells.get(column) != first.get(column) for row in rows):
            return Read(number, "purchase", named, refusal=RowsDiffer(column=column))
    document: dict[str, Any] = {
        name: first[name] for name in ("reference", *SHARED) if name in first
    }
    lines = [_line(row.cells) for row in rows]
    if any(lines):
        document["lines"] = lines
    try:
        return Read(number, "purchase", named, body=PurchaseInput.read(document))
    except ValidationError as error:
        return Read(number, "purchase", named, refusal=NotValid(list(flattened(error.detail))))


def _line(cells: Mapping[str, str]) -> dict[str, str]:
    """The line a row tells of; one that tells only what it is is about all of its document."""
    names = {"line": "line", "category": "category", "product": "product", "line_amount": "amount"}
    told = {names[name]: cells[name] for name in names if name in cells}
    if told and not {"line", "amount"} & told.keys():
        return {"line": "1", "amount": cells.get("amount", ""), **told}
    return told


# --- Answers --------------------------------------------------------------------------------------


class LineOutcome(Answer, omit_defaults=True):
    """
    What became of a line, as its single call would have answered; fields that say nothing are
    left out.

    `points`: what the purchase or activity is worth, what the return takes of it, what was spent.
    """

    # From 1; in a CSV the header counts, and a document of several rows stands at its first.
    line: int
    # 201 posted, 200 posted before, 503 to be sent again, otherwise refused.
    status: int
    type: str | None = None
    reference: str | None = None
    entry: str | None = None
    points: int | None = None
    balance_after: int | None = None
    code: str | None = None
    detail: str | None = None
    details: dict[str, int | str] | None = None
    errors: list[Place] | None = None


class BatchCounts(Answer):
    """`try_again`: how many lines to send once more, alone or with all the others."""

    posted: int
    repeated: int
    try_again: int
    refused: int


class BatchAnswer(Answer):
    counts: BatchCounts
    results: list[LineOutcome]


def refused(read: Read, refusal: DomainError) -> LineOutcome:
    errors = getattr(refusal, "errors", None)
    return LineOutcome(
        line=read.number,
        status=refusal.status,
        type=read.type,
        reference=read.reference,
        code=refusal.code,
        detail=refusal.sentence,
        details=shown(refusal.details) or None,
        errors=errors and [msgspec.convert(error, Place) for error in errors],
    )


def posted(read: Read, done: Posted) -> LineOutcome:
    posting = done.posting
    return LineOutcome(
        line=read.number,
        status=HTTPStatus.OK if done.replayed else HTTPStatus.CREATED,
        type=read.type,
        reference=read.reference,
        entry=entry_name(done.member, posting.seq) if posting else None,
        points=done.points,
        balance_after=posting.balance_after if posting else None,
    )


def batch_answer(results: Sequence[LineOutcome]) -> BatchAnswer:
    statuses = Counter(result.status for result in results)
    return BatchAnswer(
        counts=BatchCounts(
            posted=statuses.pop(HTTPStatus.CREATED, 0),
            repeated=statuses.pop(HTTPStatus.OK, 0),
            try_again=statuses.pop(HTTPStatus.SERVICE_UNAVAILABLE, 0),
            refused=statuses.total(),
        ),
        results=list(results),
    )
