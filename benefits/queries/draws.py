"""Questions about prize draws."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from benefits import drawing
from benefits.models.draws import Draw, DrawOutcome, DrawPrize, DrawState, PrizeHandover
from benefits.models.items import Item, ItemState
from benefits.queries.items import begins
from benefits.queries.rights import guests_of
from common.errors import NotFound

OUTCOMES_AT_ONCE = 2_000


class UnknownDraw(NotFound):
    code = "unknown_draw"
    message = _("There is no such prize draw.")


def cost_at_most(prizes: Sequence[DrawPrize]) -> Decimal:
    """What all prizes cost if every one is won."""
    return sum((each.cost * each.pieces for each in prizes), Decimal(0))


def cost_expected(prizes: Sequence[DrawPrize], times: int) -> Decimal:
    """
    What so many draws are expected to cost, as if nothing were ever used up: at most
    `cost_at_most`, since no more than all can be won.
    """
    expected = sum((each.cost * each.parts for each in prizes), Decimal(0)) * times / drawing.PARTS
    return min(expected, cost_at_most(prizes)).quantize(Decimal("0.01"))


def consolation(prizes: Sequence[DrawPrize]) -> int | None:
    """The place of the prize that is given for those that are used up."""
    return next((nth for nth, each in enumerate(prizes) if each.is_consolation), None)


def times_drawn(draw: Draw, member_id: int, day: date) -> int:
    """How often a member, or who was joined with the member, has drawn in the limit's period."""
    found = DrawOutcome.objects.filter(draw=draw, member_id__in=guests_of(member_id))
    return found.filter(on__gte=begins(draw.limit_period, day)).count()


def times_left(draw: Draw, member_id: int, day: date) -> int | None:
    """How often a member may still draw in the limit's period; None: as often as they like."""
    if draw.limit_count is None:
        return None
    return max(0, draw.limit_count - times_drawn(draw, member_id, day))


def told_of() -> QuerySet[Draw]:
    """Draws that members see: those that were published, the latest to end first."""
    return Draw.objects.exclude(state=DrawState.DRAFT).order_by("-closes_at", "-pk")


def tickets(draw: Draw) -> QuerySet[Item]:
    """Items of the shop that are goes at a draw."""
    found = Item.objects.filter(state=ItemState.LISTED, live__draw=draw)
    return found.select_related("live").order_by("pk")


def outcomes_of(member_id: int) -> QuerySet[DrawOutcome]:
    """What a member has drawn, latest first; also who was joined with the member."""
    found = DrawOutcome.objects.filter(member_id__in=guests_of(member_id))
    return found.select_related("draw", "prize", "handover").order_by("-at", "-pk")


def owed(draw: Draw) -> QuerySet[DrawOutcome]:
    """What was won of a draw and its winner does not have yet, longest waiting first."""
    found = draw.outcomes.filter(prize__isnull=False, handover=None)
    return found.select_related("prize", "member").order_by("number")


def handed_over(draw: Draw) -> QuerySet[PrizeHandover]:
    """What staff handed over of a draw, the latest first."""
    found = PrizeHandover.objects.filter(outcome__draw=draw, by__isnull=False)
    return found.select_related("outcome__prize", "outcome__member", "by").order_by("-at", "-pk")


def draw(code: str) -> Draw:
    """:raises UnknownDraw: if none was published under this code"""
    found = told_of().filter(code=code).first()
    if found is None:
        raise UnknownDraw
    return found


def open_to_members(at: datetime) -> list[Draw]:
    """Draws that members can enter at a moment, the first to end first, with their prizes."""
    found = told_of().filter(state=DrawState.RUNNING, opens_at__lte=at, closes_at__gt=at)
    return list(found.order_by("closes_at", "pk").prefetch_related("prizes"))


def times_drawn_of(draws: Sequence[Draw], member_id: int, day: date) -> Counter[int]:
    """As `times_drawn`, of several draws at once; those without a limit are not counted."""
    counted = Q(pk__in=[])
    for each in draws:
        if each.limit_count is not None:
            counted |= Q(draw=each, on__gte=begins(each.limit_period, day))
    found = DrawOutcome.objects.filter(counted, member_id__in=guests_of(member_id))
    return Counter(dict(found.values_list("draw").annotate(Count("pk"))))


def published(draw: Draw) -> dict[str, Any]:
    """
    What anybody needs to check a draw: its rules, the seed once it is closed, and every outcome in
    the order of numbers. Nothing of members.
    """
    outcomes = published_outcomes(draw).iterator(OUTCOMES_AT_ONCE)
    return published_rules(draw) | {"outcomes": [list(row) for row in outcomes]}


def published_rules(draw: Draw) -> dict[str, Any]:
    return {
        "code": draw.code,
        "seed_hash": draw.seed_hash,
        "seed": draw.seed if draw.state == DrawState.CLOSED else None,
        "prizes": [
            {"parts": each.parts, "pieces": each.pieces, "consolation": each.is_consolation}
            for each in draw.prizes.order_by("position")
        ],
    }


def published_outcomes(draw: Draw) -> QuerySet[DrawOutcome, tuple[Any, ...]]:
    """Number, result, level hit and level given of each, in the order of numbers."""
    found = draw.outcomes.order_by("number")
    return found.values_list("number", "result", "hit", "prize__position")


def differences(draw: Draw) -> Iterator[str]:
    """Derive every outcome from the seed anew, and tell where what was written differs."""
    assert draw.seed, "what is published has a seed"
    if drawing.commitment(draw.seed) != draw.seed_hash:
        yield "seed: it is not the one whose hash was published"
    prizes = list(draw.prizes.order_by("position"))
    odds, left = [each.parts for each in prizes], [each.pieces for each in prizes]
    number = 0
    rows = draw.outcomes.order_by("number").values_list("number", "result", "hit", "prize_id")
    for number, row in enumerate(rows.iterator(OUTCOMES_AT_ONCE), start=1):
        result = drawing.result(draw.seed, draw.code, number)
        hit = drawing.level(result, odds)
        given = drawing.given(hit, left, consolation(prizes))
        if given is not None:
            left[given] -= 1
        wanted = (number, result, hit, None if given is None else prizes[given].pk)
        if row != wanted:
            yield f"{number}: {row[1:]} is written, {wanted[1:]} comes of the seed"
    if number != draw.drawn:
        yield f"drawn: {draw.drawn} are counted, {number} are written"
    if [each.remaining for each in prizes] != left:
        yield "prizes: what is left differs from what was not given"
