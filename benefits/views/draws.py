"""Prize draws as members see them: what there is, drawing, and what it came to."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.timezone import localdate

from benefits.drawing import PARTS
from benefits.forms.draws import EnterForm
from benefits.models.draws import Draw, DrawState
from benefits.operations import draws as operations
from benefits.queries import draws as queries
from common.errors import DomainError
from common.localized import localized
from members import queries as members
from members.views import MemberPage
from points import queries as points

DRAWS_SHOWN = 50
OUTCOMES_SHOWN = 20


class DrawsPage(MemberPage):
    """Draws that run, those that are over, and what the member drew last."""

    template_name = "benefits/draws.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        now = timezone.now()
        published = list(queries.told_of()[:DRAWS_SHOWN])
        return super().get_context_data(
            running=[each for each in published if not _is_over(each, now)],
            over=[each for each in published if _is_over(each, now)],
            outcomes=queries.outcomes_of(self.member.pk)[:OUTCOMES_SHOWN],
            **kwargs,
        )


class DrawPage(MemberPage):
    """One draw: its prizes and odds, what it costs, and drawing; its seed once it is closed."""

    template_name = "benefits/draw.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.render_to_response(self._told(self._form()))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = self._form(request.POST)
        if form.is_valid():
            try:
                outcome = operations.enter(
                    member=members.identity_of(self.member.pk),
                    draw_id=self.draw.pk,
                    reference=form.cleaned_data["reference"].hex,
                    at=timezone.now(),
                )
            except DomainError as refusal:
                form.add_error(None, refusal.sentence)
            else:
                answer = redirect("benefits:draw", code=self.draw.code)
                answer["Location"] += f"?drawn={outcome.number}"
                return answer
        return self.render_to_response(self._told(form), status=422)

    @cached_property
    def draw(self) -> Draw:
        try:
            return queries.told_of().get(code=self.kwargs["code"])
        except Draw.DoesNotExist as error:
            raise Http404 from error

    def _form(self, said: Any = None) -> EnterForm:
        return EnterForm(said, initial={"reference": uuid4()})

    def _told(self, form: EnterForm) -> dict[str, Any]:
        draw, now = self.draw, timezone.now()
        mine = queries.outcomes_of(self.member.pk).filter(draw=draw)
        drawn = self.request.GET.get("drawn", "")
        left = queries.times_left(draw, self.member.pk, localdate(now))
        is_open = draw.opens_at <= now and not _is_over(draw, now)
        return self.get_context_data(
            draw=draw,
            description=localized(draw.description) if draw.description else "",
            prizes=[(each, _percent(each.parts)) for each in draw.prizes.order_by("position")],
            outcomes=mine[:OUTCOMES_SHOWN],
            # Only of the member's own: the number stood in an address.
            drawn=mine.filter(number=int(drawn)).first() if _is_number(drawn) else None,
            left=left,
            may_enter=is_open and left != 0 and not draw.needs_ticket,
            tickets=queries.tickets(draw) if is_open else (),
            is_soon=now < draw.opens_at,
            is_over=_is_over(draw, now),
            seed=draw.seed if draw.state == DrawState.CLOSED else None,
            spendable=points.spendable_points(self.member.pk, on=localdate(now), at=now),
            form=form,
        )


def _is_over(draw: Draw, now: datetime) -> bool:
    return draw.state == DrawState.CLOSED or draw.closes_at <= now


def _is_number(said: str) -> bool:
    # As many digits as a number of a draw may have.
    return said.isascii() and said.isdigit() and len(said) <= 9


def _percent(parts: int) -> str:
    return f"{Decimal(parts) * 100 / PARTS:f}"
