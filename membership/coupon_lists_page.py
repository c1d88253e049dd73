"""One list of members for coupons: what its rows would bring, and what came of them."""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView, View

from benefits.models.coupon_lists import CouponList, CouponRow
from benefits.models.coupons import BatchState
from benefits.operations import coupons as operations
from common import tables
from common.errors import DomainError
from common.staff import acting
from membership.console import ConsolePage

VIEW = "benefits.view_couponbatch"
DRAFT = "benefits.draft_couponbatch"
ROWS_SHOWN = 20
# How far a list is: its name and its color.
READ = (_("To be looked through"), "info")
AT_WORK = (_("At work"), "warning")
DONE = (_("Done"), "success")


def state_of(listed: CouponList) -> tuple[Any, str]:
    if listed.run is None:
        return READ
    return AT_WORK if listed.run.finished_at is None else DONE


class _OfList:
    kwargs: dict[str, Any]

    @cached_property
    def listed(self) -> CouponList:
        found = CouponList.objects.select_related("batch", "run", "created_by")
        return get_object_or_404(found, pk=self.kwargs["coupon_list"])

    def refused(self) -> QuerySet[CouponRow]:
        """With what their sentences need, and no more of a member than the number."""
        rows = CouponRow.objects.filter(list=self.listed).select_related("member")
        needed = rows.only("number", "outcome", "details", "member__number")
        return needed.exclude(outcome__in=["", CouponRow.ISSUED]).order_by("number")


class CouponListPage(_OfList, ConsolePage, TemplateView):
    """Looked through first; begun by a button; then how far it is."""

    template_name = "console/coupons/members.html"
    permission_required = VIEW

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        listed, batch, run = self.listed, self.listed.batch, self.listed.run
        state, label = state_of(listed)
        may_issue = (
            run is None
            and batch.state == BatchState.RUNNING
            and listed.good > 0
            and self.request.user.has_perm(DRAFT)
        )
        return super().get_context_data(
            title=str(listed),
            listed=listed,
            batch=batch,
            run=run,
            state=state,
            state_label=label,
            without=listed.refused + (run.skipped if run else 0),
            percent=100 * (run.done + run.skipped) // run.wanted if run else 0,
            is_live=run is not None and run.finished_at is None,
            may_issue=may_issue,
            # The batch may have given out some since the file was read.
            to_issue=min(listed.good, batch.total - batch.issued),
            earlier=self._earlier() if may_issue else None,
            wrong=[
                (row, operations.refusal_told(row, batch)) for row in self.refused()[:ROWS_SHOWN]
            ],
            shown_max=ROWS_SHOWN,
            **context,
        )

    def _earlier(self) -> CouponList | None:
        """The latest list of the same file that was issued: mostly an oversight."""
        same = CouponList.objects.filter(
            batch=self.listed.batch_id, fingerprint=self.listed.fingerprint, run__isnull=False
        )
        return same.order_by("-pk").first()

    def post(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(DRAFT):
            return self.handle_no_permission()
        try:
            operations.issue_to_list(list_id=self.listed.pk, at=timezone.now(), by=acting(request))
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
        else:
            messages.success(request, gettext("Begun: the coupons are being issued."))
        return HttpResponseRedirect(request.path)


class CouponListRefused(_OfList, ConsolePage, View):
    """The rows that got no coupon, each with why, as a CSV."""

    permission_required = VIEW

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = StreamingHttpResponse(self._lines(), content_type="text/csv; charset=utf-8")
        name = f"no-coupon-{self.listed.pk}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def _lines(self) -> Iterator[str]:
        yield "\ufeff" + tables.csv_line(tables.ERROR_COLUMNS)
        for row in self.refused().iterator(chunk_size=1000):
            told = operations.refusal_told(row, self.listed.batch)
            yield tables.csv_line([str(row.number), row.outcome, told])


URLS: dict[str, tuple[str, Any]] = {
    "coupon-list": ("coupons/lists/<int:coupon_list>/", CouponListPage),
    "coupon-list-refused": ("coupons/lists/<int:coupon_list>/refused.csv", CouponListRefused),
}
