"""Prize draws in the console: drafts, what they may cost, what came of them, and their end."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView

from benefits import approvals as asking
from benefits.drawing import PARTS
from benefits.models.draws import Draw, DrawOutcome, DrawPrize, DrawState
from benefits.operations import draws as operations
from benefits.queries import coupons
from benefits.queries import draws as queries
from common.approvals import may_decide
from common.errors import DomainError
from common.models import Approval, ApprovalState
from common.staff import acting
from membership.console import ConsolePage
from membership.draw_forms import (
    CloseForm,
    DrawForm,
    HandOverForm,
    PrizeForm,
    Prizes,
    WhyForm,
    percent,
    prizes_of,
)

VIEW = "benefits.view_draw"
EDIT = "benefits.edit_draw"
HAND_OVER = "benefits.deliver_draw"
SHOWN = 50
DIGITS_MAX = 10
# What a draw is expected to cost is told for so many.
TIMES = 1_000
STATE_LABELS = {
    DrawState.DRAFT: "info",
    DrawState.RUNNING: "success",
    DrawState.CLOSED: "",
}


class DrawsPage(ConsolePage, TemplateView):
    """The latest draws."""

    template_name = "console/draws/list.html"
    permission_required = VIEW
    title = _("Prize draws")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        latest = Draw.objects.order_by("-pk").prefetch_related("prizes")[:SHOWN]
        return super().get_context_data(
            draws=[(each, STATE_LABELS[DrawState(each.state)], _figures(each)) for each in latest],
            currency=coupons.currency(),
            may_edit=self.request.user.has_perm(EDIT),
            **context,
        )


class DrawDraftPage(ConsolePage, TemplateView):
    """A new draw, or a draft to change."""

    template_name = "console/draws/draft.html"
    permission_required = EDIT
    title = _("Prize draw")

    @cached_property
    def draw(self) -> Draw | None:
        pk = self.kwargs.get("draw_id")
        drafts = Draw.objects.filter(state=DrawState.DRAFT)
        return get_object_or_404(drafts, pk=pk) if pk else None

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        draw = self.draw
        if "form" not in context:
            context["form"] = DrawForm(initial=DrawForm.initial_of(draw) if draw else {})
            context["prizes"] = Prizes(initial=self._rows())
        if draw:
            # The recipe names it.
            context["form"].fields["code"].disabled = True
        return super().get_context_data(draw=draw, **context)

    def _rows(self) -> list[dict[str, Any]]:
        found = self.draw.prizes.order_by("position") if self.draw else []
        return [PrizeForm.initial_of(each) for each in found]

    def post(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        draw = self.draw
        form = DrawForm(request.POST, initial=DrawForm.initial_of(draw) if draw else {})
        if draw:
            form.fields["code"].disabled = True
        prizes = Prizes(request.POST, initial=self._rows())
        # Both, so that all that is wrong is told at once.
        if all([form.is_valid(), prizes.is_valid()]):
            try:
                saved = self._save(form, prizes)
            except DomainError as refusal:
                form.add_error(None, refusal.sentence)
            else:
                return HttpResponseRedirect(reverse("admin:draw", args=[saved.pk]))
        return self.render_to_response(self.get_context_data(form=form, prizes=prizes))

    def _save(self, form: DrawForm, prizes: Any) -> Draw:
        by, terms = acting(self.request), form.terms(prizes_of(prizes), before=self.draw)
        if self.draw is None:
            return operations.create(code=form.cleaned_data["code"], terms=terms, by=by)
        revision = form.cleaned_data["revision"] or 0
        return operations.save(draw_id=self.draw.pk, terms=terms, revision=revision, by=by)


class DrawPage(ConsolePage, TemplateView):
    """One draw: what it promises and may cost, what was drawn, and what can be done now."""

    template_name = "console/draws/draw.html"
    permission_required = VIEW

    @cached_property
    def draw(self) -> Draw:
        found = Draw.objects.select_related("approval", "approved_by").prefetch_related("prizes")
        return get_object_or_404(found, pk=self.kwargs["draw_id"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        draw, user = self.draw, self.request.user
        waiting = self._waiting()
        may_change = draw.state == DrawState.DRAFT and waiting is None and user.has_perm(EDIT)
        return super().get_context_data(
            title=str(draw),
            draw=draw,
            state_label=STATE_LABELS[DrawState(draw.state)],
            figures=_figures(draw),
            prizes=[_told(each, draw) for each in _in_order(draw)],
            currency=coupons.currency(),
            times=TIMES,
            seed=draw.seed if draw.state == DrawState.CLOSED else None,
            waiting=waiting,
            may_decide=waiting is not None and may_decide(waiting, user=acting(self.request)),
            may_change=may_change,
            may_close=draw.state == DrawState.RUNNING and user.has_perm(EDIT),
            why=WhyForm(),
            closing=CloseForm(auto_id="close_%s"),
            owed=_winners(queries.owed(draw)[: SHOWN + 1]),
            owed_shown=SHOWN,
            handed_over=queries.handed_over(draw)[:SHOWN],
            may_hand_over=user.has_perm(HAND_OVER),
            may_see_members=user.has_perm("members.view_member"),
            **context,
        )

    def _waiting(self) -> Approval | None:
        asked = self.draw.approval
        return asked if asked and asked.state == ApprovalState.PENDING else None

    def post(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        """What a button asks for."""
        deeds: Mapping[str, tuple[str, Callable[[], None]]] = {
            "ask": (EDIT, self._ask),
            "close": (EDIT, self._close),
            "hand_over": (HAND_OVER, self._hand_over),
        }
        needed, deed = deeds.get(request.POST.get("do", ""), (EDIT, None))
        if not request.user.has_perm(needed):
            return self.handle_no_permission()
        try:
            if deed:
                deed()
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
        return HttpResponseRedirect(request.path)

    def _ask(self) -> None:
        asking.submit_draw(
            draw_id=self.draw.pk, revision=self.draw.revision, at=timezone.now(),
            reference=f"draw:{uuid.uuid4().hex}", by=acting(self.request),
            reason=self.request.POST.get("reason", ""),
        )  # fmt: skip
        messages.success(self.request, gettext("Sent for approval."))

    def _close(self) -> None:
        # Typed anew, as it cannot be taken back.
        if self.request.POST.get("code") != self.draw.code:
            messages.error(self.request, gettext("Type the code of the draw to close it."))
            return
        operations.close(draw_id=self.draw.pk, by=acting(self.request), at=timezone.now())

    def _hand_over(self) -> None:
        said = self.request.POST.get("outcome", "")
        number = int(said) if said.isdecimal() and len(said) < DIGITS_MAX else 0
        owed = queries.owed(self.draw).filter(number=number).first()
        if owed is None:
            messages.error(self.request, gettext("This prize has been handed over meanwhile."))
            return
        operations.hand_over(
            outcome_id=owed.pk, note=self.request.POST.get("note", ""),
            by=acting(self.request), at=timezone.now(),
        )  # fmt: skip
        messages.success(self.request, gettext("Noted: the winner has the prize."))


@dataclass(frozen=True, slots=True)
class Winner:
    """A prize that is owed, with the form that says that it is not any more."""

    outcome: DrawOutcome
    form: HandOverForm


def _winners(owed: Iterable[DrawOutcome]) -> list[Winner]:
    return [Winner(outcome=each, form=HandOverForm(each)) for each in owed]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a draw, in the programme's currency."""

    given: int
    cost: Decimal
    cost_at_most: Decimal
    cost_of_one: Decimal
    cost_of_times: Decimal


def _in_order(draw: Draw) -> list[DrawPrize]:
    return sorted(draw.prizes.all(), key=lambda each: each.position)


def _figures(draw: Draw) -> Figures:
    prizes = _in_order(draw)
    return Figures(
        given=sum(each.pieces - each.remaining for each in prizes),
        cost=sum((each.cost * (each.pieces - each.remaining) for each in prizes), Decimal(0)),
        cost_at_most=queries.cost_at_most(prizes),
        cost_of_one=queries.cost_expected(prizes, 1),
        cost_of_times=queries.cost_expected(prizes, TIMES),
    )


@dataclass(frozen=True, slots=True)
class Told:
    """A prize. `expected`: how many were to be hit in what was drawn; some may be used up."""

    prize: DrawPrize
    percent: str
    given: int
    expected: Decimal


def _told(prize: DrawPrize, draw: Draw) -> Told:
    return Told(
        prize=prize,
        percent=f"{percent(prize.parts).normalize():f}",
        given=prize.pieces - prize.remaining,
        expected=Decimal(prize.parts) * draw.drawn / PARTS,
    )


URLS: dict[str, tuple[str, Any]] = {
    "draws": ("draws/", DrawsPage),
    "draw-draft": ("draws/new/", DrawDraftPage),
    "draw": ("draws/<int:draw_id>/", DrawPage),
    "draw-edit": ("draws/<int:draw_id>/edit/", DrawDraftPage),
}
