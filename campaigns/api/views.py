from django.http import HttpResponse
from django.utils import timezone

from campaigns import operations, queries
from campaigns.api.documents import (
    PurchaseAnswer,
    PurchaseInput,
    PurchaseRecord,
    QuoteAnswer,
    QuoteInput,
    ReturnAnswer,
    ReturnInput,
    VestingAnswer,
    VestingInput,
    accrued,
    lines_in,
    quoted,
    recorded,
    recorded_return,
    recorded_with_returns,
    vesting_answer,
)
from common.api.rendering import respond
from common.api.request import Request
from common.api.schema import describe, example, link
from common.api.views import ApiView
from members import queries as members
from members.queries import MemberClosed, MemberFrozen, UnknownMember
from partners.api.authentication import caller
from partners.models import Scope
from partners.queries import UnknownStore
from points import operations as points
from points.operations import Source
from programme.queries import NoRulebook

LINES = [
    {"line": "1", "category": "labour", "amount": "120.00"},
    {"line": "2", "category": "parts", "amount": "148.00"},
]
NOT_ADDED_UP = [
    operations.DuplicateLine,
    operations.InvalidLines,
    operations.LinesDoNotAddUp,
    NoRulebook,
]


class PurchaseList(ApiView):
    scopes = {"POST": Scope.PURCHASES_WRITE}
    links = {
        "purchase": link("get_purchases_reference", reference="reference"),
        "return": link("post_purchases_reference_returns", reference="reference"),
        "vesting": link("post_purchases_reference_vesting", reference="reference"),
        "account": link("get_members_number_account", number="member"),
    }

    @describe(
        summary="Post a purchase",
        description=(
            "Credits what the purchase is worth by the rules of its day. Repeating a reference "
            "answers 200 with the first purchase and credits nothing."
        ),
        body=PurchaseInput,
        answers={201: PurchaseAnswer, 200: (PurchaseAnswer, "Posted before.")},
        refusals=[
            UnknownStore,
            UnknownMember,
            MemberFrozen,
            MemberClosed,
            points.DatedInFuture,
            points.PointsOutOfRange,
            points.AccountMerged,
            points.AccountMoved,
            points.ReferenceReused,
            *NOT_ADDED_UP,
        ],
        examples=[
            example(
                "A repair",
                {
                    "reference": "R-1001",
                    "member": "M0000000018",
                    "store": "SH-PD",
                    "at": "2026-06-15T12:00:00+08:00",
                    "amount": "268.00",
                    "lines": LINES,
                },
            )
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        body = PurchaseInput.read(request.data)
        by = caller(request)
        now = timezone.now()
        store_id = by.store_id(body["store"])
        accrual = operations.accrue(
            purchase=operations.Purchase(
                member=members.identify(body["member"]),
                reference=body["reference"],
                at=body.get("at", now),
                at_was_given="at" in body,
                amount=body["amount"],
                lines=lines_in(body),
                channel=body.get("channel", ""),
                source=Source(
                    issuer_id=by.organization_id, store_id=store_id, client_id=by.client_id
                ),
            ),
            now=now,
        )
        if accrual.posted.replayed:
            first = queries.recorded_purchase(
                issuer_id=by.organization_id, reference=body["reference"]
            )
            return respond(recorded(first))
        return respond(accrued(accrual, store=body["store"]), status=201)


class PurchaseDetail(ApiView):
    scopes = {"GET": Scope.PURCHASES_READ}

    @describe(
        summary="Read a purchase",
        description="By your reference, with its returns and what of its points still waits.",
        answers={200: PurchaseRecord},
        refusals=[operations.UnknownPurchase],
    )
    def get(self, request: Request, reference: str) -> HttpResponse:
        by = caller(request)
        purchase = queries.recorded_purchase(
            issuer_id=by.organization_id, reference=reference, only_stores=by.only_stores
        )
        return respond(recorded_with_returns(purchase))


class ReturnList(ApiView):
    scopes = {"POST": Scope.PURCHASES_WRITE}

    @describe(
        summary="Post a return",
        description=(
            "Takes back what the purchase is no longer worth. An amount without lines is spread "
            "over what is left of them. Repeating a reference answers 200 with the first return."
        ),
        body=ReturnInput,
        answers={201: ReturnAnswer, 200: (ReturnAnswer, "Posted before.")},
        refusals=[
            operations.UnknownPurchase,
            operations.ReturnExceedsPurchase,
            operations.ReturnBeforePurchase,
            points.AlreadySpent,
            points.AccountMoved,
            points.DatedInFuture,
            points.ReferenceReused,
            *NOT_ADDED_UP,
        ],
        examples=[example("A part given back", {"reference": "R-1001-1", "amount": "100.00"})],
    )
    def post(self, request: Request, reference: str) -> HttpResponse:
        body = ReturnInput.read(request.data)
        by = caller(request)
        now = timezone.now()
        purchase = operations.find_purchase(
            issuer_id=by.organization_id, reference=reference, only_stores=by.only_stores
        )
        posted = operations.post_return(
            returned=operations.Return(
                purchase=purchase,
                member=members.identity_of(purchase.member_id),
                reference=body["reference"],
                at=body.get("at", now),
                amount=body["amount"],
                lines=lines_in(body),
                source=Source(
                    issuer_id=by.organization_id,
                    store_id=purchase.store_id,
                    client_id=by.client_id,
                ),
            ),
            now=now,
        )
        returned = queries.recorded_return(
            issuer_id=by.organization_id, reference=body["reference"]
        )
        return respond(
            recorded_return(returned, purchase=reference), status=200 if posted.replayed else 201
        )


class VestingList(ApiView):
    scopes = {"POST": Scope.PURCHASES_WRITE}
    links = {"purchase": link("get_purchases_reference", reference="purchase")}

    @describe(
        summary="Make pending points spendable",
        description=(
            "Says that what the points of a purchase, or of one of its lines, waited for has "
            "happened, such as the delivery of a car. Repeating a reference answers 200 with the "
            "first time."
        ),
        body=VestingInput,
        answers={201: VestingAnswer, 200: (VestingAnswer, "Posted before.")},
        refusals=[
            operations.UnknownPurchase,
            points.NothingPending,
            points.DatedInFuture,
            points.DatedBeforeOriginal,
            points.ReferenceReused,
        ],
        examples=[
            example("All of it", {"reference": "D-1001"}),
            example("One line", {"reference": "D-1001-2", "line": "2"}),
        ],
    )
    def post(self, request: Request, reference: str) -> HttpResponse:
        body = VestingInput.read(request.data)
        by = caller(request)
        now = timezone.now()
        purchase = operations.find_purchase(
            issuer_id=by.organization_id, reference=reference, only_stores=by.only_stores
        )
        posting = operations.vest(
            purchase=purchase,
            line=body.get("line"),
            at=body.get("at", now),
            now=now,
            reference=body["reference"],
            source=Source(
                issuer_id=by.organization_id,
                store_id=purchase.store_id,
                client_id=by.client_id,
                version_id=purchase.version_id,
            ),
        )
        vested = queries.vested(issuer_id=by.organization_id, reference=body["reference"])
        return respond(
            vesting_answer(vested, purchase=reference), status=200 if posting.replayed else 201
        )


class QuoteList(ApiView):
    scopes = {"POST": Scope.PURCHASES_READ}

    @describe(
        summary="Quote a purchase",
        description=(
            "What a purchase would be worth, and why. With `before_discount` what a member's tier "
            "takes off is taken off first: `to_pay` is what to ask for. Writes nothing."
        ),
        body=QuoteInput,
        answers={200: QuoteAnswer},
        refusals=[UnknownStore, UnknownMember, MemberFrozen, MemberClosed, *NOT_ADDED_UP],
        examples=[example("A repair", {"store": "SH-PD", "amount": "268.00", "lines": LINES})],
    )
    def post(self, request: Request) -> HttpResponse:
        body = QuoteInput.read(request.data)
        store_id = caller(request).store_id(body["store"])
        at = body.get("at", timezone.now())
        quote = operations.quote(
            member=members.identify(body["member"]) if "member" in body else None,
            at=at,
            amount=body["amount"],
            lines=lines_in(body),
            store_id=store_id,
            channel=body.get("channel", ""),
            before_discount=body.get("before_discount", False),
        )
        return respond(quoted(quote, at=at, amount=body["amount"]))
