import hashlib
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.http import parse_etags
from django.utils.timezone import localdate
from drf_spectacular.utils import OpenApiParameter

from common.api.fields import Day, OneOf
from common.api.pagination import InvalidCursor, PageParameters, cursor_at, page, position_of
from common.api.parameters import Parameters
from common.api.rendering import respond
from common.api.request import Request
from common.api.schema import describe, example, link
from common.api.views import ApiView
from common.personal import NamesSomebody
from members import queries as members
from members.queries import (
    MemberClosed,
    MemberFrozen,
    MemberNotActivated,
    SpendingStopped,
    UnknownMember,
)
from partners.api.authentication import caller
from partners.models import Scope
from partners.queries import UnknownStore
from points import operations, queries
from points.api.documents import (
    AccountAnswer,
    CancellationAnswer,
    CancellationInput,
    EntryPage,
    RedemptionAnswer,
    RedemptionInput,
    RedemptionRecord,
    account_answer,
    cancellation_answer,
    entry_answer,
    redeemed,
    redemption_answer,
    redemption_record,
)
from points.models import EntryKind
from points.operations import Source
from programme import queries as programme
from programme.queries import NoRulebook

ETAG = OpenApiParameter(
    "ETag", str, OpenApiParameter.HEADER, response=[200, 304],
    description="Names this state of the account.",
)  # fmt: skip
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER,
    description="The ETag you have: 304 without a body if nothing has changed.",
)  # fmt: skip


class AccountParameters(Parameters):
    as_of = Day(required=False, help_text="As of the end of this day; now by default.")


class Account(ApiView):
    scopes = {"GET": Scope.POINTS_READ}
    parameters = {"GET": AccountParameters}

    @describe(
        summary="Read a member's account",
        answers={200: AccountAnswer, 304: (None, "Nothing has changed.")},
        parameters=[AccountParameters, IF_NONE_MATCH, ETAG],
        refusals=[UnknownMember],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        member = members.identify(number)
        now = timezone.now()
        summary = queries.account_summary(
            member.id, today=localdate(now), as_of=self.query.get("as_of"), at=now
        )
        response = respond(account_answer(summary, member=member.number))
        etag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        if _is_among(etag, request.META.get("HTTP_IF_NONE_MATCH", "")):
            response = HttpResponse(status=HTTPStatus.NOT_MODIFIED)
            del response["Content-Type"]
        response["ETag"] = etag
        return response


class EntriesParameters(PageParameters):
    kind = OneOf(EntryKind.values, required=False)
    # `from` is a keyword of Python's; the other way to name a field is in the mapping below.
    to = Day(required=False, help_text="The last day, inclusive.")

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | {"from": Day(required=False, help_text="The first day.")}


class EntryList(ApiView):
    scopes = {"GET": Scope.POINTS_READ}
    parameters = {"GET": EntriesParameters}

    @describe(
        summary="Read a member's entries",
        description=(
            "Latest posting first. A dealer sees what its own organization posted, a client of "
            "some stores what these posted, the brand all. Who sees a line also sees the other "
            "side of it, by number: it posted it for both."
        ),
        answers={200: EntryPage},
        parameters=[EntriesParameters],
        refusals=[UnknownMember, InvalidCursor],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        by = caller(request)
        member = members.identify(number)
        cursor = self.query.get("cursor")
        entries, more = page(
            queries.statement(
                member.id,
                kinds=[self.query["kind"]] if "kind" in self.query else (),
                since=self.query.get("from"),
                until=self.query.get("to"),
                before=position_of(cursor) if cursor else None,
                issuer_id=None if by.is_brand else by.organization_id,
                only_stores=by.only_stores,
            ),
            limit=self.query["limit"],
        )
        counterparts = {entry.counterpart_id for entry in entries if entry.counterpart_id}
        numbers = members.numbers_of(counterparts)
        return respond(
            EntryPage(
                results=[
                    entry_answer(entry, member=member.number, numbers=numbers) for entry in entries
                ],
                next_cursor=cursor_at(entries[-1].seq) if more else None,
            )
        )


class RedemptionList(ApiView):
    scopes = {"POST": Scope.POINTS_REDEEM}
    links = {
        "redemption": link("get_redemptions_reference", reference="reference"),
        "cancellation": link("post_redemptions_reference_cancellations", reference="reference"),
        "account": link("get_members_number_account", number="member"),
    }

    @describe(
        summary="Redeem points",
        description="Earliest expiry first. Repeating a reference answers 200 with the first one.",
        body=RedemptionInput,
        answers={201: RedemptionAnswer, 200: (RedemptionAnswer, "Redeemed before.")},
        refusals=[
            UnknownStore,
            UnknownMember,
            MemberFrozen,
            MemberClosed,
            MemberNotActivated,
            SpendingStopped,
            operations.InvalidNote,
            NamesSomebody,
            operations.DatedInFuture,
            operations.InsufficientPoints,
            operations.AccountMerged,
            operations.AccountMoved,
            operations.ReferenceReused,
        ],
        examples=[
            example(
                "Twenty points",
                {"reference": "X-1", "member": "M0000000018", "store": "SH-PD", "points": 20},
            )
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        body = RedemptionInput.read(request.data)
        by = caller(request)
        now = timezone.now()
        store_id = by.store_id(body["store"])
        member = members.identify(body["member"])
        at = body.get("at", now)
        posting = operations.redeem(
            member=member,
            points=body["points"],
            at=at,
            now=now,
            reference=body["reference"],
            source=Source(issuer_id=by.organization_id, store_id=store_id, client_id=by.client_id),
            note=body.get("note", ""),
            pooled=body.get("pool", False),
        )
        if posting.replayed:
            first = queries.redemption(issuer_id=by.organization_id, reference=body["reference"])
            return respond(redemption_answer(first, member=member.number))
        return respond(redeemed(posting, body, member=member.number, at=at), status=201)


class RedemptionDetail(ApiView):
    scopes = {"GET": Scope.POINTS_READ}

    @describe(
        summary="Read a redemption",
        description="By your reference, with its cancellations.",
        answers={200: RedemptionRecord},
        refusals=[queries.UnknownRedemption],
    )
    def get(self, request: Request, reference: str) -> HttpResponse:
        by = caller(request)
        redemption = queries.redemption(
            issuer_id=by.organization_id, reference=reference, only_stores=by.only_stores
        )
        member = members.identity_of(redemption.member_id)
        cancellations = queries.reinstatements(redemption)
        return respond(
            redemption_record(redemption, member=member.number, cancellations=cancellations)
        )


class CancellationList(ApiView):
    scopes = {"POST": Scope.POINTS_REDEEM}
    links = {"redemption": link("get_redemptions_reference", reference="redemption")}

    @describe(
        summary="Cancel a redemption",
        description=(
            "Gives points back to the lots they came from, those that lapse last first. None "
            "lapses at once: the rulebook of the day says how long they stay at least. Repeating a "
            "reference answers 200 with the first cancellation."
        ),
        body=CancellationInput,
        answers={201: CancellationAnswer, 200: (CancellationAnswer, "Cancelled before.")},
        refusals=[
            queries.UnknownRedemption,
            MemberClosed,
            NoRulebook,
            operations.NothingToReinstate,
            operations.InvalidNote,
            NamesSomebody,
            operations.DatedInFuture,
            operations.DatedBeforeOriginal,
            operations.AccountMerged,
            operations.AccountMoved,
            operations.ReferenceReused,
        ],
        examples=[
            example("All that is left of it", {"reference": "X-1-1"}),
            example("A part", {"reference": "X-1-2", "points": 5}),
        ],
    )
    def post(self, request: Request, reference: str) -> HttpResponse:
        body = CancellationInput.read(request.data)
        by = caller(request)
        now = timezone.now()
        redemption = queries.redemption(
            issuer_id=by.organization_id, reference=reference, only_stores=by.only_stores
        )
        at = body.get("at", now)
        rulebook = programme.rulebook_on(localdate(at))
        posting = operations.reinstate(
            member=members.identity_of(redemption.member_id),
            of=redemption,
            points=body.get("points"),
            at=at,
            now=now,
            reference=body["reference"],
            source=Source(
                issuer_id=by.organization_id,
                store_id=redemption.store_id,
                client_id=by.client_id,
                version_id=rulebook.id,
            ),
            floor_days=rulebook.policies.reinstatement_days,
            note=body.get("note", ""),
        )
        posted = queries.cancellation(issuer_id=by.organization_id, reference=body["reference"])
        member = members.identity_of(posted.member_id)
        answer = cancellation_answer(posted, member=member.number, redemption=reference)
        return respond(answer, status=200 if posting.replayed else 201)


def _is_among(etag: str, if_none_match: str) -> bool:
    given = parse_etags(if_none_match)
    return given == ["*"] or etag in (each.removeprefix("W/") for each in given)
