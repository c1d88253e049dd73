"""What did not reach its member (what did stands on the member's page), and how it is worded."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from common.errors import DomainError
from common.staff import ReadOnlyAdmin, StaffAdmin, acting
from messaging import composing, operations, queries, templates
from messaging.forms import TestForm, WordingForm
from messaging.models import Delivery, DeliveryState, Wording

STATE_LABELS = {
    DeliveryState.WAITING: "info",
    DeliveryState.SENT: "success",
    DeliveryState.FAILED: "danger",
    DeliveryState.DEAD: "danger",
    DeliveryState.UNWANTED: "warning",
}


@admin.register(Delivery)
class FailedDeliveryAdmin(ReadOnlyAdmin):
    """Deliveries that were refused or given up; staff mend the cause and have them tried again."""

    list_display = ["said_at", "number", "subject", "channel", "state_told", "attempts", "problem"]
    list_display_links = ["said_at"]
    list_select_related = ["message__member"]
    list_filter = ["state"]
    actions = ["try_again"]
    search_fields = ["message__member__number"]
    search_help_text = _("Member number in full")
    fields = [
        "said_at",
        "number",
        "subject",
        "body",
        "channel",
        "state",
        "attempts",
        "problem",
        "key",
        "provider_id",
        "arrived_at",
    ]
    readonly_fields = ["said_at", "number", "subject", "body", "problem", "key"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return queries.failed_deliveries()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        if search_term:
            queryset = queryset.filter(message__member__number=search_term.strip().upper())
        return queryset, False

    @display(description=_("Said at"))
    def said_at(self, delivery: Delivery) -> str:
        return date_format(localtime(delivery.message.created_at), "SHORT_DATETIME_FORMAT")

    @display(description=_("Member"))
    def number(self, delivery: Delivery) -> str:
        number = delivery.message.member.number
        page = reverse("admin:member-messages", args=[number])
        return format_html('<a class="c-link" href="{}">{}</a>', page, number)

    @display(description=_("Message"))
    def subject(self, delivery: Delivery) -> str:
        message = delivery.message
        return templates.shown(message.template, message.variables).subject

    @display(description=_("Text"))
    def body(self, delivery: Delivery) -> str:
        message = delivery.message
        return templates.shown(message.template, message.variables).body

    @display(description=_("State"), label=STATE_LABELS)
    def state_told(self, delivery: Delivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()

    @display(description=_("Problem"))
    def problem(self, delivery: Delivery) -> str:
        return delivery.problem

    @display(description=_("Key"))
    def key(self, delivery: Delivery) -> str:
        return delivery.message.key

    @admin.action(description=_("Try again"), permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        if not self.has_retry_permission(request):
            raise PermissionDenied
        chosen = list(queryset.values_list("pk", flat=True)[:1000])
        count = operations.try_again(delivery_ids=chosen, now=timezone.now(), by=acting(request))
        sentence = ngettext(
            "%(count)s delivery will be tried again.",
            "%(count)s deliveries will be tried again.",
            count,
        )
        messages.success(request, sentence % {"count": count})

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("messaging.retry_delivery")


@admin.register(Wording)
class WordingAdmin(StaffAdmin):
    """How messages read on each channel, shown with sample values and tried out from here."""

    form = WordingForm
    list_display = ["template", "says", "channel", "language", "provider_template"]
    list_filter = ["channel", "language"]
    search_fields = ["template", "provider_template"]
    ordering = ["template", "channel", "language"]
    readonly_fields = ["preview"]
    actions_detail = ["send_test"]

    @display(description=_("Message"))
    def says(self, wording: Wording) -> str:
        try:
            return templates.template(wording.template).example().subject
        except templates.UnknownTemplate:  # of a release before this one
            return "–"

    @display(description=_("Preview"))
    def preview(self, wording: Wording) -> str:
        if wording.pk is None:
            return "–"
        try:
            text = composing.preview(wording)
        except LookupError:  # of a release that had this template
            return gettext("This message can no longer be shown.")
        return "\n".join(filter(None, [text.subject, text.body]))

    @action(
        description=_("Send a test"), url_path="test", permissions=["change"], icon="outgoing_mail"
    )
    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        wording = Wording.objects.filter(pk=object_id).first() if object_id.isdigit() else None
        if wording is None:
            raise Http404
        page = reverse("admin:messaging_wording_change", args=[wording.pk])
        form = TestForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            address: Any = form.cleaned_data["address"]
            try:
                operations.send_test(
                    wording_id=wording.pk, address=address, at=timezone.now(), by=acting(request)
                )
            except DomainError as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, gettext("The test is on its way."))
                return HttpResponseRedirect(page)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Send a test"),
            "wording": wording,
            "preview": composing.preview(wording),
            "form": form,
            "back": page,
        }
        return TemplateResponse(request, "console/messaging/test.html", context)
