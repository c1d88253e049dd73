"""The console's pages of what one person asked for and another decides."""

from typing import Any

from django.contrib import admin
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common import approvals
from common.deciding import DecidingAdmin, Decision
from common.forms import NoteForm, NoteRequiredForm
from common.models import Approval, ApprovalState
from common.staff import acting

STATE_LABELS: dict[str, str] = {
    ApprovalState.PENDING: "warning",
    ApprovalState.APPROVED: "success",
    ApprovalState.REJECTED: "danger",
}


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
class ApprovalAdmin(DecidingAdmin):
    """What waits stands first, longest waiting on top; then what was decided, latest first."""

    list_display = ["what", "target", "details", "reason", "asker", "age", "state_told"]
    list_display_links = ["what"]
    list_filter = ["state"]
    list_select_related = ["requested_by"]
    # Both in one index; no other order has one.
    ordering = ["-decided_at", "pk"]
    sortable_by: list[str] = []
    decisions = DECISIONS
    key = "approval_id"
    template = "console/approval.html"

    @display(description=_("Request"))
    def what(self, approval: Approval) -> str:
        return format_html('<span class="c-num">{}</span>', approvals.title(approval))

    @display(description=_("Details"))
    def details(self, approval: Approval) -> str:
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

    def row(self, request: HttpRequest, key: str) -> Approval:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = Approval.objects.select_related("requested_by", "decided_by")
        approval = found.filter(pk=key).first() if key.isdecimal() else None
        if approval is None:
            raise Http404
        return approval

    def open_to(self, request: HttpRequest, approval: Approval) -> list[str]:
        user = acting(request)
        if approval.state != ApprovalState.PENDING:
            return []
        if approval.requested_by_id == user.pk:
            return ["withdraw"]
        if not approvals.may_decide(approval, user=user):
            return []
        return ["approve", "reject"] if approvals.is_known(approval) else ["reject"]

    def told(self, request: HttpRequest, approval: Approval) -> dict[str, Any]:
        return {
            "title": approvals.title(approval),
            "approval": approval,
            "state_label": STATE_LABELS.get(approval.state, ""),
            "facts": approvals.facts(approval),
        }
