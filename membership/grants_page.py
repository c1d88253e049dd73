"""Points for many members from a file: handed in, looked through, begun, and what came of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.views.generic import View

from common import tables
from common.approvals import may_decide
from common.models import ApprovalState
from common.staff import acting
from membership.console import ConsolePage
from membership.file_pages import FilePage, FilesPage
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
ADJUST = "points.adjust_points"


class GrantsPage(FilesPage):
    """The latest files, and the form for another one."""

    template_name = "console/grants.html"
    permission_required = "points.view_grantbatch"
    hand_in_permissions = (ADJUST,)
    page_of_one = "admin:grant"
    title = _("Points for many")
    form_class = GrantFileForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        latest = GrantBatch.objects.select_related("created_by").order_by("-pk")[:BATCHES_SHOWN]
        return super().get_context_data(
            batches=[(batch, STATE_LABELS[GrantBatchState(batch.state)]) for batch in latest],
            example=",".join(HEADER),
            **context,
        )

    def hand_in(self, path: Path, name: str) -> int:
        at, by = timezone.now(), acting(self.request)
        return operations.read_grants(path=path, name=name, at=at, by=by).pk


class GrantPage(FilePage):
    """One file: what it would do, and what came of it."""

    template_name = "console/grant.html"
    permission_required = "points.view_grantbatch"
    form_class = ByHandForm
    begun = _("Begun: the points are being granted.")

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
        may = self.request.user.has_perm(ADJUST)
        return is_open and may and batch.refused < batch.rows

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(ADJUST):
            return self.handle_no_permission()
        if "discard" in request.POST:
            return self.done(
                lambda: operations.discard_grants(batch_id=self.batch.pk, by=acting(request))
            )
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        return self.start(form)

    def start_or_ask(self, **how: Any) -> Any:
        return approvals.start_grants_or_ask(batch_id=self.batch.pk, **how)


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
