"""Staff find a member here. What the page of one member shows stands in `membership`."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common.staff import ReadOnlyAdmin
from members import phones, queries
from members.models import Member, MemberStatus

STATUS_LABELS = {
    MemberStatus.ACTIVE: "success",
    MemberStatus.PRE_REGISTERED: "info",
    MemberStatus.FROZEN: "warning",
    MemberStatus.CLOSED: "danger",
}


@admin.register(Member)
class MemberAdmin(ReadOnlyAdmin):
    """Answers what an index can answer; without a question, the newest members."""

    list_display = ["number", "shown_name", "shown_phone", "state", "enrolling_store", "joined_at"]
    list_display_links = ["number", "shown_name"]
    list_select_related = ["enrolling_store"]
    search_fields = ["number"]
    search_help_text = _("Phone or its last 4 digits, number, name or pinyin, VIN, external number")
    change_list_template = "console/member_list.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Member], search_term: str
    ) -> tuple[QuerySet[Member], bool]:
        return (queryset & queries.search(search_term) if search_term else queryset), False

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        member = self.get_object(request, object_id)
        if member is None:
            raise Http404
        return HttpResponseRedirect(reverse("admin:member", args=[member.number]))

    @display(description=_("Name"), ordering="name_spelled")
    def shown_name(self, member: Member) -> str:
        return member.name or "–"

    @display(description=_("Phone"))
    def shown_phone(self, member: Member) -> str:
        return phones.masked(member.phone) or "–"

    @display(description=_("Status"), label=STATUS_LABELS)
    def state(self, member: Member) -> tuple[str, str]:
        return member.status, member.get_status_display()
