"""Prize draws for members' apps: what runs, drawing once, and what lets anybody check a draw."""

from datetime import datetime

from django.http import HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.timezone import localdate, localtime

from benefits.models.draws import Draw, DrawOutcome, DrawPrize
from benefits.operations import draws as operations
from benefits.queries import draws as queries
from common.api.fields import Document, reference
from common.api.pagination import InvalidCursor, PageParameters, cursor_at, page, position_of
from common.api.rendering import Answer, respond
from common.api.request import Request
from common.api.schema import describe, example
from common.api.views import ApiView
from members import queries as members
from members import reach
from members.queries import (
    MemberClosed,
    MemberFrozen,
    MemberNotActivated,
    SpendingStopped,
    UnknownMember,
)
from partners.api.authentication import caller
from partners.models import Scope
from points import operations as points


class EnterInput(Document):
    reference = reference(help_text="Your name for this go; unique in your organization.")


class PrizeAnswer(Answer):
    """A level. `kind`: POINTS, COUPON, THING. `parts`: its odds in parts of a million."""

    names: dict[str, str]
    kind: str
    points: int
    parts: int
    pieces: int
    left: int
    consolation: bool


class RunningAnswer(Answer):
    """
    `limit`: times a member may draw in `period` (DAY, WEEK, MONTH, YEAR, LIFETIME), of which `left`
    are left; null: as often as they like. `needs_ticket`: each go is an order in the shop.
    """

    code: str
    names: dict[str, str]
    descriptions: dict[str, str]
    opens_at: datetime
    closes_at: datetime
    points: int
    needs_ticket: bool
    from_age: int | None
    limit: int | None
    period: str | None
    left: int | None
    seed_hash: str
    prizes: list[PrizeAnswer]


class RunningDrawsAnswer(Answer):
    member: str
    draws: list[RunningAnswer]


class OutcomeAnswer(Answer):
    """
    `number`: of the draw, from 1. `result`: 0 … 999,999. `hit`, `given`: levels, from 0; what was
    hit may have been used up. `prize`: null if nothing was won. `handed_over_at`: null while it is
    owed.
    """

    draw: str
    number: int
    at: datetime
    result: int
    hit: int | None
    given: int | None
    prize: dict[str, str] | None
    kind: str | None
    points: int
    handed_over_at: datetime | None


class OutcomesAnswer(Answer):
    results: list[OutcomeAnswer]
    next_cursor: str | None


class LevelAnswer(Answer):
    parts: int
    pieces: int
    consolation: bool


class ProofAnswer(Answer):
    """
    `seed`: null until the draw is closed. `outcomes`: number, result, level hit, level given (null:
    none), in the order of numbers; nothing of members.
    """

    code: str
    seed_hash: str
    seed: str | None
    prizes: list[LevelAnswer]
    outcomes: list[list[int | None]]
    next_cursor: str | None


class RunningOfMember(ApiView):
    scopes = {"GET": Scope.BENEFITS_READ}

    @describe(
        summary="Read the prize draws for a member",
        description=(
            "Those that are open now, with their odds, what a go costs, how often the member may "
            "still draw, and the hash of the seed they are bound to."
        ),
        answers={200: RunningDrawsAnswer},
        refusals=[UnknownMember],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        member, now = members.identify(number), timezone.now()
        found = queries.open_to_members(now)
        used = queries.times_drawn_of(found, member.id, localdate(now))
        return respond(
            RunningDrawsAnswer(member.number, [_running(each, used[each.pk]) for each in found])
        )


class Enter(ApiView):
    scopes = {"POST": Scope.POINTS_REDEEM}

    @describe(
        summary="Draw once for a member",
        description=(
            "Takes the points of a go, and answers what it came to. Points and coupons are the "
            "member's at once, a thing is owed. A repeat of the reference gets the first outcome."
        ),
        body=EnterInput,
        answers={200: OutcomeAnswer},
        refusals=[
            UnknownMember,
            reach.NotYourMember,
            MemberFrozen,
            MemberClosed,
            MemberNotActivated,
            SpendingStopped,
            queries.UnknownDraw,
            operations.DrawNotOpen,
            operations.TicketNeeded,
            operations.BirthdayUnknown,
            operations.TooYoung,
            operations.DrawLimitReached,
            operations.DrawReferenceReused,
            points.InsufficientPoints,
            points.AccountMerged,
        ],
        examples=[example("One go", {"reference": "G-1"})],
    )
    def post(self, request: Request, number: str, draw: str) -> HttpResponse:
        body = EnterInput.read(request.data)
        by, member = caller(request), members.identify(number)
        reach.of_organization(by.organization_id, is_brand=by.is_brand).require(member.id)
        found = queries.draw(draw)
        outcome = operations.enter(
            member=member,
            draw_id=found.pk,
            reference=by.own(body["reference"]),
            at=timezone.now(),
        )
        return respond(_outcome(queries.outcomes_of(member.id).get(pk=outcome.pk)))


class OutcomesOfMember(ApiView):
    scopes = {"GET": Scope.BENEFITS_READ}
    parameters = {"GET": PageParameters}

    @describe(
        summary="Read what a member has drawn",
        description="In all draws, the latest first.",
        answers={200: OutcomesAnswer},
        parameters=[PageParameters],
        refusals=[UnknownMember, InvalidCursor],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        found = queries.outcomes_of(members.identify(number).id).order_by("-pk")
        if "cursor" in self.query:
            found = found.filter(pk__lt=position_of(self.query["cursor"]))
        rows, more = page(found, limit=self.query["limit"])
        return respond(
            OutcomesAnswer(
                results=[_outcome(each) for each in rows],
                next_cursor=cursor_at(rows[-1].pk) if more else None,
            )
        )


class Proof(ApiView):
    scopes = {"GET": Scope.BENEFITS_READ}
    parameters = {"GET": PageParameters}

    @describe(
        summary="Read what anybody needs to check a draw",
        description=(
            "Its odds, its outcomes page by page, and, once it is closed, the seed. With the "
            "outcomes of all pages in one list it is the document that docs/draws.md checks."
        ),
        answers={200: ProofAnswer},
        parameters=[PageParameters],
        refusals=[queries.UnknownDraw, InvalidCursor],
    )
    def get(self, request: Request, draw: str) -> HttpResponse:
        found = queries.draw(draw)
        after = position_of(self.query["cursor"]) if "cursor" in self.query else 0
        rows, more = page(
            queries.published_outcomes(found).filter(number__gt=after), limit=self.query["limit"]
        )
        rules = queries.published_rules(found)
        return respond(
            ProofAnswer(
                code=rules["code"],
                seed_hash=rules["seed_hash"],
                seed=rules["seed"],
                prizes=[LevelAnswer(**each) for each in rules["prizes"]],
                outcomes=[list(each) for each in rows],
                next_cursor=cursor_at(rows[-1][0]) if more else None,
            )
        )


def _running(draw: Draw, used: int) -> RunningAnswer:
    return RunningAnswer(
        code=draw.code,
        names=draw.names,
        descriptions=draw.description,
        opens_at=localtime(draw.opens_at),
        closes_at=localtime(draw.closes_at),
        points=draw.entry_points,
        needs_ticket=draw.needs_ticket,
        from_age=draw.age_min,
        limit=draw.limit_count,
        period=draw.limit_period or None,
        left=None if draw.limit_count is None else max(0, draw.limit_count - used),
        seed_hash=draw.seed_hash,
        prizes=[_prize(each) for each in sorted(draw.prizes.all(), key=lambda one: one.position)],
    )


def _prize(prize: DrawPrize) -> PrizeAnswer:
    return PrizeAnswer(
        names=prize.names,
        kind=prize.kind,
        points=prize.points,
        parts=prize.parts,
        pieces=prize.pieces,
        left=prize.remaining,
        consolation=prize.is_consolation,
    )


def _outcome(outcome: DrawOutcome) -> OutcomeAnswer:
    prize, handover = outcome.prize, getattr(outcome, "handover", None)
    return OutcomeAnswer(
        draw=outcome.draw.code,
        number=outcome.number,
        at=localtime(outcome.at),
        result=outcome.result,
        hit=outcome.hit,
        given=prize.position if prize else None,
        prize=prize.names if prize else None,
        kind=prize.kind if prize else None,
        points=prize.points if prize else 0,
        handed_over_at=localtime(handover.at) if handover else None,
    )


urlpatterns: list[URLPattern] = [
    path("members/<str:number>/draws/", RunningOfMember.as_view()),
    path("members/<str:number>/draws/<slug:draw>/", Enter.as_view()),
    path("members/<str:number>/outcomes/", OutcomesOfMember.as_view()),
    path("draws/<slug:draw>/", Proof.as_view()),
]
