from datetime import timedelta

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
from partners.api.authentication import Caller, caller
from partners.models import Scope
from partners.queries import UnknownStore
from points import operations, queries
from points.api.hold_documents import (
    ConfirmationAnswer,
    ConfirmationInput,
    HoldAnswer,
    HoldInput,
    ReleaseInput,
    confirmation_answer,
    held,
    hold_answer,
    hold_until,
)
from points.models import Entry, EntryKind
from points.operations import Source
from programme import queries as programme
from programme.queries import NoRulebook


class HoldList(ApiView):
    scopes = {"POST": Scope.POINTS_REDEEM}
    links = {
        "hold": link("get_holds_reference", reference="reference"),
        "confirmation": link("post_holds_reference_confirmation", reference="reference"),
        "release": link("post_holds_reference_release", reference="reference"),
        "account": link("get_members_number_account", number="member"),
    }

    @describe(
        summary="Hold points",
        description=(
            "Sets points aside for a bill that is not closed yet, earliest expiry first. Repeating "
            "a reference answers 200 with the first hold and what has become of it."
        ),
        body=HoldInput,
        answers={201: HoldAnswer, 200: (HoldAnswer, "Held before.")},
        refusals=[
            UnknownStore,
            UnknownMember,
            MemberFrozen,
            MemberClosed,
            MemberNotActivated,
            SpendingStopped,
            NoRulebook,
            operations.HoldTooLong,
            operations.InvalidUntil,
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
                "Twenty points for ten minutes",
                {
                    "reference": "B-1",
                    "member": "M0000000018",
                    "store": "SH-PD",
                    "points": 20,
                    "minutes": 10,
                },
            )
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        body = HoldInput.read(request.data)
        by = caller(request)
        now = timezone.now()
        store_id = by.store_id(body["store"])
        member = members.identify(body["member"])
        at = body.get("at", now)
        rulebook = programme.rulebook_on(localdate(at))
        longest = timedelta(minutes=rulebook.policies.hold_minutes)
        until = hold_until(body, at=at, longest=longest)
        posting = operations.hold(
            member=member,
            points=body["points"],
            at=at,
            now=now,
            until=until,
            until_was_given="until" in body or "minutes" in body,
            longest=longest,
            reference=body["reference"],
            source=Source(
                issuer_id=by.organization_id,
                store_id=store_id,
                client_id=by.client_id,
                version_id=rulebook.id,
            ),
            note=body.get("note", ""),
            pooled=body.get("pool", False),
        )
        if posting.replayed:
            first = queries.hold(issuer_id=by.organization_id, reference=body["reference"])
            status = queries.hold_status(first, at=now)
            return respond(hold_answer(first, member=member.number, status=status))
        return respond(held(posting, body, member=member.number, at=at, until=until), status=201)


class HoldDetail(ApiView):
    scopes = {"GET": Scope.POINTS_READ}

    @describe(
        summary="Read a hold",
        description="By your reference, with what has become of it.",
        answers={200: HoldAnswer},
        refusals=[queries.UnknownHold],
    )
    def get(self, request: Request, reference: str) -> HttpResponse:
        found = _find(caller(request), reference)
        member = members.identity_of(found.member_id)
        status = queries.hold_status(found, at=timezone.now())
        return respond(hold_answer(found, member=member.number, status=status))


class ConfirmationDetail(ApiView):
    scopes = {"POST": Scope.POINTS_REDEEM}
    links = {
        "redemption": link("get_redemptions_reference", reference="reference"),
        "cancellation": link("post_redemptions_reference_cancellations", reference="reference"),
    }

    @describe(
        summary="Confirm a hold",
        description=(
            "Spends what was held, or a part of it, and gives back the rest. The redemption has "
            "the hold's reference. Repeating it answers 200 with the first confirmation."
        ),
        body=ConfirmationInput,
        answers={201: ConfirmationAnswer, 200: (ConfirmationAnswer, "Confirmed before.")},
        refusals=[
            queries.UnknownHold,
            operations.HoldEnded,
            operations.HoldExceeded,
            operations.DatedInFuture,
            operations.DatedBeforeOriginal,
            operations.InvalidNote,
            NamesSomebody,
            operations.ReferenceReused,
        ],
        examples=[example("A part of it", {"points": 15}), example("All of it", {})],
    )
    def post(self, request: Request, reference: str) -> HttpResponse:
        body = ConfirmationInput.read(request.data)
        by = caller(request)
        now = timezone.now()
        found = _find(by, reference)
        at = body.get("at", now)
        ended = operations.confirm(
            held=found,
            points=body.get("points"),
            at=at,
            now=now,
            source=_source(by, found),
            note=body.get("note", ""),
        )
        if ended.replayed:
            first = queries.end_of_hold(found, EntryKind.REDEEM)
            assert first is not None, "it was confirmed"
            at = first.effective_at
        member = members.identity_of(found.member_id)
        answer = confirmation_answer(found, ended, body, member=member.number, at=at)
        return respond(answer, status=200 if ended.replayed else 201)


class ReleaseDetail(ApiView):
    scopes = {"POST": Scope.POINTS_REDEEM}

    @describe(
        summary="Release a hold",
        description=(
            "Gives back all that was held. Repeating it answers 200; so does releasing a hold "
            "whose time was over before."
        ),
        body=ReleaseInput,
        answers={201: HoldAnswer, 200: (HoldAnswer, "Given back before.")},
        refusals=[
            queries.UnknownHold,
            operations.HoldEnded,
            operations.DatedInFuture,
            operations.DatedBeforeOriginal,
        ],
        examples=[example("Now", {})],
    )
    def post(self, request: Request, reference: str) -> HttpResponse:
        body = ReleaseInput.read(request.data)
        by = caller(request)
        now = timezone.now()
        found = _find(by, reference)
        ended = operations.release(
            held=found, at=body.get("at", now), now=now, source=_source(by, found)
        )
        member = members.identity_of(found.member_id)
        status = queries.hold_status(found, at=now)
        return respond(
            hold_answer(found, member=member.number, status=status),
            status=200 if ended.replayed else 201,
        )


def _find(by: Caller, reference: str) -> Entry:
    return queries.hold(
        issuer_id=by.organization_id, reference=reference, only_stores=by.only_stores
    )


def _source(by: Caller, held: Entry) -> Source:
    """What ends a hold happens at the store that made it."""
    return Source(
        issuer_id=by.organization_id,
        store_id=held.store_id,
        client_id=by.client_id,
        version_id=held.version_id,
    )
