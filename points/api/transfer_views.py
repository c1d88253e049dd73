from django.http import HttpResponse
from django.utils import timezone
from django.utils.timezone import localdate
from rest_framework.request import Request

from common.api.rendering import respond
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
from partners.queries import StoreRequired, UnknownStore
from points import operations, queries
from points.api.transfer_documents import (
    TransferAnswer,
    TransferInput,
    transfer_answer,
    transferred,
)
from points.operations import Source
from programme import queries as programme
from programme.queries import NoRulebook


class TransferList(ApiView):
    scopes = {"POST": Scope.POINTS_TRANSFER}
    links = {
        "transfer": link("get_transfers_reference", reference="reference"),
        "giver": link("get_members_number_account", number="giver"),
        "receiver": link("get_members_number_account", number="receiver"),
    }

    @describe(
        summary="Transfer points",
        description=(
            "Moves points from one member to another, earliest expiry first; they keep their last "
            "days. How many and how often, the rulebook of the day says. Repeating a reference "
            "answers 200 with the first transfer."
        ),
        body=TransferInput,
        answers={201: TransferAnswer, 200: (TransferAnswer, "Transferred before.")},
        refusals=[
            UnknownStore,
            StoreRequired,
            UnknownMember,
            MemberFrozen,
            MemberClosed,
            MemberNotActivated,
            SpendingStopped,
            NoRulebook,
            operations.SameMember,
            operations.TransfersNotAllowed,
            operations.TransferLimitReached,
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
                "Twenty points to a member of the family",
                {
                    "reference": "G-1",
                    "giver": "M0000000018",
                    "receiver": "M0000000026",
                    "points": 20,
                },
            )
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        body = TransferInput.read(request.data)
        by = caller(request)
        now = timezone.now()
        store_id = by.store_id_if_any(body.get("store"))
        giver, receiver = members.identify(body["giver"]), members.identify(body["receiver"])
        at = body.get("at", now)
        rulebook = programme.rulebook_on(localdate(at))
        posting = operations.transfer(
            giver=giver,
            receiver=receiver,
            points=body["points"],
            at=at,
            now=now,
            reference=body["reference"],
            source=Source(
                issuer_id=by.organization_id,
                store_id=store_id,
                client_id=by.client_id,
                version_id=rulebook.id,
            ),
            limits=rulebook.policies.transfer_limits,
            note=body.get("note", ""),
        )
        if posting.replayed:
            first = queries.transfer(issuer_id=by.organization_id, reference=body["reference"])
            return respond(transfer_answer(first, giver=giver.number, receiver=receiver.number))
        return respond(transferred(posting, body, at=at), status=201)


class TransferDetail(ApiView):
    scopes = {"GET": Scope.POINTS_READ}

    @describe(
        summary="Read a transfer",
        description="By your reference.",
        answers={200: TransferAnswer},
        refusals=[queries.UnknownTransfer],
    )
    def get(self, request: Request, reference: str) -> HttpResponse:
        by = caller(request)
        found = queries.transfer(
            issuer_id=by.organization_id, reference=reference, only_stores=by.only_stores
        )
        assert found.counterpart_id is not None, "a transfer has two sides"
        numbers = members.numbers_of([found.member_id, found.counterpart_id])
        answer = transfer_answer(
            found, giver=numbers[found.member_id], receiver=numbers[found.counterpart_id]
        )
        return respond(answer)
