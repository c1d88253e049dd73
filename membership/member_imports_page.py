"""Historical members from a file: handed in, set up, looked through, checked, brought."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.views.generic import View

from campaigns import approvals
from campaigns.member_files import fields, keeping, telling
from campaigns.member_files.fields import ATTRIBUTE
from campaigns.member_files.reading import Read
from campaigns.models import MemberImport, MemberImportState
from common import personal
from common.approvals import ReasonMissing
from common.errors import DomainError
from common.forms import ReasonForm
from common.staff import acting
from members import attributes, masking, phones
from members.models import Attribute
from membership.console import ConsolePage
from membership.file_pages import FilePage, FilesPage
from membership.member_import_forms import MemberFileForm, SetUpForm
from points.forms import ByHandForm

RUNS_SHOWN = 50
ROWS_SHOWN = 20
STATE_LABELS = {
    MemberImportState.HANDED_IN: "info",
    MemberImportState.CHECKING: "warning",
    MemberImportState.CHECKED: "info",
    MemberImportState.RUNNING: "warning",
    MemberImportState.DONE: "success",
    MemberImportState.DISCARDED: "",
}
IMPORT = "campaigns.import_members"
# Whoever hands in a file has all of it.
REVEAL = "members.reveal_personal_data"
IN_FULL = "members.export_personal_data"
# How the first rows show what is masked on every page. All of a row is in the file of refused rows.
MASKS: dict[str, Callable[[str], str]] = {
    "phone": phones.masked,
    "email": masking.email,
    "id_number": masking.tail,
    "product": masking.product,
}


class MemberImportsPage(FilesPage):
    """The latest files, and the form for another one."""

    template_name = "console/member_imports.html"
    permission_required = "campaigns.view_memberimport"
    hand_in_permissions = (IMPORT, REVEAL)
    page_of_one = "admin:file-of-members"
    title = _("Imports of members")
    form_class = MemberFileForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        latest = MemberImport.objects.select_related("created_by", "organization").order_by("-pk")
        return super().get_context_data(
            runs=[(run, _label(run)) for run in latest[:RUNS_SHOWN]],
            **context,
        )

    def hand_in(self, path: Path, name: str) -> int:
        at, by = timezone.now(), acting(self.request)
        return keeping.hand_in(path=path, name=name, at=at, by=by).pk


class _OfRun:
    kwargs: dict[str, Any]

    @cached_property
    def run(self) -> MemberImport:
        found = MemberImport.objects.select_related("created_by", "organization", "store")
        return get_object_or_404(found, pk=self.kwargs["run_id"])


class MemberImportPage(_OfRun, FilePage):
    """One file: how it is read, what it would bring, and what it brought."""

    template_name = "console/member_import.html"
    permission_required = "campaigns.view_memberimport"
    begun = _("Begun: the members are being brought.")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        run = self.run
        refused_start = context.pop("start_form", None)
        report = run.report
        state = MemberImportState(run.state)
        context = super().get_context_data(
            title=str(run),
            run=run,
            state_label=_label(run),
            percent=100 * run.rows_done // run.rows if run.rows else 0,
            is_live=state in (MemberImportState.CHECKING, MemberImportState.RUNNING),
            is_checked=state == MemberImportState.CHECKED,
            report=report,
            refused=_told(report.get("codes", {})),
            warned=_told(report.get("warned", {})),
            may_see_rows=self._may_see_rows,
            download_form=self._download_form(),
            **context,
        )
        if self._may_set_up:
            context |= self._preview()
        if context["is_checked"] and self._may_set_up:
            context |= {
                "start_form": refused_start or ByHandForm(),
                "needs_approval": approvals.needs_approval(run, at=timezone.now()),
                "asked_for": approvals.asked_for(run),
            }
        return context

    def get_form(self, form_class: Any = None) -> Any:
        """None where there is nothing to be set up any more."""
        if not self._may_set_up:
            return None
        return SetUpForm(
            **self.get_form_kwargs(),
            run=self.run,
            header=keeping.header_of(self.run),
            definitions=attributes.defined(),
        )

    def get_form_kwargs(self) -> dict[str, Any]:
        kwargs = super().get_form_kwargs()
        if "set-up" not in self.request.POST:
            kwargs.pop("data", None)
            kwargs.pop("files", None)
        return kwargs

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self._may_see_rows:
            return self.handle_no_permission()
        by, run_id = acting(request), self.run.pk
        if "discard" in request.POST:
            return self.done(lambda: keeping.discard(run_id=run_id, by=by))
        if "start" in request.POST:
            return self._start()
        if not self._may_set_up:
            return self.done(lambda: keeping.checked(run_id))
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        told = form.cleaned_data

        def set_up() -> MemberImport:
            run = keeping.set_up(
                run_id=self.run.pk,
                reading=form.reading(),
                organization=told["organization"],
                store=told["store"],
                active=bool(told["active"]),
                tags=told["tags"],
                points=told["points"],
                rate=told["rate"],
            )
            return keeping.ask_check(run_id=run.pk) if "check" in self.request.POST else run

        try:
            set_up()
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.form_invalid(form)
        return HttpResponseRedirect(self.request.path)

    def _start(self) -> HttpResponse:
        form = ByHandForm(self.request.POST)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(start_form=form))
        return self.start(form)

    def start_or_ask(self, **how: Any) -> Any:
        return approvals.start_or_ask(run_id=self.run.pk, **how)

    @cached_property
    def _may_see_rows(self) -> bool:
        return self.request.user.has_perms([IMPORT, REVEAL])

    @property
    def _may_set_up(self) -> bool:
        open_states = (MemberImportState.HANDED_IN, MemberImportState.CHECKED)
        return self.run.state in open_states and self.run.is_kept and self._may_see_rows

    def _download_form(self) -> ReasonForm | None:
        """Of who may have the refused rows, where there are any."""
        has_some = self.run.is_kept and self.run.report.get("refused")
        may = self.request.user.has_perms(RefusedRows.permission_required)
        return ReasonForm(auto_id="refused_%s") if has_some and may else None

    def _preview(self) -> dict[str, Any]:
        try:
            header, reads = keeping.preview(self.run, rows=ROWS_SHOWN, now=timezone.now())
        except DomainError as refusal:  # an attribute was switched off since
            return {"no_preview": refusal.sentence}
        definitions = attributes.defined()
        named: dict[str, list[str]] = {}
        for name, column in self.run.mapping["columns"].items():
            named.setdefault(column, []).append(name)
        shown = [place for place, column in enumerate(header) if column in named]
        return {
            "columns": [
                (column, [fields.label_of(name, definitions) for name in named[column]])
                for column in (header[place] for place in shown)
            ],
            "preview": [
                (read, [_cell(read, place, named[header[place]], definitions) for place in shown],
                 [each for each in read.problems if not each.field])
                for read in reads
            ],
        }  # fmt: skip


def _cell(
    read: Read, place: int, names: list[str], definitions: Mapping[str, Attribute]
) -> tuple[str, list[Any]]:
    text = read.row.cells[place] if place < len(read.row.cells) else ""
    problems = [problem for problem in read.problems if problem.field in names]
    return _masked(text, names, definitions), problems


def _masked(text: str, names: list[str], definitions: Mapping[str, Attribute]) -> str:
    personal_ones = {f"{ATTRIBUTE}{each.code}" for each in definitions.values() if each.is_personal}
    if personal_ones & set(names):
        return "***" if text else ""
    mask = next((MASKS[name] for name in names if name in MASKS), personal.without_contacts)
    return mask(text)


def _told(codes: dict[str, int]) -> list[tuple[str, str, int]]:
    ordered = sorted(codes.items(), key=lambda each: -each[1])
    return [(code, telling.title_of(code), rows) for code, rows in ordered]


def _label(run: MemberImport) -> str:
    return STATE_LABELS[MemberImportState(run.state)]


class RefusedRows(_OfRun, ConsolePage, View):
    """All refused rows with what is wrong with each, as a CSV: personal data in full."""

    permission_required = (IMPORT, IN_FULL)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        form = ReasonForm(request.POST)
        try:
            if not form.is_valid():
                raise ReasonMissing
            lines = keeping.download(
                run=self.run, by=acting(request), reason=form.cleaned_data["reason"]
            )
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
            return HttpResponseRedirect(reverse("admin:file-of-members", args=[self.run.pk]))
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="refused-{self.run.pk}.csv"'
        return response


URLS: dict[str, tuple[str, Any]] = {
    "files-of-members": ("member-imports/", MemberImportsPage),
    "file-of-members": ("member-imports/<int:run_id>/", MemberImportPage),
    "file-of-members-refused": ("member-imports/<int:run_id>/refused.csv", RefusedRows),
}
