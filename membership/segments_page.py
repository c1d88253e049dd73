"""Segments 人群: the list, the builder with its size, who is in one, and the list as a file."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import messages
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, TemplateView, View
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from campaigns import segments
from campaigns.models import Segment, SegmentKind
from common import schemas, tables
from common.errors import DomainError
from common.forms import REASON_MAX, keep_out
from common.localized import TEXT_PATTERN
from common.schemas import Form, Problem
from common.staff import acting
from members import consents, masking, phones
from members.models import ConsentPurpose, Member
from members.operations import TAG_MAX, InvalidTag
from membership.console import ConsolePage

VIEW = "campaigns.view_segment"
CHANGE = "campaigns.change_segment"
EXPORT = "campaigns.export_segment"
IN_FULL = "members.export_personal_data"
MEMBERS_SHOWN = 1000
SEGMENTS_SHOWN = 500
EXPORT_CHUNK = 2000
# How long the page of one segment may count before it estimates.
PAGE_PATIENCE_SECONDS = 8
NAME, TAG, NOTE = "segment_name", "segment_tag", "segment_note"
FORM_SCHEMA: schemas.Schema = {
    "type": "object",
    "properties": {
        NAME: {"type": "string", "maxLength": segments.NAME_MAX, "pattern": TEXT_PATTERN},
        **segments.SCHEMA["properties"],
        TAG: {"type": "string", "maxLength": TAG_MAX, "choices": "tag_words"},
        NOTE: {"type": "string", "maxLength": 500, "pattern": TEXT_PATTERN},
    },
    "required": [NAME, "members"],
}
KIND_LABELS = {SegmentKind.LIVE: "success", SegmentKind.KEPT: "info"}
HEADER = (
    _("member number"),
    _("name"),
    _("phone"),
    _("e-mail"),
    _("sex"),
    _("province"),
    _("city"),
    _("status"),
    _("joined at"),
    _("Offers and news"),
)


class SegmentsPage(ConsolePage, TemplateView):
    template_name = "console/segments/list.html"
    permission_required = VIEW
    title = _("Segments")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = Segment.objects.select_related("tag", "changed_by")
        shown = found.order_by("-is_active", "name")[:SEGMENTS_SHOWN]
        return super().get_context_data(
            rows=[(segment, KIND_LABELS[SegmentKind(segment.kind)]) for segment in shown],
            may_change=self.request.user.has_perm(CHANGE),
            **context,
        )


class SegmentPageBase(ConsolePage):
    kwargs: dict[str, Any]
    permission_required: Any = VIEW

    @cached_property
    def segment(self) -> Segment:
        found = Segment.objects.select_related("tag", "created_by", "changed_by")
        return get_object_or_404(found, pk=self.kwargs["segment_id"])

    @property
    def page(self) -> str:
        return reverse("admin:segment", args=[self.segment.pk])

    @property
    def may_see_names(self) -> bool:
        return self.request.user.has_perm("members.view_member")


class KeepForm(forms.Form):
    name = forms.CharField(
        label=_("Name of the list"),
        max_length=segments.NAME_MAX,
        widget=UnfoldAdminTextInputWidget,
    )


class ExportForm(forms.Form):
    """In full only with a reason; without the right to download personal data it is not offered."""

    in_full = forms.BooleanField(label=_("With names, phones and e-mail in full"), required=False)
    reason = forms.CharField(
        label=_("Reason"),
        max_length=REASON_MAX,
        validators=[keep_out],
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("For the audit record. Personal data in full are not exported without one."),
    )

    def __init__(self, *args: Any, may_export_in_full: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not may_export_in_full:
            del self.fields["in_full"]

    def clean(self) -> dict[str, Any]:
        told = super().clean() or self.cleaned_data
        if told.get("in_full") and not told.get("reason", "").strip():
            self.add_error("reason", _("Say why."))
        return told


class SegmentPage(SegmentPageBase, FormView):
    """What a segment asks for, how many are in it, and what can be done with it."""

    template_name = "console/segments/segment.html"
    form_class = KeepForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        segment = self.segment
        may = self.request.user.has_perm
        return super().get_context_data(
            title=segment.name,
            segment=segment,
            kind_label=KIND_LABELS[SegmentKind(segment.kind)],
            told=segments.told(segment.definition),
            wrong=[
                (schemas.place(problem.path), problem.why)
                for problem in ([] if segment.is_kept else segments.problems(segment.definition))
            ],
            may_change=may(CHANGE),
            export_form=context.pop("export_form", None)
            or (ExportForm(may_export_in_full=may(IN_FULL)) if may(EXPORT) else None),
            **context,
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(CHANGE):
            return self.handle_no_permission()
        if "switch" in request.POST:
            return self._switched()
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        now = timezone.now()
        try:
            kept = segments.keep(
                segment_id=self.segment.pk,
                name=form.cleaned_data["name"],
                day=localdate(now),
                at=now,
                by=acting(self.request),
            )
        except DomainError as refusal:
            form.add_error("name", refusal.sentence)
            return self.form_invalid(form)
        messages.success(self.request, gettext("The list is kept."))
        return HttpResponseRedirect(reverse("admin:segment", args=[kept.pk]))

    def _switched(self) -> HttpResponse:
        try:
            segments.switch(
                segment_id=self.segment.pk,
                is_active=self.request.POST["switch"] == "on",
                at=timezone.now(),
                by=acting(self.request),
            )
        except DomainError as refusal:
            messages.error(self.request, refusal.sentence)
        else:
            messages.success(self.request, gettext("Saved."))
        return HttpResponseRedirect(self.page)


class SegmentSize(SegmentPageBase, View):
    """How many are in a segment: asked for by its page once that is shown."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        size = segments.size_of(
            self.segment, day=localdate(), patience_seconds=PAGE_PATIENCE_SECONDS
        )
        return render(request, "console/segments/size.html", {"size": size})


# --- The builder ----------------------------------------------------------------------------------


class SegmentEditPage(ConsolePage, TemplateView):
    """The form of a segment; without a number, of a new one."""

    template_name = "console/segments/edit.html"
    permission_required = CHANGE
    kwargs: dict[str, Any]
    focus = ""
    problems: tuple[Problem, ...] = ()

    @cached_property
    def segment(self) -> Segment | None:
        if "segment_id" not in self.kwargs:
            return None
        found = get_object_or_404(Segment, pk=self.kwargs["segment_id"])
        if found.is_kept or not found.is_active:
            raise Http404
        return found

    @cached_property
    def form(self) -> Form:
        form = builder()
        form.value = {**segments.EMPTY}
        if self.segment is not None:
            tag = self.segment.tag.name if self.segment.tag else ""
            form.value = {
                NAME: self.segment.name,
                TAG: tag,
                NOTE: self.segment.note,
                **self.segment.definition,
            }
        return form

    @property
    def back(self) -> str:
        if self.segment is None:
            return reverse("admin:segments")
        return reverse("admin:segment", args=[self.segment.pk])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(
            title=self.segment.name if self.segment else gettext("New segment"),
            segment=self.segment,
            form=self.form,
            tree=self.form.draw(self.problems, focus=self.focus),
            back=self.back,
            **context,
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.form.read(request.POST)
        if do := request.POST.get("do", ""):
            self.focus = self.form.act(do)
            return self.render_to_response(self.get_context_data())
        told = self.form.value
        try:
            saved = self._save(told)
        except segments.InvalidSegment as refusal:
            return self._refused(refusal.problems)
        except (segments.NameMissing, segments.NameTaken) as refusal:
            return self._refused((Problem((NAME,), refusal.sentence),))
        except (segments.TagTaken, InvalidTag) as refusal:
            return self._refused((Problem((TAG,), refusal.sentence),))
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
            return self.render_to_response(self.get_context_data(), status=refusal.status)
        messages.success(request, gettext("Saved."))
        return HttpResponseRedirect(reverse("admin:segment", args=[saved.pk]))

    def _save(self, told: dict[str, Any]) -> Segment:
        facts = {
            "name": told.get(NAME, ""),
            "definition": {"members": told.get("members", {})},
            "tag": told.get(TAG, ""),
            "note": told.get(NOTE, "")[:500],
            "at": timezone.now(),
            "by": acting(self.request),
        }
        if self.segment is None:
            return segments.create(**facts)
        revision = self.request.POST.get("revision", "")
        return segments.revise(
            segment_id=self.segment.pk,
            revision=int(revision) if revision.isdecimal() and len(revision) < 9 else 0,
            **facts,
        )

    def _refused(self, problems: tuple[Problem, ...]) -> HttpResponse:
        self.problems = problems
        return self.render_to_response(self.get_context_data(), status=422)


class SegmentBuiltSize(ConsolePage, View):
    """How many fit what stands in the builder: asked for whenever that has changed."""

    permission_required = CHANGE

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        definition = {"members": builder().read(request.POST).get("members", {})}
        size = None
        if not segments.problems(definition):
            size = segments.size(definition, day=localdate())
        return render(request, "console/segments/size.html", {"size": size})


def builder() -> Form:
    return Form(FORM_SCHEMA, FORM_SCHEMA)


# --- Who is in it ---------------------------------------------------------------------------------


class SegmentMembersPage(SegmentPageBase, TemplateView):
    """The first of them, masked."""

    template_name = "console/segments/members.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = segments.members(self.segment, day=localdate(), limit=MEMBERS_SHOWN)
        rows = [
            (
                member,
                member.name if self.may_see_names else masking.name(member.name),
                phones.masked(member.phone),
            )
            for member in found
        ]
        return super().get_context_data(
            title=self.segment.name,
            segment=self.segment,
            rows=rows,
            shown_max=MEMBERS_SHOWN,
            is_cut_off=len(rows) == MEMBERS_SHOWN,
            may_see_members=self.may_see_names,
            **context,
        )


class SegmentExport(SegmentPageBase, View):
    """All of them as a CSV; masked, unless who asks may download personal data and says why."""

    permission_required = (VIEW, EXPORT)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        form = ExportForm(request.POST, may_export_in_full=request.user.has_perm(IN_FULL))
        if not form.is_valid():
            page = SegmentPage()
            page.setup(request, *args, **self.kwargs)
            return page.render_to_response(page.get_context_data(export_form=form), status=422)
        is_masked = not form.cleaned_data.get("in_full")
        ids = segments.member_ids(self.segment, day=localdate())
        segments.note_export(
            segment=self.segment,
            members=len(ids),
            is_masked=is_masked,
            by=acting(request),
            reason=form.cleaned_data["reason"],
        )
        response = StreamingHttpResponse(
            _lines(ids, is_masked=is_masked), content_type="text/csv; charset=utf-8"
        )
        response["Content-Disposition"] = f'attachment; filename="segment-{self.segment.pk}.csv"'
        return response


def _lines(ids: list[int], *, is_masked: bool) -> Iterator[str]:
    yield "\ufeff" + tables.csv_line([str(name) for name in HEADER])
    for start in range(0, len(ids), EXPORT_CHUNK):
        chunk = ids[start : start + EXPORT_CHUNK]
        agreeing = consents.having(chunk, ConsentPurpose.MARKETING)
        members = Member.objects.filter(pk__in=chunk).order_by("pk")
        for member in members.defer("name_parts", "name_spelled", "attributes", "id_number"):
            cells = _cells(member, is_masked=is_masked)
            told = gettext("Yes") if member.pk in agreeing else gettext("No")
            yield tables.csv_line([*cells, told])


def _cells(member: Member, *, is_masked: bool) -> list[str]:
    personal = [member.name, member.phone, member.email]
    if is_masked:
        personal = [
            masking.name(member.name),
            phones.masked(member.phone),
            masking.email(member.email),
        ]
    return [
        member.number,
        *personal,
        member.get_sex_display(),
        member.province,
        member.city,
        member.get_status_display(),
        localdate(member.joined_at).isoformat(),
    ]


URLS: dict[str, tuple[str, Any]] = {
    "segments": ("segments/", SegmentsPage),
    "segment-new": ("segments/new/", SegmentEditPage),
    "segment-built-size": ("segments/size/", SegmentBuiltSize),
    "segment": ("segments/<int:segment_id>/", SegmentPage),
    "segment-edit": ("segments/<int:segment_id>/edit/", SegmentEditPage),
    "segment-size": ("segments/<int:segment_id>/size/", SegmentSize),
    "segment-members": ("segments/<int:segment_id>/members/", SegmentMembersPage),
    "segment-export": ("segments/<int:segment_id>/members.csv", SegmentExport),
}
