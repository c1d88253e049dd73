"""The tier × benefit matrix of a draft as a grid: a row a benefit, a column a tier."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView

from benefits.matrix import ALWAYS, BIRTHDAY, COUNTED, MONTH, PAYS, QUARTER, UPGRADE, YEAR
from benefits.models import Kind
from common import schemas
from common.errors import DomainError
from common.localized import localized
from common.staff import acting
from membership.drafts_page import EDIT, DraftPageBase, revision
from programme import documents, operations

PER = {
    MONTH: _("a month"),
    QUARTER: _("a quarter"),
    YEAR: _("a year"),
    BIRTHDAY: _("in the month of the birthday"),
    UPGRADE: _("on reaching the tier"),
}
assert tuple(PER) == COUNTED
LISTED = ("benefits", "of_tiers")


@dataclass(frozen=True, slots=True)
class Cell:
    """What a tier gets of a benefit, as it is typed. `name`: the end of its fields' names."""

    name: str
    tier: str
    number: str
    is_always: bool
    is_wrong: bool


@dataclass(frozen=True, slots=True)
class Row:
    nth: int
    name: str
    code: str
    kind: str
    per: str
    cells: list[Cell]


class MatrixPage(DraftPageBase, TemplateView):
    """Edited in place: each cell says how many, always, or which part of the price."""

    template_name = "console/rulebook/matrix.html"
    permission_required = EDIT
    problems: tuple[schemas.Problem, ...] = ()
    # The whole document that they are of.
    attempted: Any = None

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        document = self.attempted or self.draft.document
        wrong = {problem.path[:5] for problem in self.problems}
        return super().get_context_data(
            levels=_levels(document),
            rows=list(_rows(document, wrong)),
            per=PER.items(),
            problems=[(schemas.place(each.path), each.why) for each in self.problems],
            back=reverse("admin:draft-part", args=[self.draft.pk, "benefits"]),
            **context,
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.is_open:
            messages.error(request, operations.DraftWaits().sentence)
            return self.overview()
        document = with_cells(self.draft.document, request.POST)
        try:
            operations.save_draft(
                draft_id=self.draft.pk,
                document=document,
                revision=revision(request.POST),
                by=acting(request),
                at=timezone.now(),
            )
        except documents.InvalidDocument as refusal:
            self.problems, self.attempted = refusal.problems, document
            return self.render_to_response(self.get_context_data(), status=422)
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
            return self.render_to_response(self.get_context_data(), status=409)
        messages.success(request, gettext("Saved."))
        return HttpResponseRedirect(request.path)


def _levels(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Code, name and colour of each tier, the lowest first."""
    levels = document.get("tiers", {}).get("levels", ())
    return [(each["code"], localized(each["names"]), each["color"]) for each in levels]


def _benefits(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(document.get("benefits", {}).get("of_tiers", ()))


def _rows(document: Mapping[str, Any], wrong: set[schemas.Path]) -> Iterator[Row]:
    levels = _levels(document)
    for nth, benefit in enumerate(_benefits(document)):
        cells = [
            _cell(nth, code, name, benefit["tiers"].get(code, {}), wrong)
            for code, name, _color in levels
        ]
        counted = (per for cell in benefit["tiers"].values() for per in cell if per in PER)
        yield Row(
            nth,
            localized(benefit["names"]),
            benefit["code"],
            benefit["kind"],
            next(counted, MONTH),
            cells,
        )


def _cell(
    nth: int, level: str, tier: str, cell: Mapping[str, Any], wrong: set[schemas.Path]
) -> Cell:
    number = next((value for per, value in cell.items() if per != ALWAYS), "")
    is_wrong = (*LISTED, nth, "tiers", level) in wrong
    return Cell(f"{nth}-{level}", tier, str(number), ALWAYS in cell, is_wrong)


def with_cells(document: Mapping[str, Any], data: QueryDict) -> dict[str, Any]:
    """The document with the cells that were sent. What is no number is for the schema to refuse."""
    changed = deepcopy(dict(document))
    levels = [code for code, _name, _color in _levels(document)]
    for nth, benefit in enumerate(_benefits(changed)):
        sent = {
            level: _sent(benefit["kind"], data.get(f"per-{nth}", MONTH), f"{nth}-{level}", data)
            for level in levels
        }
        benefit["tiers"] = {level: cell for level, cell in sent.items() if cell}
    return changed


def _sent(kind: str, per: str, name: str, data: QueryDict) -> dict[str, Any]:
    if data.get(f"always-{name}") and kind != Kind.DISCOUNT:
        return {ALWAYS: True}
    number = data.get(f"number-{name}", "").strip()
    if not number or kind == Kind.STANDING:
        return {}
    if kind == Kind.DISCOUNT:
        return {PAYS: number}
    return {per: int(number) if number.isdecimal() and len(number) < 10 else number}


URLS: dict[str, tuple[str, Any]] = {
    "draft-matrix": ("rulebook/drafts/<int:draft_id>/matrix/", MatrixPage),
}
