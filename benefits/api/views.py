from django.http import HttpResponse
from django.utils import timezone
from django.utils.timezone import localdate

from benefits import operations, queries
from benefits.api.documents import (
    BenefitsAnswer,
    DeliveryAnswer,
    DeliveryInput,
    UndoInput,
    benefits_answer,
    delivery_answer,
)
from benefits.models import Proof
from common.api.rendering import respond
from common.api.request import Request
from common.api.schema import describe, example, link
from common.api.views import ApiView
from common.personal import NamesSomebody
from members import queries as members
from members.cards import CardExpired, InvalidCard
from members.queries import MemberClosed, MemberFrozen, MemberNotActivated, UnknownMember
from partners.api.authentication import caller
from partners.models import Scope
from partners.queries import UnknownStore
from points.operations import AccountMerged


class BenefitList(ApiView):
    scopes = {"GET": Scope.BENEFITS_READ}

    @describe(
        summary="Read a member's benefits",
        description=(
            "What the member's tier gets today: rights with what is left of them, discounts, and "
            "what is always there."
        ),
        answers={200: BenefitsAnswer},
        refusals=[UnknownMember],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        member = members.identify(number)
        day = localdate()
        found = queries.offers(member.id, day)
        return respond(benefits_answer(found, member=member.number, day=day))


class DeliveryList(ApiView):
    scopes = {"POST": Scope.BENEFITS_DELIVER}
    links = {
        "undo": link("post_deliveries_right_id_undo", right_id="id"),
        "benefits": link("get_members_number_benefits", number="member"),
    }

    @describe(
        summary="Deliver a right",
        description=(
            "Uses up one right of a member: one booked at the store, else the one that lapses "
            "first. Each call delivers one: send an `Idempotency-Key`, so that a call you repeat "
            "for want of an answer does not deliver another."
        ),
        body=DeliveryInput,
        answers={201: DeliveryAnswer},
        refusals=[
            UnknownStore,
            UnknownMember,
            MemberFrozen,
            MemberClosed,
            MemberNotActivated,
            AccountMerged,
            InvalidCard,
            CardExpired,
            NamesSomebody,
            operations.AnotherMembersCode,
            operations.UnknownBenefit,
            operations.NotCounted,
            operations.NothingLeft,
        ],
        examples=[
            example(
                "A car wash",
                {"member": "M0000000018", "store": "SH-PD", "benefit": "car-wash"},
            )
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        body = DeliveryInput.read(request.data)
        by = caller(request)
        now = timezone.now()
        store_id = by.store_id(body["store"])
        member = members.identify(body["member"])
        card = body.get("card", "")
        right = operations.deliver(
            member=member,
            benefit=body["benefit"],
            shown=operations.Shown(proof=Proof.CARD if card else Proof.STORE, card=card),
            at=now,
            who=operations.Who(client_id=by.client_id, store_id=store_id),
            note=body.get("note", ""),
        )
        answer = delivery_answer(
            right,
            member=member.number,
            store=body["store"],
            left=queries.left(member.id, right, localdate(now)),
        )
        return respond(answer, status=201)


class Undo(ApiView):
    scopes = {"POST": Scope.BENEFITS_DELIVER}

    @describe(
        summary="Undo a delivery",
        description=(
            "Gives the right back, within the minutes the programme allows, at the store that "
            "delivered it."
        ),
        body=UndoInput,
        answers={200: DeliveryAnswer},
        refusals=[
            UnknownStore,
            NamesSomebody,
            operations.UnknownRight,
            operations.WrongRightState,
            operations.TooLateToUndo,
        ],
    )
    def post(self, request: Request, right_id: int) -> HttpResponse:
        body = UndoInput.read(request.data)
        by = caller(request)
        now = timezone.now()
        right = operations.undo(
            right_id=right_id,
            at=now,
            who=operations.Who(client_id=by.client_id, store_id=by.store_id(body["store"])),
            note=body.get("note", ""),
        )
        answer = delivery_answer(
            right,
            member=members.identity_of(right.member_id).number,
            store=body["store"],
            left=queries.left(right.member_id, right, localdate(now)),
        )
        return respond(answer)
