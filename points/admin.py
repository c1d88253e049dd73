"""
The journal as staff read it. Accounts, lots and entries have composite keys, which the admin
cannot take: they are shown on the pages of members and of entries.
"""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common.staff import ReadOnlyAdmin
from points import queries
from points.models import Activity, ActivityKind


@admin.register(Activity)
class ActivityAdmin(ReadOnlyAdmin):
    list_display = [
        "reference",
        "kind_told",
        "member_number",
        "store",
        "amount",
        "worth",
        "occurred_at",
    ]
    list_display_links = ["reference"]
    list_select_related = ["member", "store"]
    search_fields = ["reference"]
    search_help_text = _("Document number in full, or member number")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Activity], search_term: str
    ) -> tuple[QuerySet[Activity], bool]:
        if not search_term:
            return queryset, False
        return queryset & queries.activities_named(search_term), False

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        # The page tells the rules, which a higher room knows.
        return HttpResponseRedirect(reverse("admin:activity", args=[object_id]))

    @display(
        description=_("Kind"),
        label={ActivityKind.PURCHASE: "info", ActivityKind.RETURN: "warning"},
    )
    def kind_told(self, activity: Activity) -> tuple[str, str]:
        return activity.kind, activity.get_kind_display()

    @display(description=_("Member"))
    def member_number(self, activity: Activity) -> str:
        return activity.member.number

    @display(description=_("Points"))
    def worth(self, activity: Activity) -> str:
        return f"{activity.points:+,}"
