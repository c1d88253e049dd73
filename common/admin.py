"""Staff's own logins and roles, and what the platform does by itself."""

import json
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.timezone import localtime
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm

from common import approvals_admin, events, night_admin  # noqa: F401 - they register pages
from common.forms import StaffChangeForm, StaffCreationForm
from common.models import AuditRecord, OutboxEvent, User
from common.staff import ReadOnlyAdmin, StaffAdmin, acting


@admin.register(User)
class StaffLoginAdmin(StaffAdmin, BaseUserAdmin):  # type: ignore[misc]  # typed hooks
    """Logins of staff. Members' logins, of which there may be millions, have no page."""

    form = StaffChangeForm
    add_form = StaffCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "full_name", "roles", "is_active", "last_login"]
    list_filter = []
    list_display_links = ["username"]
    search_fields = ["username"]
    search_help_text = _("User name, from its beginning")
    ordering = ["username"]
    filter_horizontal = []
    readonly_fields = ["last_login", "date_joined", "second_factor_set"]
    fieldsets = [
        (None, {"fields": ["username", "password", "second_factor_set"]}),
        (_("Person"), {"fields": ["last_name", "first_name", "email"]}),
        (_("What they may do"), {"fields": ["is_active", "groups"]}),
        (_("Dates"), {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "password1", "password2"]}),
        (_("What they may do"), {"fields": ["groups"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        staff = super().get_queryset(request).filter(is_staff=True)
        return staff.prefetch_related("groups")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        return queryset.filter(username__startswith=search_term), False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        # Else whoever may edit logins could take over one that may do more.
        above = obj is not None and obj.is_superuser and not request.user.is_superuser
        return not above and super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's hook
        obj.is_staff = True
        super().save_model(request, obj, form, change)

    @display(description=_("Name"))
    def full_name(self, user: User) -> str:
        return f"{user.last_name}{user.first_name}"

    @display(description=_("Second factor"))
    def second_factor_set(self, user: User) -> str:
        if not hasattr(user, "second_factor"):
            return gettext("none")
        link = reverse("admin:reset_factor", args=[user.pk])
        since = date_format(localtime(user.second_factor.confirmed_at), "DATE_FORMAT")
        return format_html('{} · <a href="{}">{}</a>', since, link, gettext("Take it away"))

    @display(description=_("Roles"))
    def roles(self, user: User) -> str:
        if user.is_superuser:
            return gettext("Everything")
        return "、".join(gettext(group.name) for group in user.groups.all())


@admin.register(Group)
class RoleAdmin(StaffAdmin, BaseGroupAdmin):  # type: ignore[misc]  # typed hooks
    """What each role may do. Only a superuser can change it: a role could give itself more."""

    list_display = ["role", "count"]
    ordering = ["pk"]
    search_fields = []
    readonly_fields = ["role", "granted"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).prefetch_related("permissions__content_type")

    def get_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        # Read-only, Django would name each permission with a query of its own.
        may_change = self.has_change_permission(request, obj)
        return ["name", "permissions"] if may_change else ["role", "granted"]

    @display(description=_("Role"), ordering="name")
    def role(self, group: Group) -> str:
        return gettext(group.name)

    @display(description=_("Permissions"))
    def count(self, group: Group) -> int:
        return len(group.permissions.all())

    @display(description=_("Permissions"))
    def granted(self, group: Group) -> str:
        names = ((f"{p.content_type.app_label}.{p.codename}",) for p in group.permissions.all())
        return format_html_join(mark_safe("<br>"), "{}", sorted(names)) or "–"


@admin.register(AuditRecord)
class AuditRecordAdmin(ReadOnlyAdmin):
    """Who did what to whom and why."""

    list_display = ["at", "actor_name", "deed", "target", "reason"]
    list_display_links = ["at"]
    list_select_related = ["actor"]
    search_fields = ["target"]
    search_help_text = _("Member number or other target in full, or a staff user name")
    fields = ["at", "actor_name", "deed", "target", "reason", "told", "ip", "request_id"]
    readonly_fields = ["told", "actor_name", "deed"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditRecord], search_term: str
    ) -> tuple[QuerySet[AuditRecord], bool]:
        if not search_term:
            return queryset, False
        # The login first: an OR across the join would read the whole trail.
        actors = list(User.objects.filter(username=search_term).values_list("pk", flat=True))
        return queryset.filter(Q(target=search_term) | Q(actor_id__in=actors)), False

    @display(description=_("By"))
    def actor_name(self, record: AuditRecord) -> str:
        return record.actor.get_username() if record.actor else gettext("System")

    @display(description=_("Action"))
    def deed(self, record: AuditRecord) -> str:
        return gettext(record.action)

    @display(description=_("Details"))
    def told(self, record: AuditRecord) -> str:
        return as_json(record.details)


class EventStateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("waiting", _("Waiting")), ("dead", _("Given up"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[OutboxEvent]
    ) -> QuerySet[OutboxEvent]:
        if self.value() == "waiting":
            return queryset.filter(delivered_at=None, dead_at=None)
        if self.value() == "dead":
            return queryset.filter(dead_at__isnull=False)
        return queryset


EVENT_STATES = {
    "delivered": _("Delivered"),
    "waiting": _("Waiting"),
    "dead": _("Given up"),
}
EVENT_LABELS = {"delivered": "success", "waiting": "info", "dead": "danger"}


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin):
    """Facts on their way from room to room."""

    list_display = ["created_at", "name", "subscriber", "state", "attempts", "retry_at"]
    list_filter = [EventStateFilter]
    actions = ["try_again"]
    fields = [
        "name",
        "subscriber",
        "state_told",
        "attempts",
        "created_at",
        "retry_at",
        "delivered_at",
        "dead_at",
        "told",
    ]
    readonly_fields = ["state_told", "told"]

    @display(description=_("State"), label=EVENT_LABELS)
    def state(self, event: OutboxEvent) -> tuple[str, str]:
        if event.delivered_at is not None:
            state = "delivered"
        else:
            state = "waiting" if event.dead_at is None else "dead"
        return state, str(EVENT_STATES[state])

    @display(description=_("State"))
    def state_told(self, event: OutboxEvent) -> str:
        return self.state(event)[1]

    @display(description=_("Payload"))
    def told(self, event: OutboxEvent) -> str:
        return as_json(event.payload)

    @admin.action(description=_("Try again"), permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[OutboxEvent]) -> None:
        if not self.has_retry_permission(request):
            raise PermissionDenied
        chosen = list(queryset.values_list("pk", flat=True)[:1000])
        count = events.try_again(event_ids=chosen, now=timezone.now(), by=acting(request))
        sentence = ngettext(
            "%(count)s event will be tried again.", "%(count)s events will be tried again.", count
        )
        messages.success(request, sentence % {"count": count})

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("common.retry_outboxevent")


def as_json(value: Any) -> str:
    """A JSON value as staff read it: indented, in its own characters."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return format_html('<pre class="c-json">{}</pre>', text)
