"""What did not reach its member. (What did stands on the member's page.)"""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from common.staff import ReadOnlyAdmin, acting
from messaging import operations, queries, templates
from messaging.models import Delivery, DeliveryState

STATE_LABELS = {
    DeliveryState.WAITING: "info",
    DeliveryState.SENT: "success",
    DeliveryState.FAILED: "danger",
    DeliveryState.DEAD: "danger",
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
