"""The console's pages of those who apply for a membership (M6)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localdate
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common.errors import DomainError
from common.staff import ReadOnlyAdmin, acting
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


@dataclass(frozen=True, slots=True)
class Decision:
    """A button on the page of an application, and the form behind it."""

    title: Any
    operation: Callable[..., object]
    form: type[Form]
    explanation: Any
    done: Any
    icon: str
    style: str


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
class ApplicationAdmin(ReadOnlyAdmin):
    """What waits stands first, longest waiting on top; then what has ended, latest first."""

    list_display = ["number", "shown_name", "shown_phone", "store", "channel", "age", "state_told"]
    list_display_links = ["number"]
    list_select_related = ["store"]
    list_filter = ["state", "channel"]
    # Both in one index; no other order has one.
    ordering = ["-decided_at", "pk"]
    sortable_by: list[str] = []
    actions = ["approve_chosen"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Application]:
        return reach.of(request.user).applications()

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<int:application_id>/{name}/",
                self.admin_site.admin_view(partial(self.decide_view, name=name)),
                name=f"members_application_{name}",
            )
            for name in DECISIONS
        ]
        return [*own, *super().get_urls()]

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

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return self._page(request, self._application(request, object_id))

    def decide_view(self, request: HttpRequest, application_id: int, *, name: str) -> HttpResponse:
        """The form in front of one decision. Whether it may be taken, the operation judges."""
        application = self._application(request, str(application_id))
        if not self.has_decide_permission(request):
            raise PermissionDenied
        if not applications.is_theirs(application, acting(request), on=localdate()):
            raise PermissionDenied
        page = reverse("admin:members_application_change", args=[application_id])
        decision = DECISIONS[name]
        if request.method != "POST":
            if not application.is_waiting:
                return HttpResponseRedirect(page)
            return self._page(request, application, decision=decision, form=decision.form())
        form = decision.form(request.POST)
        if not form.is_valid():
            return self._page(request, application, decision=decision, form=form)
        try:
            decision.operation(
                application_id=application.pk,
                by=acting(request),
                at=timezone.now(),
                **form.cleaned_data,
            )
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
        else:
            messages.success(request, str(decision.done))
        return HttpResponseRedirect(page)

    def _application(self, request: HttpRequest, application_id: str) -> Application:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_queryset(request).select_related("store", "client", "decided_by", "member")
        is_key = application_id.isascii() and application_id.isdigit() and len(application_id) < 19
        application = found.filter(pk=int(application_id)).first() if is_key else None
        if application is None:
            raise Http404
        return application

    def _page(
        self,
        request: HttpRequest,
        application: Application,
        *,
        decision: Decision | None = None,
        form: Form | None = None,
    ) -> HttpResponse:
        user = acting(request)
        may_decide = application.is_waiting and self.has_decide_permission(request)
        may_decide = may_decide and applications.is_theirs(application, user, on=localdate())
        context = {
            **self.admin_site.each_context(request),
            "title": application.number,
            "application": application,
            "state_label": STATE_LABELS.get(application.state, ""),
            "facts": facts(application),
            "before": applications.before(application),
            "alike": list(applications.alike(application)) if application.is_waiting else [],
            # Of another dealer's member they learn that there is one, and the number.
            "may_see_members": request.user.has_perm("members.view_member")
            and not reach.of(user).is_limited,
            "buttons": [
                (reverse(f"admin:members_application_{name}", args=[application.pk]), each)
                for name, each in DECISIONS.items()
            ]
            if may_decide
            else [],
            "decision": decision,
            "form": form,
        }
        return TemplateResponse(request, "console/application.html", context)


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
