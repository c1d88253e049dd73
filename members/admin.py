"""Staff find a member here. What the page of one member shows stands in `membership`."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import display

from common.staff import ReadOnlyAdmin, StaffAdmin, acting
from members import (
    application_admin,  # noqa: F401 - it registers a page
    operations,
    phones,
    queries,
    reach,
)
from members.forms import AttributeForm, ConsentTextForm, OptionForm, OptionFormSet
from members.models import (
    Attribute,
    AttributeOption,
    ConsentPurpose,
    ConsentText,
    Member,
    MemberStatus,
    Tag,
    Tagging,
)

TAGS_OFFERED = 200
TEXT_SHOWN = 80
STATUS_LABELS = {
    MemberStatus.ACTIVE: "success",
    MemberStatus.PRE_REGISTERED: "info",
    MemberStatus.FROZEN: "warning",
    MemberStatus.CLOSED: "danger",
}


class TagFilter(admin.SimpleListFilter):
    """By one tag in use."""

    title = _("tag")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        in_use = Tag.objects.filter(is_active=True).order_by("name")[:TAGS_OFFERED]
        return [(str(pk), name) for pk, name in in_use.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Member]) -> QuerySet[Member]:
        chosen = self.value() or ""
        if not (chosen.isascii() and chosen.isdigit() and len(chosen) < 19):
            return queryset
        return queryset.filter(pk__in=Tagging.objects.filter(tag=int(chosen)).values("member"))


@admin.register(Member)
class MemberAdmin(ReadOnlyAdmin):
    """Answers what an index can answer; without a question, the newest members."""

    list_display = ["number", "shown_name", "shown_phone", "state", "enrolling_store", "joined_at"]
    list_display_links = ["number", "shown_name"]
    list_select_related = ["enrolling_store"]
    list_filter = [TagFilter]
    search_fields = ["number"]
    search_help_text = _("Phone or its last 4 digits, number, name or pinyin, VIN, external number")
    change_list_template = "console/member_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        return reach.of(request.user).members()

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


class OptionInline(TabularInline):
    model = AttributeOption
    form = OptionForm
    formset = OptionFormSet
    fields = ["names", "code", "position", "is_active"]
    extra = 0
    verbose_name_plural = _("Choices")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Members have them: switched off, they are not offered any more.
        return False


@admin.register(Attribute)
class AttributeAdmin(StaffAdmin):
    """What this brand asks of its members besides what every programme asks."""

    form = AttributeForm
    inlines = [OptionInline]
    list_display = ["called", "code", "kind_told", "choices_told", "by_member", "is_active"]
    search_fields = ["code"]
    ordering = ["position", "code"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attribute]:
        return super().get_queryset(request).prefetch_related("options")

    def get_readonly_fields(self, request: HttpRequest, obj: Attribute | None = None) -> list[str]:
        # Members have values of this kind under this code.
        return ["code", "kind"] if obj else []

    @display(description=_("Name"))
    def called(self, attribute: Attribute) -> str:
        return attribute.name

    @display(description=_("Kind"), label=True)
    def kind_told(self, attribute: Attribute) -> str:
        return attribute.get_kind_display()

    @display(description=_("Choices"))
    def choices_told(self, attribute: Attribute) -> str:
        return "、".join(attribute.open_choices.values()) or "–"


@admin.register(Tag)
class TagAdmin(StaffAdmin):
    list_display = ["name", "is_active"]
    search_fields = ["name"]
    ordering = ["name"]
    fields = ["name", "is_active"]


@admin.register(ConsentText)
class ConsentTextAdmin(StaffAdmin):
    """What members read when they agree. Another text is another version; none ever changes."""

    form = ConsentTextForm
    list_display = ["purpose_told", "version", "shown", "published_at"]
    ordering = ["purpose", "-version"]

    def has_change_permission(self, request: HttpRequest, obj: ConsentText | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ConsentText, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's hook
        published = operations.publish_consent_text(
            purpose=ConsentPurpose(obj.purpose),
            texts=obj.texts,
            at=timezone.now(),
            by=acting(request),
        )
        obj.pk, obj.version = published.pk, published.version

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        """The operation has recorded it."""

    @display(description=_("Purpose"), label=True)
    def purpose_told(self, text: ConsentText) -> str:
        return text.get_purpose_display()

    @display(description=_("Text"))
    def shown(self, text: ConsentText) -> str:
        return Truncator(text.text).chars(TEXT_SHOWN)
