"""Coupons in the console: batches, one batch with its figures, and conflicts of tills offline."""

import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
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
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, TemplateView

from benefits import coupon_words as words
from benefits.coupons import codes
from benefits.models.coupon_lists import CouponList
from benefits.models.coupons import BatchState, CodesFrom, CouponBatch
from benefits.operations import Who
from benefits.operations import coupons as operations
from benefits.queries import coupons as queries
from common import tables
from common.approvals import may_decide
from common.errors import DomainError
from common.models import Approval, ApprovalState
from common.staff import acting
from members import queries as members
from membership.console import ConsolePage
from membership.coupon_forms import (
    CouponBatchForm,
    IssueForm,
    MembersFileForm,
    PoolForm,
    RevokeForm,
    WhyForm,
)
from membership.coupon_lists_page import state_of

VIEW = "benefits.view_couponbatch"
DRAFT = "benefits.draft_couponbatch"
EXPORT = "benefits.export_couponbatch"
REVOKE = "benefits.revoke_coupon"
SHOWN = 50
ROWS_SHOWN = 20
STATE_LABELS = {
    BatchState.DRAFT: "info",
    BatchState.RUNNING: "success",
    BatchState.ENDED: "",
    BatchState.REVOKED: "danger",
}


class CouponsPage(ConsolePage, TemplateView):
    """The latest batches, with what became of their coupons."""

    template_name = "console/coupons/list.html"
    permission_required = VIEW
    title = _("Coupons")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        latest = list(CouponBatch.objects.order_by("-pk")[:SHOWN])
        figures = queries.figures(latest)
        return super().get_context_data(
            batches=[
                (each, STATE_LABELS[BatchState(each.state)], figures[each.pk]) for each in latest
            ],
            may_draft=self.request.user.has_perm(DRAFT),
            may_see_conflicts=self.request.user.has_perm("benefits.view_couponconflict"),
            **context,
        )


class CouponDraftPage(ConsolePage, FormView):
    """A new batch, or a draft to change."""

    template_name = "console/coupons/draft.html"
    permission_required = DRAFT
    form_class = CouponBatchForm
    title = _("Batch of coupons")

    @cached_property
    def batch(self) -> CouponBatch | None:
        pk = self.kwargs.get("coupon_batch")
        drafts = CouponBatch.objects.filter(state=BatchState.DRAFT)
        return get_object_or_404(drafts, pk=pk) if pk else None

    def get_initial(self) -> dict[str, Any]:
        return CouponBatchForm.initial_of(self.batch) if self.batch else {}

    def form_valid(self, form: Any) -> HttpResponse:
        by = acting(self.request)
        try:
            if self.batch:
                batch = operations.change_draft(
                    batch_id=self.batch.pk, content=form.content(), by=by
                )
            else:
                batch = operations.draft(content=form.content(), at=timezone.now(), by=by)
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.form_invalid(form)
        return HttpResponseRedirect(reverse("admin:coupon-batch", args=[batch.pk]))


class CouponBatchPage(ConsolePage, TemplateView):
    """One batch: what it promises, how far its codes are, what became of them, what can be done."""

    template_name = "console/coupons/batch.html"
    permission_required = VIEW

    @cached_property
    def batch(self) -> CouponBatch:
        found = CouponBatch.objects.select_related("created_by", "approval", "exported_by")
        return get_object_or_404(found, pk=self.kwargs["coupon_batch"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        batch, user = self.batch, self.request.user
        is_draft, is_running = batch.state == BatchState.DRAFT, batch.state == BatchState.RUNNING
        promised, currency = queries.described(batch), queries.currency()
        runs = list(batch.runs.order_by("-pk")[:ROWS_SHOWN])
        is_for_members = batch.codes_from == CodesFrom.MEMBERS
        lists = list(self._lists()) if is_for_members else []
        of_run = {each.run_id: each for each in lists if each.run_id}
        waiting = self._waiting() if is_draft else None
        return super().get_context_data(
            title=str(batch),
            batch=batch,
            state_label=STATE_LABELS[BatchState(batch.state)],
            worth=words.worth(promised, currency),
            conditions=list(words.conditions(promised, currency)),
            figures=queries.figures([batch])[batch.pk],
            runs=[(each, of_run.get(each.pk), 100 * each.done // each.wanted) for each in runs],
            lists=[(each, *state_of(each)) for each in lists],
            is_live=any(each.finished_at is None for each in runs),
            waiting=waiting,
            may_decide=waiting is not None and may_decide(waiting, user=acting(self.request)),
            may_ask=is_draft and waiting is None and user.has_perm(DRAFT),
            may_edit=is_draft and user.has_perm(DRAFT),
            may_issue=is_running
            and batch.codes_from != CodesFrom.GENERATED
            and user.has_perm(DRAFT),
            may_list=is_running and is_for_members and user.has_perm(DRAFT),
            members_file=context.pop("members_file", None) or MembersFileForm(auto_id="list_%s"),
            may_load=is_running and batch.codes_from == CodesFrom.POOL and user.has_perm(DRAFT),
            may_export=batch.codes_from == CodesFrom.GENERATED
            and not is_draft
            and batch.exported_at is None
            and user.has_perm(EXPORT),
            may_end=is_running and user.has_perm(REVOKE),
            may_revoke=batch.state in (BatchState.RUNNING, BatchState.ENDED)
            and user.has_perm(REVOKE),
            why=WhyForm(),
            revoking=RevokeForm(auto_id="revoke_%s"),
            issue=IssueForm(),
            pool=PoolForm(),
            refused=context.pop("refused", ()),
            **context,
        )

    def _lists(self) -> QuerySet[CouponList]:
        found = self.batch.lists.select_related("run", "created_by")
        return found.order_by("-pk")[:ROWS_SHOWN]

    def _waiting(self) -> Approval | None:
        found = Approval.objects.filter(
            kind=operations.KIND, state=ApprovalState.PENDING, payload__batch=self.batch.pk
        )
        return found.order_by("-pk").first()

    def post(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        """What a button asks for; of which the permission is its own."""
        deeds: Mapping[str, tuple[str, Callable[[], HttpResponse]]] = {
            "ask": (DRAFT, self._ask),
            "issue": (DRAFT, self._issue),
            "load": (DRAFT, self._load),
            "list": (DRAFT, self._list),
            "end": (REVOKE, self._end),
            "revoke": (REVOKE, self._revoke),
        }
        permission, deed = deeds.get(request.POST.get("do", ""), (DRAFT, self._again))
        if not request.user.has_perm(permission):
            return self.handle_no_permission()
        try:
            return deed()
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
            return self._again()

    def _again(self) -> HttpResponse:
        return HttpResponseRedirect(self.request.path)

    def _ask(self) -> HttpResponse:
        operations.ask_to_run(
            batch_id=self.batch.pk, reason=self.request.POST.get("reason", ""),
            at=timezone.now(), by=acting(self.request),
        )  # fmt: skip
        messages.success(self.request, gettext("Sent for approval."))
        return self._again()

    def _end(self) -> HttpResponse:
        operations.end(batch_id=self.batch.pk, by=acting(self.request))
        return self._again()

    def _revoke(self) -> HttpResponse:
        # Typed anew, as it cannot be taken back.
        if self.request.POST.get("code") != self.batch.code:
            messages.error(self.request, gettext("Type the code of the batch to revoke it."))
            return self._again()
        operations.revoke_batch(
            batch_id=self.batch.pk, reason=self.request.POST.get("reason", ""),
            by=acting(self.request),
        )  # fmt: skip
        return self._again()

    def _issue(self) -> HttpResponse:
        number, tag = (self.request.POST.get(name, "").strip() for name in ("member", "tag"))
        by, at = acting(self.request), timezone.now()
        if tag:
            operations.issue_to_tag(batch_id=self.batch.pk, tag=tag, at=at, by=by)
            messages.success(self.request, gettext("Begun: the coupons are being issued."))
        else:
            operations.issue(
                batch_id=self.batch.pk, member=members.identify(number),
                reference=f"hand:{uuid.uuid4().hex}", at=at, who=Who(by=by),
            )  # fmt: skip
            messages.success(self.request, gettext("Issued."))
        return self._again()

    def _list(self) -> HttpResponse:
        form = MembersFileForm(self.request.POST, self.request.FILES, auto_id="list_%s")
        if form.is_valid():
            file = form.cleaned_data["file"]
            with _copied(file) as path:
                try:
                    made = operations.read_list(
                        batch_id=self.batch.pk, path=path, name=file.name, at=timezone.now(),
                        by=acting(self.request),
                    )  # fmt: skip
                except DomainError as refusal:
                    # It names the file as we know it; staff know it by another name.
                    form.add_error("file", refusal.sentence.replace(path.name, file.name))
                else:
                    return HttpResponseRedirect(reverse("admin:coupon-list", args=[made.pk]))
        return self.render_to_response(self.get_context_data(members_file=form))

    def _load(self) -> HttpResponse:
        file = self.request.FILES.get("file")
        if file is None or file.name is None:
            return self._again()
        with _copied(file) as path:
            loaded = operations.load_pool(
                batch_id=self.batch.pk, path=path, at=timezone.now(), by=acting(self.request)
            )
        told = ngettext("%(count)s code loaded.", "%(count)s codes loaded.", loaded.count)
        messages.success(self.request, told % {"count": loaded.count})
        if not loaded.refused:
            return self._again()
        refused = [(row, why.sentence) for row, why in loaded.refused[:SHOWN]]
        del self.batch
        return self.render_to_response(self.get_context_data(refused=refused))


@contextmanager
def _copied(file: UploadedFile) -> Iterator[Path]:
    """What was handed in, where it can be read from the beginning again."""
    with tempfile.NamedTemporaryFile(suffix=Path(file.name or "").suffix[:8]) as copy:
        for block in file.chunks():
            copy.write(block)
        copy.flush()
        yield Path(copy.name)


class CouponCodesPage(ConsolePage, TemplateView):
    """The codes of a batch as a CSV: once, after a warning."""

    template_name = "console/coupons/codes.html"
    permission_required = EXPORT

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        batch = get_object_or_404(CouponBatch, pk=self.kwargs["coupon_batch"])
        return super().get_context_data(title=str(batch), batch=batch, **context)

    def post(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponseBase:
        batch = get_object_or_404(CouponBatch, pk=self.kwargs["coupon_batch"])
        try:
            found = operations.take_codes(batch_id=batch.pk, at=timezone.now(), by=acting(request))
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
            return HttpResponseRedirect(reverse("admin:coupon-batch", args=[batch.pk]))
        response = StreamingHttpResponse(_lines(found), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="coupons-{batch.pk}.csv"'
        return response


def _lines(found: list[str]) -> Iterator[str]:
    yield "\ufeff" + tables.csv_line(["code"])
    for start in range(0, len(found), 1000):
        yield "".join(tables.csv_line([codes.shown(code)]) for code in found[start : start + 1000])


class CouponConflictsPage(ConsolePage, TemplateView):
    """What tills took without a network and should not have: who, where, when, and what it cost."""

    template_name = "console/coupons/conflicts.html"
    permission_required = "benefits.view_couponconflict"
    title = _("Conflicts of coupons")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = list(queries.conflicts()[:SHOWN])
        return super().get_context_data(
            conflicts=[(each, operations.REASONS.get(each.why, each.why)) for each in found],
            **context,
        )


URLS: dict[str, tuple[str, Any]] = {
    "coupons": ("coupons/", CouponsPage),
    "coupon-draft": ("coupons/new/", CouponDraftPage),
    "coupon-conflicts": ("coupons/conflicts/", CouponConflictsPage),
    "coupon-batch": ("coupons/<int:coupon_batch>/", CouponBatchPage),
    "coupon-batch-edit": ("coupons/<int:coupon_batch>/edit/", CouponDraftPage),
    "coupon-batch-codes": ("coupons/<int:coupon_batch>/codes/", CouponCodesPage),
}
