from collections.abc import Callable
from functools import partial

from django.http import HttpResponse
from django.utils import timezone

from common.api.rendering import respond
from common.api.request import Request
from common.api.schema import describe, example, link
from common.api.views import ApiView
from members import applications, attributes, cards, operations, phones, products, queries
from members.api.consents import word
from members.api.documents import (
    ApplicationAnswer,
    MemberAnswer,
    MemberInput,
    MemberLookupInput,
    application_answer,
    member_answer,
)
from members.models import Application, ConsentChannel, Member
from partners import queries as partners
from partners.api.authentication import caller
from partners.models import Scope

TO_THE_MEMBER = {
    "member": link("get_members_number", number="number"),
    "account": link("get_members_number_account", number="number"),
    "entries": link("get_members_number_entries", number="number"),
}


class MemberList(ApiView):
    scopes = {"POST": Scope.MEMBERS_WRITE}
    links = TO_THE_MEMBER

    @describe(
        summary="Enroll a member",
        description=(
            "Active at once, or pre-registered until the member proves the phone. With your own "
            "`external_number` a repeat answers 200 with the member you enrolled before. Where the "
            "programme decides who may join, an active member is applied for: 202 with the "
            "application, the same one again while it waits."
        ),
        body=MemberInput,
        answers={
            201: MemberAnswer,
            200: (MemberAnswer, "Enrolled before, by you."),
            202: (ApplicationAnswer, "Applied for; somebody decides."),
        },
        refusals=[
            partners.UnknownStore,
            phones.InvalidPhone,
            products.InvalidIdentifier,
            products.InvalidVin,
            operations.BirthdayOutOfRange,
            operations.PhoneTaken,
            operations.ProductTaken,
            operations.ExternalNumberTaken,
            operations.AppliedElsewhere,
            attributes.UnknownAttribute,
            attributes.InvalidAttribute,
            operations.UnknownConsentText,
            operations.NotAPartner,
            partners.UnknownPartner,
        ],
        examples=[
            example(
                "A customer at the counter",
                {
                    "phone": "138 0013 8000",
                    "name": "王小明",
                    "store": "SH-PD",
                    "activate": True,
                    "product": {"identifier": "LSVAM4187C2184841", "name": "朗逸"},
                    "external_number": "C-20931",
                    "consents": [{"purpose": "MARKETING", "text_version": 1}],
                },
            )
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        body = MemberInput.read(request.data)
        by = caller(request)
        product = body.get("product")
        external_number = body.get("external_number")
        wish = operations.Wish(
            profile=operations.Profile(
                name=body["name"],
                phone=body["phone"],
                email=body.get("email", ""),
                sex=body.get("sex", ""),
                birthday=body.get("birthday"),
                province=body.get("province", ""),
                city=body.get("city", ""),
                attributes=body.get("attributes", {}),
            ),
            store_id=by.store_id(body["store"]),
            product=operations.ProductFacts(**product, selling_organization_id=by.organization_id)
            if product
            else None,
            external=(by.organization_id, external_number) if external_number else None,
            agreed=operations.Agreed(
                words=[word(told) for told in body.get("consents", [])],
                channel=ConsentChannel.API,
                client_id=by.client_id,
            ),
        )
        joined = operations.join(wish=wish, active=body["activate"], at=timezone.now())
        if isinstance(joined, Application):
            return respond(application_answer(joined), status=202)
        return respond(member_answer(joined.member), status=200 if joined.replayed else 201)


class ApplicationDetail(ApiView):
    scopes = {"GET": Scope.MEMBERS_READ}

    @describe(
        summary="Read an application",
        description=(
            "What became of a membership you applied for: APPLIED, APPROVED with the member's "
            "number, REFUSED with the reason, WITHDRAWN or EXPIRED."
        ),
        answers={200: ApplicationAnswer},
        refusals=[applications.UnknownApplication],
    )
    def get(self, request: Request, application: str) -> HttpResponse:
        by = caller(request)
        found = applications.numbered(
            application,
            organization_id=None if by.is_brand else by.organization_id,
            only_stores=by.only_stores,
        )
        return respond(application_answer(found))


class MemberDetail(ApiView):
    scopes = {"GET": Scope.MEMBERS_READ}

    @describe(
        summary="Read a member",
        description="Name and phone are masked.",
        answers={200: MemberAnswer},
        refusals=[queries.UnknownMember],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        return respond(member_answer(queries.by_number(number)))


class MemberLookup(ApiView):
    """A POST, so that phones stay out of addresses and with them out of logs."""

    scopes = {"POST": Scope.MEMBERS_READ}
    links = TO_THE_MEMBER

    @describe(
        summary="Find a member",
        description=(
            "By number, phone, product (VIN or serial number) or the code on the member's card: "
            "exactly one of them. A card's code is good for five minutes after it was shown."
        ),
        body=MemberLookupInput,
        answers={200: MemberAnswer},
        refusals=[
            queries.UnknownMember,
            phones.InvalidPhone,
            products.InvalidIdentifier,
            cards.InvalidCard,
            cards.CardExpired,
        ],
        examples=[example("By phone", {"phone": "13800138000"})],
    )
    def post(self, request: Request) -> HttpResponse:
        ((by, value),) = MemberLookupInput.read(request.data).items()
        find: dict[str, Callable[[str], Member]] = {
            "number": queries.by_number,
            "phone": queries.by_phone,
            "product": queries.by_product,
            "card": partial(queries.by_card, at=timezone.now()),
        }
        return respond(member_answer(find[by](value)))
