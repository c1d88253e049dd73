"""Staff find a member here. What the page of one member shows stands in `membership`."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import display

from common.staff import ReadOnlyAdmin, StaffAdmin, acting
from members import (
    application_admin,  # noqa: F401 - it registers a page
    groups,
    masking,
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
    Group,
    GroupMember,
    GroupRole,
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
    list_select_related = ["enrolling_store", "merged_into"]
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
        if member.merged_into is not None:
            return member.status, gettext("joined with %(number)s") % {
                "number": member.merged_into.number
            }
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


@admin.register(Group)
class GroupAdmin(ReadOnlyAdmin):
    """Families and companies, the newest first; who is in one, and what it drives."""

    list_display = ["id", "name", "kind_told", "owner", "size", "founded_at"]
    list_display_links = ["id", "name"]
    search_fields = ["name"]
    ordering = ["-id"]
    fields = ["name", "kind_told", "founded_at", "ended_at", "who", "fleet"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        places = GroupMember.objects.filter(group=models.OuterRef("pk"), left_at=None)
        owner = places.filter(role=GroupRole.OWNER).values("member__number")
        counted = places.order_by().values("group").annotate(n=models.Count("pk")).values("n")
        return (
            super()
            .get_queryset(request)
            .annotate(owner_number=models.Subquery(owner), places_taken=models.Subquery(counted))
        )

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        # Read once: the page asks for each of its fields more than once.
        group: Any = super().get_object(request, object_id, from_field)
        if group is not None:
            group.told_places = list(groups.places(group.pk))
            driven = group.vehicles.filter(owned_until=None).select_related("member")
            group.told_vehicles = list(driven.order_by("pk"))
        return group

    @display(description=_("Kind"), label=True)
    def kind_told(self, group: Group) -> str:
        return group.get_kind_display()

    @display(description=_("Owner"))
    def owner(self, group: Any) -> str:
        return group.owner_number or "–"

    @display(description=_("Members"))
    def size(self, group: Any) -> int:
        return group.places_taken or 0

    @display(description=_("Who belongs"))
    def who(self, group: Any) -> str:
        rows = [
            (
                reverse("admin:member", args=[each.member.number]),
                each.member.number,
                masking.name(each.member.name),
                each.get_role_display(),
                _("shares points") if each.shares else _("shares nothing"),
            )
            for each in group.told_places
        ]
        return format_html_join("", '<p><a href="{}">{}</a> {} · {} · {}</p>', rows) or "–"

    @display(description=_("Vehicles"))
    def fleet(self, group: Any) -> str:
        rows = [
            (masking.product(each.identifier), each.name, each.member.number)
            for each in group.told_vehicles
        ]
        return format_html_join("", "<p>{} {} · {}</p>", rows) or "–"


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
