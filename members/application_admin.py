"""The console's pages of those who apply for a membership (M6)."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localdate
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common.deciding import DecidingAdmin, Decision
from common.errors import DomainError
from common.staff import acting
from members import applications, attributes, masking, operations, phones, reach
from members.forms import RefuseForm
from members.models import Application, ApplicationState, ConsentPurpose, Sex

STATE_LABELS: dict[str, str] = {
    ApplicationState.APPLIED: "warning",
    ApplicationState.APPROVED: "success",
    ApplicationState.REFUSED: "danger",
}
# So many can be approved together: each in a transaction of its own, while somebody waits.
CHOSEN_MAX = 200


DECISIONS = {
    "approve": Decision(
        _("Approve"),
        operations.approve_application,
        Form,
        _("The applicant is a member at once, with all that a new member gets, and is told so."),
        _("Approved: the applicant is a member now."),
        "check",
        "c-primary",
    ),
    "refuse": Decision(
        _("Refuse"),
        operations.refuse_application,
        RefuseForm,
        _("The applicant is told the reason and your words, and may apply again."),
        _("Refused."),
        "block",
        "c-danger",
    ),
}


@admin.register(Application)
class ApplicationAdmin(DecidingAdmin):
    """What waits stands first, longest waiting on top; then what has ended, latest first."""

    list_display = ["number", "shown_name", "shown_phone", "store", "channel", "age", "state_told"]
    list_display_links = ["number"]
    list_select_related = ["store"]
    list_filter = ["state", "channel"]
    # Both in one index; no other order has one.
    ordering = ["-decided_at", "pk"]
    sortable_by: list[str] = []
    actions = ["approve_chosen"]
    decisions = DECISIONS
    key = "application_id"
    template = "console/application.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Application]:
        return reach.of(request.user).applications()

    @display(description=_("Number of the application"))
    def number(self, application: Application) -> str:
        return application.number

    @display(description=_("Name"))
    def shown_name(self, application: Application) -> str:
        return applications.told(application)["profile"].get("name") or "–"

    @display(description=_("Phone"))
    def shown_phone(self, application: Application) -> str:
        return phones.masked(application.phone) or "–"

    @display(description=_("Applied"))
    def age(self, application: Application) -> str:
        return format_html('<span class="c-num">{}</span>', naturaltime(application.applied_at))

    @display(description=_("State"), label=STATE_LABELS)
    def state_told(self, application: Application) -> tuple[str, str]:
        return application.state, application.get_state_display()

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(applications.DECIDE)

    @admin.action(description=_("Approve"), permissions=["decide"])
    def approve_chosen(
        self, request: HttpRequest, queryset: QuerySet[Application]
    ) -> HttpResponse | None:
        """In two steps: the second tells who would become a member."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        waiting = queryset.filter(state=ApplicationState.APPLIED).order_by("pk")
        chosen = list(waiting.select_related("store")[:CHOSEN_MAX])
        if not chosen:
            messages.warning(request, gettext("None of the chosen applications waits."))
            return None
        if "confirmed" not in request.POST:
            return self._confirmation(request, chosen)
        self._approve(request, chosen)
        return None

    def _approve(self, request: HttpRequest, chosen: list[Application]) -> None:
        approved = 0
        for application in chosen:
            try:
                operations.approve_application(
                    application_id=application.pk, by=acting(request), at=timezone.now()
                )
            except DomainError as refusal:
                messages.error(request, f"{application.number}: {refusal.sentence}")
            else:
                approved += 1
        if approved:
            sentence = ngettext(
                "%(count)s application is approved.",
                "%(count)s applications are approved.",
                approved,
            )
            messages.success(request, sentence % {"count": approved})

    def _confirmation(self, request: HttpRequest, chosen: list[Application]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Approve applications"),
            "rows": [
                (
                    application,
                    self.shown_name(application),
                    self.shown_phone(application),
                    sorted({member.number for member, _why in applications.alike(application)}),
                )
                for application in chosen
            ],
            "explanation": DECISIONS["approve"].explanation,
        }
        return TemplateResponse(request, "console/applications_approve.html", context)

    def row(self, request: HttpRequest, key: str) -> Application:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_queryset(request).select_related("store", "client", "decided_by", "member")
        is_key = key.isascii() and key.isdigit() and len(key) < 19
        application = found.filter(pk=int(key)).first() if is_key else None
        if application is None:
            raise Http404
        return application

    def require_right(self, request: HttpRequest, application: Application) -> None:
        if not self._may_decide(request, application):
            raise PermissionDenied

    def _may_decide(self, request: HttpRequest, application: Application) -> bool:
        user = acting(request)
        is_theirs = applications.is_theirs(application, user, on=localdate())
        return is_theirs and self.has_decide_permission(request)

    def open_to(self, request: HttpRequest, application: Application) -> list[str]:
        may_decide = application.is_waiting and self._may_decide(request, application)
        return list(DECISIONS) if may_decide else []

    def told(self, request: HttpRequest, application: Application) -> dict[str, Any]:
        return {
            "title": application.number,
            "application": application,
            "state_label": STATE_LABELS.get(application.state, ""),
            "facts": facts(application),
            "before": applications.before(application),
            "alike": list(applications.alike(application)) if application.is_waiting else [],
            # Of another dealer's member they learn that there is one, and the number.
            "may_see_members": request.user.has_perm("members.view_member")
            and not reach.of(request.user).is_limited,
        }


def facts(application: Application) -> list[tuple[Any, Any]]:
    """What was told with it, masked as a member's page is; nothing once it is forgotten."""
    told = applications.told(application)
    profile, product = told["profile"], told["product"] or {}
    words = [ConsentPurpose(word["purpose"]).label for word in told["words"]]
    asked = [each for each in attributes.defined().values() if not each.is_personal]
    found = [
        (_("Name"), profile.get("name")),
        (_("Phone"), phones.masked(application.phone)),
        (_("E-mail"), masking.email(profile.get("email", ""))),
        (_("ID number"), masking.tail(profile.get("id_number", ""))),
        (_("Sex"), dict(Sex.choices).get(profile.get("sex", ""), "")),
        (_("Birthday"), profile.get("birthday")),
        (_("Province"), profile.get("province")),
        (_("City"), profile.get("city")),
        *attributes.told(profile.get("attributes", {}), asked),
        (_("Product"), f"{product.get('identifier', '')} {product.get('name', '')}".strip()),
        (_("Number of the dealer"), (told["external"] or ["", ""])[1]),
        (_("Agreed to"), "、".join(str(label) for label in words)),
        (_("Enrolling store"), str(application.store or "")),
        (_("Channel"), application.get_channel_display()),
        (
            _("Applied at"),
            date_format(timezone.localtime(application.applied_at), "DATETIME_FORMAT"),
        ),
    ]
    return [(label, value) for label, value in found if value not in (None, "")]
