from django.http import HttpResponse
from django.utils.timezone import localdate

from common.api.rendering import respond
from common.api.request import Request
from common.api.schema import describe
from common.api.views import ApiView
from members import queries as members
from members.queries import UnknownMember
from partners.models import Scope
from tiers import queries
from tiers.api.documents import TierAnswer, tier_answer


class Tier(ApiView):
    scopes = {"GET": Scope.POINTS_READ}

    @describe(
        summary="Read a member's tier",
        description="With what the next tier asks for, and what keeps this one, as of today.",
        answers={200: TierAnswer},
        refusals=[UnknownMember],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        member = members.identify(number)
        progress = queries.progress(member.id, localdate())
        return respond(tier_answer(progress, member=member.number))
