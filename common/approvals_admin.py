"""The console's pages of what one person asked for and another decides."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common import approvals
from common.errors import DomainError
from common.forms import NoteForm, NoteRequiredForm
from common.models import Approval, ApprovalState
from common.staff import ReadOnlyAdmin, acting

STATE_LABELS: dict[str, str] = {
    ApprovalState.PENDING: "warning",
    ApprovalState.APPROVED: "success",
    ApprovalState.REJECTED: "danger",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """A button on the page of a request, and the form behind it."""

    title: Any
    operation: Callable[..., Approval]
    form: type[NoteForm]
    explanation: Any
    done: Any
    icon: str
    style: str


DECISIONS = {
    "approve": Decision(
        _("Approve"),
        approvals.approve,
        NoteForm,
        _("It is done at once, in your name and the name of who asked."),
        _("Approved and done."),
        "check",
        "c-primary",
    ),
    "reject": Decision(
        _("Reject"),
        approvals.reject,
        NoteRequiredForm,
        _("Nothing is done. Who asked can read your note and ask anew."),
        _("Rejected."),
        "block",
        "c-danger",
    ),
    "withdraw": Decision(
        _("Withdraw"),
        approvals.withdraw,
        NoteForm,
        _("Nothing is done, and nobody need decide any more."),
        _("Withdrawn."),
        "undo",
        "",
    ),
}


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    """What waits stands first, longest waiting on top; then what was decided, latest first."""

    list_display = ["what", "target", "told", "reason", "asker", "age", "state_told"]
    list_display_links = ["what"]
    list_filter = ["state"]
    list_select_related = ["requested_by"]
    # Both in one index; no other order has one.
    ordering = ["-decided_at", "pk"]
    sortable_by: list[str] = []

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<int:approval_id>/{name}/",
                self.admin_site.admin_view(partial(self.decide_view, name=name)),
                name=f"common_approval_{name}",
            )
            for name in DECISIONS
        ]
        return [*own, *super().get_urls()]

    @display(description=_("Request"))
    def what(self, approval: Approval) -> str:
        return format_html('<span class="c-num">{}</span>', approvals.title(approval))

    @display(description=_("Details"))
    def told(self, approval: Approval) -> str:
        facts = ((label, localize(value)) for label, value in approvals.facts(approval))
        return format_html_join(" · ", "{} {}", facts)

    @display(description=_("Asked by"))
    def asker(self, approval: Approval) -> str:
        return approval.requested_by.get_username()

    @display(description=_("Asked"))
    def age(self, approval: Approval) -> str:
        return format_html('<span class="c-num">{}</span>', naturaltime(approval.requested_at))

    @display(description=_("State"), label=STATE_LABELS)
    def state_told(self, approval: Approval) -> tuple[str, str]:
        return approval.state, approval.get_state_display()

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return self._page(request, self._approval(request, object_id))

    def decide_view(self, request: HttpRequest, approval_id: int, *, name: str) -> HttpResponse:
        """The form in front of one decision. Whether it may be taken, the operation judges."""
        approval = self._approval(request, str(approval_id))
        page = HttpResponseRedirect(reverse("admin:common_approval_change", args=[approval_id]))
        decision = DECISIONS[name]
        if request.method != "POST":
            if name not in self._open_to(request, approval):
                return page
            return self._page(request, approval, decision=decision, form=decision.form())
        form = decision.form(request.POST)
        if not form.is_valid():
            return self._page(request, approval, decision=decision, form=form)
        try:
            decision.operation(
                approval_id=approval.pk,
                by=acting(request),
                at=timezone.now(),
                note=form.cleaned_data["note"],
            )
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
        else:
            messages.success(request, str(decision.done))
        return page

    def _approval(self, request: HttpRequest, approval_id: str) -> Approval:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = Approval.objects.select_related("requested_by", "decided_by")
        approval = found.filter(pk=approval_id).first() if approval_id.isdecimal() else None
        if approval is None:
            raise Http404
        return approval

    def _open_to(self, request: HttpRequest, approval: Approval) -> list[str]:
        """The decisions whose buttons are shown."""
        user = acting(request)
        if approval.state != ApprovalState.PENDING:
            return []
        if approval.requested_by_id == user.pk:
            return ["withdraw"]
        if not approvals.may_decide(approval, user=user):
            return []
        return ["approve", "reject"] if approvals.is_known(approval) else ["reject"]

    def _page(
        self,
        request: HttpRequest,
        approval: Approval,
        *,
        decision: Decision | None = None,
        form: NoteForm | None = None,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": approvals.title(approval),
            "approval": approval,
            "state_label": STATE_LABELS.get(approval.state, ""),
            "facts": approvals.facts(approval),
            "buttons": [
                (reverse(f"admin:common_approval_{name}", args=[approval.pk]), DECISIONS[name])
                for name in self._open_to(request, approval)
            ],
            "decision": decision,
            "form": form,
        }
        return TemplateResponse(request, "console/approval.html", context)
