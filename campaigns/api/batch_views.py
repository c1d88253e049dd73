from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from campaigns import batches
from campaigns.api.batches import (
    BYTES_MAX,
    CSV,
    NDJSON,
    TYPES,
    BatchAnswer,
    CsvParser,
    LineOutcome,
    NdjsonParser,
    Read,
    TooManyLines,
    UnknownHeader,
    batch_answer,
    posted,
    read_csv,
    read_ndjson,
    refused,
)
from campaigns.api.documents import lines_in
from common.api.rendering import respond
from common.api.schema import describe
from common.api.views import ApiView
from common.errors import DomainError
from partners.api import throttling
from partners.api.authentication import Caller, caller
from partners.api.permissions import HasScope
from partners.models import Scope

# What posting ten lines costs is about what one call does.
LINES_PER_CALL = 10

SCOPES = {
    "purchase": Scope.PURCHASES_WRITE,
    "return": Scope.PURCHASES_WRITE,
    "activity": Scope.PURCHASES_WRITE,
    "redemption": Scope.POINTS_REDEEM,
}

EXAMPLE_NDJSON = [
    {
        "type": "purchase",
        "reference": "R-2001",
        "member": "M0000000018",
        "store": "SH-PD",
        "at": "2026-06-15T12:00:00+08:00",
        "amount": "268.00",
    },
    {"type": "return", "purchase": "R-2001", "reference": "R-2001-1", "amount": "68.00"},
    {
        "type": "activity",
        "reference": "C-2001",
        "member": "M0000000018",
        "store": "SH-PD",
        "activity": "check-in",
    },
]
EXAMPLE_CSV = """\
reference,member,store,amount,line,category,line_amount
R-2003,M0000000018,SH-PD,268.00,1,labour,120.00
R-2003,M0000000018,SH-PD,268.00,2,parts,148.00
"""


class LineRefused(DomainError):
    """The scope of the line's single call is missing."""

    code = HasScope.code
    message = HasScope.message
    status = 403


class BatchList(ApiView):
    scopes = {"POST": (Scope.PURCHASES_WRITE, Scope.POINTS_REDEEM)}
    parser_classes: tuple[type[BaseParser], ...] = (NdjsonParser, CsvParser)
    body_max = BYTES_MAX
    # References decide what is a repeat. One transaction with the answer would hold every member
    # of the batch until its last line.
    keeps_answers = False

    @describe(
        summary="Post many documents",
        description=(
            "Up to 10,000 lines or 10 MB. Each line is answered as its single call would be; one "
            "that is refused harms no other. Sending a batch again posts what is not posted yet. "
            "As CSV: purchases and activities, with a header; rows of one reference that name a "
            "line are one purchase."
        ),
        body={
            NDJSON: PolymorphicProxySerializer(
                component_name="BatchLine",
                serializers=dict(TYPES),
                resource_type_field_name="type",
                many=True,
            ),
            CSV: {"type": "string", "pattern": r"\S"},
        },
        answers={200: BatchAnswer},
        refusals=[TooManyLines, UnknownHeader],
        examples=[
            OpenApiExample(
                "A purchase, its return and a check-in",
                value=EXAMPLE_NDJSON,
                request_only=True,
                media_type=NDJSON,
            ),
            OpenApiExample(
                "A purchase of two lines", value=EXAMPLE_CSV, request_only=True, media_type=CSV
            ),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        lines: Sequence[tuple[int, bytes]] = cast("Any", request.data)
        self._count_as(request, len(lines) // LINES_PER_CALL)
        by = caller(request)
        now = timezone.now()
        is_csv = request.content_type.partition(";")[0].strip().lower() == CSV
        read = read_csv(lines) if is_csv else read_ndjson(lines)
        return respond(batch_answer(_outcomes(list(read), by, now)))

    def _count_as(self, request: Request, calls: int) -> None:
        """Count the batch as so many calls; itself it is counted already."""
        throttle = throttling.ClientThrottle()
        # One larger than the rate would else never be let in.
        calls = min(calls, throttling.rate()[0])
        if calls > 1 and not throttle.allow_request(request, self, calls - 1):
            self.throttled(request, throttle.wait())


def _outcomes(read: list[Read], by: Caller, now: datetime) -> list[LineOutcome]:
    documents: dict[int, batches.Document] = {}
    outcomes: dict[int, LineOutcome] = {}
    for place, line in enumerate(read):
        try:
            documents[place] = _document(line, by, now)
        except DomainError as refusal:
            outcomes[place] = refused(line, refusal)
    answers = batches.post(
        documents=list(documents.values()),
        sender=batches.Sender(
            issuer_id=by.organization_id, client_id=by.client_id, only_stores=by.only_stores
        ),
        now=now,
    )
    for place, answer in zip(documents, answers, strict=True):
        line = read[place]
        if isinstance(answer, DomainError):
            outcomes[place] = refused(line, answer)
        else:
            outcomes[place] = posted(line, answer)
    return [outcomes[place] for place in range(len(read))]


def _document(line: Read, by: Caller, now: datetime) -> batches.Document:
    """
    :raises DomainError: what the line's single call would be refused with before anything is posted
    """
    if line.type in SCOPES and SCOPES[line.type] not in by.scopes:
        raise LineRefused
    if line.refusal is not None:
        raise line.refusal
    assert line.type is not None, "it was read by its type"
    return _MAKERS[line.type](line.body, by, now)


def _purchase(body: Mapping[str, Any], by: Caller, now: datetime) -> batches.Document:
    return batches.PurchaseDocument(
        member=body["member"],
        reference=body["reference"],
        at=body.get("at", now),
        at_was_given="at" in body,
        amount=body["amount"],
        lines=lines_in(body),
        channel=body.get("channel", ""),
        store_id=by.store_id(body["store"]),
    )


def _return(body: Mapping[str, Any], _by: Caller, now: datetime) -> batches.Document:
    return batches.ReturnDocument(
        purchase=body["purchase"],
        reference=body["reference"],
        at=body.get("at", now),
        amount=body["amount"],
        lines=lines_in(body),
    )


def _activity(body: Mapping[str, Any], by: Caller, now: datetime) -> batches.Document:
    return batches.ActivityDocument(
        member=body["member"],
        reference=body["reference"],
        at=body.get("at", now),
        at_was_given="at" in body,
        activity=body["activity"],
        store_id=by.store_id(body["store"]),
    )


def _redemption(body: Mapping[str, Any], by: Caller, now: datetime) -> batches.Document:
    return batches.RedemptionDocument(
        member=body["member"],
        reference=body["reference"],
        at=body.get("at", now),
        points=body["points"],
        note=body.get("note", ""),
        store_id=by.store_id(body["store"]),
    )


_MAKERS = {
    "purchase": _purchase,
    "return": _return,
    "activity": _activity,
    "redemption": _redemption,
}
