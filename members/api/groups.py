"""A member's family and company, for dealers' systems."""

from datetime import datetime

from django.http import HttpResponse
from django.utils import timezone
from django.utils.timezone import localtime

from common.api.fields import Document, member_number
from common.api.rendering import Answer, respond
from common.api.request import Request
from common.api.schema import describe, example
from common.api.views import ApiView
from members import groups, operations, queries, reach
from members.models import GroupKind, GroupMember
from members.queries import UnknownMember
from partners.api.authentication import caller
from partners.models import Scope


class PlaceAnswer(Answer):
    group: int
    kind: str
    # Of a company; what a family calls itself is its own.
    name: str | None
    role: str
    shares: bool
    joined_at: datetime


class PlacesAnswer(Answer):
    results: list[PlaceAnswer]


class CompanyMemberInput(Document):
    member = member_number()


def place_answer(place: GroupMember) -> PlaceAnswer:
    return PlaceAnswer(
        group=place.group_id,
        kind=place.kind,
        name=place.group.name if place.kind == GroupKind.COMPANY else None,
        role=place.role,
        shares=place.shares,
        joined_at=localtime(place.joined_at),
    )


class MemberGroups(ApiView):
    scopes = {"GET": Scope.MEMBERS_READ}

    @describe(
        summary="Read a member's family and company",
        description="One of each at most. Who else is in them is for their members.",
        answers={200: PlacesAnswer},
        refusals=[UnknownMember],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        member = queries.identify(number)
        found = groups.places_of(member.id)
        return respond(PlacesAnswer(results=[place_answer(place) for place in found]))


class CompanyMembers(ApiView):
    scopes = {"POST": Scope.MEMBERS_WRITE}

    @describe(
        summary="Put a member into a company",
        description=(
            "One of your own members into a company whose owner is your own member too; the "
            "brand's system, anybody into any. Points are shared only if the member says so on the "
            "own pages. Who is in it already is answered with 200."
        ),
        body=CompanyMemberInput,
        answers={201: PlaceAnswer, 200: (PlaceAnswer, "In it before.")},
        refusals=[
            groups.UnknownGroup,
            UnknownMember,
            reach.NotYourMember,
            operations.CompaniesOnly,
            operations.GroupsNotOffered,
            operations.GroupFull,
            operations.InGroupAlready,
            operations.WrongState,
        ],
        examples=[example("A driver", {"member": "M0000000018"})],
    )
    def post(self, request: Request, company: int) -> HttpResponse:
        body = CompanyMemberInput.read(request.data)
        by = caller(request)
        member = queries.identify(body["member"])
        within = reach.of_organization(by.organization_id, is_brand=by.is_brand)
        within.require(member.id)
        within.require_group(company)
        before = groups.place_in(company, member.id)
        if before is not None and before.kind == GroupKind.COMPANY:
            return respond(place_answer(before))
        place = operations.add_to_company(
            group_id=company, member_id=member.id, at=timezone.now(), by=None
        )
        return respond(place_answer(place), status=201)
