"""Points for many members from a file: handed in, looked through, begun, and what came of it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, View

from common import tables
from common.approvals import may_decide
from common.errors import DomainError
from common.models import Approval, ApprovalState
from common.staff import acting
from membership.console import ConsolePage
from membership.points_actions import sent_for_approval
from points import approvals, operations
from points.forms import ByHandForm, GrantFileForm
from points.models import GrantBatch, GrantBatchState, GrantRow

BATCHES_SHOWN = 50
ROWS_SHOWN = 20
STATE_LABELS = {
    GrantBatchState.READ: "info",
    GrantBatchState.ASKED: "warning",
    GrantBatchState.RUNNING: "warning",
    GrantBatchState.DONE: "success",
    GrantBatchState.DISCARDED: "",
}
HEADER = ("member", "points", "reference", "reason")


class GrantsPage(ConsolePage, FormView):
    """The latest files, and the form for another one."""

    template_name = "console/grants.html"
    permission_required = "points.view_grantbatch"
    title = _("Points for many")
    form_class = GrantFileForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        latest = GrantBatch.objects.select_related("created_by").order_by("-pk")[:BATCHES_SHOWN]
        return super().get_context_data(
            batches=[(batch, STATE_LABELS[GrantBatchState(batch.state)]) for batch in latest],
            may_hand_in=self.request.user.has_perm("points.adjust_points"),
            example=",".join(HEADER),
            **context,
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm("points.adjust_points"):
            return self.handle_no_permission()
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        file = form.cleaned_data["file"]
        with tempfile.NamedTemporaryFile(suffix=Path(file.name).suffix[:8]) as copy:
            for block in file.chunks():
                copy.write(block)
            copy.flush()
            try:
                batch = operations.read_grants(
                    path=Path(copy.name), name=file.name, at=timezone.now(), by=acting(self.request)
                )
            except DomainError as refusal:
                # A refusal names the file as we know it; staff know it by another name.
                told = refusal.sentence.replace(Path(copy.name).name, file.name)
                form.add_error("file", told)
                return self.form_invalid(form)
        return HttpResponseRedirect(reverse("admin:grant", args=[batch.pk]))


class GrantPage(ConsolePage, FormView):
    """One file: what it would do, and what came of it."""

    template_name = "console/grant.html"
    permission_required = "points.view_grantbatch"
    form_class = ByHandForm

    @cached_property
    def batch(self) -> GrantBatch:
        found = GrantBatch.objects.select_related("created_by", "approval")
        return get_object_or_404(found, pk=self.kwargs["batch_id"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        batch = self.batch
        rows = GrantRow.objects.filter(batch=batch).order_by("number")
        wrong = rows.exclude(outcome__in=["", GrantRow.GRANTED])
        done = batch.granted + batch.refused
        return super().get_context_data(
            title=str(batch),
            batch=batch,
            state_label=STATE_LABELS[GrantBatchState(batch.state)],
            rows=rows.filter(outcome__in=["", GrantRow.GRANTED])[:ROWS_SHOWN],
            wrong=[(row, operations.refusal_told(row)) for row in wrong[:ROWS_SHOWN]],
            shown_max=ROWS_SHOWN,
            percent=100 * done // batch.rows,
            done=done,
            is_live=batch.state == GrantBatchState.RUNNING,
            may_start=self._may_start(),
            needs_approval=approvals.needs_approval(batch.points, at=timezone.now()),
            may_decide=batch.approval is not None
            and may_decide(batch.approval, user=acting(self.request)),
            **context,
        )

    def _may_start(self) -> bool:
        """Whether its buttons are shown. What may be, the operations judge."""
        batch = self.batch
        asked_again = (
            batch.state == GrantBatchState.ASKED
            and batch.approval is not None
            and batch.approval.state in (ApprovalState.REJECTED, ApprovalState.WITHDRAWN)
        )
        is_open = batch.state == GrantBatchState.READ or asked_again
        may = self.request.user.has_perm("points.adjust_points")
        return is_open and may and batch.refused < batch.rows

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm("points.adjust_points"):
            return self.handle_no_permission()
        if "discard" in request.POST:
            return self._done(
                lambda: operations.discard_grants(batch_id=self.batch.pk, by=acting(request))
            )
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        return self._done(
            lambda: approvals.start_grants_or_ask(
                batch_id=self.batch.pk,
                at=timezone.now(),
                reference=form.cleaned_data["reference"],
                by=acting(self.request),
                reason=form.cleaned_data["reason"],
            )
        )

    def _done(self, operation: Any) -> HttpResponse:
        try:
            made = operation()
        except DomainError as refusal:
            messages.error(self.request, refusal.sentence)
        else:
            messages.success(self.request, _said(made))
        return HttpResponseRedirect(self.request.path)


def _said(made: GrantBatch | Approval) -> str:
    if isinstance(made, Approval):
        return sent_for_approval(made)
    if made.state == GrantBatchState.DISCARDED:
        return gettext("Discarded.")
    return gettext("Begun: the points are being granted.")


class GrantResult(ConsolePage, View):
    """All rows with what came of each, as a CSV."""

    permission_required = "points.view_grantbatch"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        batch = get_object_or_404(GrantBatch, pk=self.kwargs["batch_id"])
        response = StreamingHttpResponse(_lines(batch), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="grants-{batch.pk}.csv"'
        return response


def _lines(batch: GrantBatch) -> Iterator[str]:
    yield "\ufeff" + tables.csv_line(["row", *HEADER, "outcome", "entry", "message"])
    rows = GrantRow.objects.filter(batch=batch).select_related("member").order_by("number")
    for row in rows.iterator(chunk_size=1000):
        entry = f"{row.member.number}-{row.entry_seq}" if row.member and row.entry_seq else ""
        yield tables.csv_line(
            [str(row.number), *row.cells, row.outcome, entry, operations.refusal_told(row)]
        )


URLS: dict[str, tuple[str, Any]] = {
    "grants": ("grants/", GrantsPage),
    "grant": ("grants/<int:batch_id>/", GrantPage),
    "grant-result": ("grants/<int:batch_id>/result.csv", GrantResult),
}
