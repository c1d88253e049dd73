"""The rulebook as staff read it: published versions cannot be changed, by anybody."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common.staff import ReadOnlyAdmin
from programme.models import Version


@admin.register(Version)
class VersionAdmin(ReadOnlyAdmin):
    list_display = ["name", "valid_from", "state", "note", "published_at", "published_by"]
    list_display_links = ["name"]
    list_select_related = ["published_by"]
    ordering = ["-number"]

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        version = self.get_object(request, object_id)
        if version is None:
            raise Http404
        # The page tells the rules, which a higher room knows.
        return HttpResponseRedirect(reverse("admin:rulebook", args=[version.number]))

    @display(description=_("Version"), ordering="number")
    def name(self, version: Version) -> str:
        return str(version)

    @display(description=_("State"), label={True: "success", False: "warning"})
    def state(self, version: Version) -> tuple[bool, str]:
        published = version.published_at is not None
        return published, gettext("Published") if published else gettext("Draft")
