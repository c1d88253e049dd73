"""The network of dealers and stores, and the systems that call us."""

from typing import Any
from weakref import WeakKeyDictionary

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from common.staff import StaffAdmin, acting
from partners import operations
from partners.forms import ApiClientForm, PlacementForm
from partners.models import (
    ApiClient,
    Organization,
    OrganizationKind,
    Placement,
    Region,
    Store,
)
from partners.operations import Credentials


@admin.register(Region)
class RegionAdmin(StaffAdmin):
    list_display = ["code", "name", "parent"]
    list_select_related = ["parent"]
    search_fields = ["code", "name"]
    ordering = ["code"]


@admin.register(Organization)
class OrganizationAdmin(StaffAdmin):
    list_display = ["code", "name", "kind_told", "region", "is_active"]
    list_select_related = ["region"]
    list_filter = ["kind", "is_active"]
    search_fields = ["code", "name"]
    ordering = ["code"]
    autocomplete_fields = ["region"]

    @display(
        description=_("Kind"),
        label={
            OrganizationKind.BRAND: "primary",
            OrganizationKind.DEALER: "info",
            OrganizationKind.PARTNER: "success",
        },
    )
    def kind_told(self, organization: Organization) -> tuple[str, str]:
        return organization.kind, organization.get_kind_display()


@admin.register(Store)
class StoreAdmin(StaffAdmin):
    list_display = ["code", "name", "organization", "city", "region", "is_active"]
    list_select_related = ["organization", "region"]
    list_filter = ["is_active"]
    search_fields = ["code", "name", "city"]
    ordering = ["code"]
    autocomplete_fields = ["organization", "region"]

    def get_readonly_fields(self, request: HttpRequest, obj: Store | None = None) -> list[str]:
        # The ledger's entries name the store; moving it would change whose they are.
        return ["organization"] if obj else []


@admin.register(ApiClient)
class ApiClientAdmin(StaffAdmin):
    """A secret is shown once, when it is made. Switching a client off revokes it."""

    form = ApiClientForm
    list_display = ["name", "organization", "client_id", "scopes_told", "is_active", "created"]
    list_select_related = ["organization"]
    list_filter = ["is_active"]
    search_fields = ["name", "client_id"]
    ordering = ["name", "pk"]
    autocomplete_fields = ["organization", "stores"]
    actions_detail = ["rotate_secret"]
    # From saving to answering one request; weak, so that nothing outlives it.
    _issued: WeakKeyDictionary[HttpRequest, Credentials] = WeakKeyDictionary()

    @display(description=_("Scopes"))
    def scopes_told(self, client: ApiClient) -> str:
        return ", ".join(client.scopes)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiClient]:
        return super().get_queryset(request).defer("client_secret")

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiClient,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's hook
    ) -> None:
        if change:
            super().save_model(request, obj, form, change)
        else:
            self._issued[request] = operations.issue_secret(client=obj, by=acting(request))

    def response_add(self, request: HttpRequest, obj: ApiClient, *args: Any) -> HttpResponse:
        return self._show_once(request, obj, self._issued[request])

    @action(
        description=_("Issue a new secret"),
        url_path="new-secret",
        permissions=["change"],
        icon="key",
    )
    def rotate_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        client = ApiClient.objects.filter(pk=object_id).first() if object_id.isdigit() else None
        if client is None:
            raise Http404
        if request.method == "POST":
            credentials = operations.issue_secret(client=client, by=acting(request))
            return self._show_once(request, client, credentials)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Issue a new secret"),
            "facts": [
                (gettext("API client"), client.name),
                (gettext("Organization"), client.organization.name),
            ],
            "explanation": gettext(
                "The present secret and the tokens it got stop working at once. The system that "
                "uses them must be given the new one."
            ),
            "button": gettext("Issue a new secret"),
            "is_danger": True,
            "back": reverse("admin:partners_apiclient_change", args=[client.pk]),
        }
        return TemplateResponse(request, "console/confirm.html", context)

    def _show_once(
        self, request: HttpRequest, client: ApiClient, credentials: Credentials
    ) -> HttpResponse:
        # In this answer and nowhere else: a message or a session would keep the secret.
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Secret of %(client)s") % {"client": client.name},
            "credentials": credentials,
            "back": reverse("admin:partners_apiclient_changelist"),
        }
        return TemplateResponse(request, "console/secret.html", context)


@admin.register(Placement)
class PlacementAdmin(StaffAdmin):
    """Which dealer a login works for: then it sees that dealer's members, and no others."""

    form = PlacementForm
    list_display = ["login", "organization", "store"]
    list_select_related = ["user", "organization", "store"]
    search_fields = ["user__username"]
    ordering = ["pk"]
    autocomplete_fields = ["user", "organization", "store"]

    def get_readonly_fields(self, request: HttpRequest, obj: Placement | None = None) -> list[str]:
        return ["user"] if obj else []

    @display(description=_("Staff login"), ordering="user__username")
    def login(self, placement: Placement) -> str:
        return placement.user.get_username()
