"""The versions of the rulebook, what one of them says, and what it changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView, View

from common import schemas
from common.errors import DomainError
from common.staff import acting
from membership.console import ConsolePage
from membership.drafts_page import EDIT, parts, programme_file, refused, state_label
from programme import documents, operations, queries, sections, words
from programme.forms import ProgrammeFileForm
from programme.models import Draft, DraftState, Version
from programme.policies import Policies
from tiers.queries import ladder

DRAFTS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A published version. `until`: the day on which the next one begins."""

    version: Version
    until: date | None
    is_current: bool


class RulebooksPage(ConsolePage, TemplateView):
    """All versions, newest first, and the drafts; here a draft is begun."""

    template_name = "console/rulebook/list.html"
    permission_required = "programme.view_version"
    title = _("Rulebook versions")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        drafts = Draft.objects.select_related("approval", "based_on", "changed_by")
        return super().get_context_data(
            **{
                "rows": reversed([*_rows(localdate())]),
                "drafts": [
                    (draft, state_label(draft))
                    for draft in drafts.filter(state=DraftState.OPEN).order_by("-pk")
                ],
                "done": drafts.filter(state=DraftState.DISCARDED).order_by("-pk")[:DRAFTS_SHOWN],
                "may_edit": self.request.user.has_perm(EDIT),
                "form": ProgrammeFileForm(),
                **context,
            }
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(EDIT):
            return self.handle_no_permission()
        if "upload" not in request.POST:
            return self._started()
        form = ProgrammeFileForm(request.POST, request.FILES)
        if form.is_valid():
            try:
                return self._start(documents.read(form.cleaned_data["file"]))
            except DomainError as refusal:
                refused(form, refusal)
        return self.render_to_response(self.get_context_data(form=form), status=422)

    def _started(self) -> HttpResponse:
        """A draft of a version; an old one may say what is refused today."""
        try:
            return self._start(None)
        except DomainError as refusal:
            messages.error(self.request, refusal.sentence)
            return HttpResponseRedirect(reverse("admin:rulebooks"))

    def _start(self, document: Any) -> HttpResponse:
        source = self.request.POST.get("source", "")
        version = get_object_or_404(Version, number=source) if source.isdecimal() else None
        draft = operations.start_draft(
            by=acting(self.request), at=timezone.now(), source=version, document=document
        )
        messages.success(self.request, gettext("A draft is begun. Nothing is in force yet."))
        return HttpResponseRedirect(reverse("admin:draft", args=[draft.pk]))


def _rows(today: date) -> Iterator[Row]:
    """By their first days."""
    published = Version.objects.exclude(published_at=None).select_related("published_by")
    versions = list(published.order_by("valid_from"))
    for version, following in zip(versions, [*versions[1:], None], strict=True):
        until = following.valid_from if following else None
        has_begun = version.valid_from <= today
        yield Row(version, until, has_begun and (until is None or today < until))


class RulebookPage(ConsolePage, TemplateView):
    """One version: its policies in words, its rules, and what it changed of the one before."""

    template_name = "console/rulebook/version.html"
    permission_required = "programme.view_version"

    @cached_property
    def version(self) -> Version:
        versions = Version.objects.select_related("published_by")
        return get_object_or_404(versions, number=self.kwargs["number"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        version = self.version
        published = Version.objects.filter(published_at__isnull=False)
        after = published.filter(valid_from__gt=version.valid_from).order_by("valid_from").first()
        before = published.filter(number__lt=version.number).order_by("-number").first()
        document = queries.export(version)
        return super().get_context_data(
            version=version,
            title=gettext("Rulebook %(version)s") % {"version": version},
            valid_until=after.valid_from if after else None,
            policies=words.policies(
                Policies.parse(version.policies),
                tiers={level.code: level.name for level in ladder(version.pk).levels},
            ),
            parts=parts(document, [section.name for section in sections.all_sections()]),
            before=before,
            changes=_changes(before, version) if before else [],
            may_edit=self.request.user.has_perm(EDIT),
            **context,
        )


def _changes(before: Version, after: Version) -> list[schemas.Change]:
    root = documents.schema()
    was, now = queries.export(before), queries.export(after)
    return schemas.changes(root, was, now, root=root, choices=schemas.Choices(now, was))


class RulebookFile(ConsolePage, View):
    """One version as a programme file."""

    permission_required = "programme.view_version"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        version = get_object_or_404(Version, number=self.kwargs["number"])
        return programme_file(queries.export(version), str(version))


URLS: dict[str, tuple[str, Any]] = {
    "rulebooks": ("rulebook/", RulebooksPage),
    "rulebook": ("rulebook/<int:number>/", RulebookPage),
    "rulebook-file": ("rulebook/<int:number>/programme.yaml", RulebookFile),
}
