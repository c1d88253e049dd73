"""The rulebook in the making: what a draft says, what strikes the rule check, and its editor."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import chain, count
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, TemplateView, View

from campaigns import illustrating
from common import approvals, schemas
from common.amounts import money
from common.errors import DomainError
from common.localized import localized
from common.models import ApprovalState
from common.schemas import Form, Path, Problem
from common.staff import acting
from membership.console import ConsolePage
from membership.points_actions import sent_for_approval
from points.forms import ByHandForm
from programme import approvals as publishing
from programme import checks, documents, operations, queries, sections
from programme.forms import ProgrammeFileForm
from programme.models import Draft, DraftState

# The part of the document that has no name there: its first day and its note.
GENERAL = "general"
GENERAL_FIELDS = ("valid_from", "note")
NEW = "new"
# Of one that is made, so that a number may follow.
CODE_MAX = 32
EDIT = "programme.change_draft"
# A purchase as they come, to be worked out.
RECEIPT, RECEIPT_MAX = Decimal("268.00"), Decimal(10_000_000)
SEVERITIES = {
    checks.Severity.MISTAKE: ("danger", _("Mistake")),
    checks.Severity.WARNING: ("warning", _("Warning")),
    checks.Severity.NOTE: ("info", _("Note")),
}


class DraftPageBase(ConsolePage):
    """A page of one draft."""

    kwargs: dict[str, Any]

    @cached_property
    def draft(self) -> Draft:
        drafts = Draft.objects.select_related(
            "approval", "based_on", "version", "created_by", "changed_by"
        )
        return get_object_or_404(drafts, pk=self.kwargs["draft_id"])

    @property
    def title(self) -> str:
        return gettext("Draft %(number)s") % {"number": self.draft}

    @property
    def is_open(self) -> bool:
        """Whether it can be changed. That it may be, the operations judge."""
        asked = self.draft.approval
        waits = asked is not None and asked.state == ApprovalState.PENDING
        return self.draft.state == DraftState.OPEN and not waits

    @property
    def may_edit(self) -> bool:
        return self.is_open and self.request.user.has_perm(EDIT)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(
            **{
                "draft": self.draft,
                "is_open": self.is_open,
                "may_edit": self.may_edit,
                "state_label": state_label(self.draft),
                **context,
            }
        )

    def overview(self) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:draft", args=[self.draft.pk]))


def state_label(draft: Draft) -> tuple[str, str]:
    """What its state is called, and the colour."""
    if draft.state == DraftState.PUBLISHED:
        return draft.get_state_display(), "success"
    if draft.state == DraftState.DISCARDED:
        return draft.get_state_display(), ""
    if draft.approval and draft.approval.state == ApprovalState.PENDING:
        return gettext("Waits for approval"), "warning"
    return draft.get_state_display(), "info"


class DraftPage(DraftPageBase, FormView):
    """What a draft says and would change, what strikes the rule check, and what can be done."""

    template_name = "console/rulebook/draft.html"
    permission_required = "programme.view_draft"
    form_class = ByHandForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        draft = self.draft
        newest = queries.newest_version()
        assert newest is not None, "a draft is based on one"
        against = draft.based_on if draft.version else newest
        before = queries.export(against)
        amount, category = self._receipt_asked()
        currency = draft.document["programme"]["currency"]
        return super().get_context_data(
            tiers=illustrating.tiers(draft.document),
            effective=illustrating.effective(draft.document),
            amount=f"{amount:.2f}",
            category=category,
            categories=illustrating.categories(draft.document),
            receipts=[
                (receipt, money(receipt.worth, currency))
                for receipt in illustrating.receipts(
                    draft.document, amount=amount, category=category
                )
            ],
            against=against,
            is_outdated=self.is_open and draft.based_on_id != newest.pk,
            changes=schemas.changes(
                documents.schema(),
                before,
                draft.document,
                root=documents.schema(),
                choices=schemas.Choices(draft.document, before),
            ),
            findings=[
                (finding, *SEVERITIES[finding.severity], _link(draft, finding.path))
                for finding in checks.run(draft.document)
            ],
            parts=parts(draft.document, part_names()),
            may_decide=draft.approval is not None
            and approvals.may_decide(draft.approval, user=acting(self.request)),
            **{"file_form": ProgrammeFileForm(), **context},
        )

    def _receipt_asked(self) -> tuple[Decimal, str]:
        """The amount and the category to work out a receipt of; a usual one unless told."""
        try:
            asked = round(Decimal(self.request.GET.get("amount", "")), 2)
            amount = asked if 0 < asked <= RECEIPT_MAX else RECEIPT
        except InvalidOperation:  # no number at all
            amount = RECEIPT
        category = self.request.GET.get("category", "")
        known = category in illustrating.categories(self.draft.document)
        return amount, category if known else ""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(EDIT):
            return self.handle_no_permission()
        if "discard" in request.POST:
            return self._done(self._discard)
        if "compared" in request.POST:
            return self._done(self._compared)
        if "upload" in request.POST:
            return self._upload(request)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        return self._done(lambda: self._submit(form.cleaned_data))

    def _submit(self, given: dict[str, Any]) -> str:
        return sent_for_approval(
            publishing.submit(
                draft_id=self.draft.pk,
                revision=revision(self.request.POST),
                at=timezone.now(),
                reference=given["reference"],
                by=acting(self.request),
                reason=given["reason"],
            )
        )

    def _discard(self) -> str:
        operations.discard_draft(draft_id=self.draft.pk, by=acting(self.request), at=timezone.now())
        return gettext("Discarded.")

    def _compared(self) -> str:
        operations.follow_newest(
            draft_id=self.draft.pk,
            revision=revision(self.request.POST),
            by=acting(self.request),
            at=timezone.now(),
        )
        return gettext("Noted.")

    def _upload(self, request: HttpRequest) -> HttpResponse:
        form = ProgrammeFileForm(request.POST, request.FILES)
        if form.is_valid():
            try:
                operations.save_draft(
                    draft_id=self.draft.pk,
                    document=documents.read(form.cleaned_data["file"]),
                    revision=revision(request.POST),
                    by=acting(request),
                    at=timezone.now(),
                )
            except DomainError as refusal:
                refused(form, refusal)
            else:
                messages.success(request, gettext("Saved."))
                return self.overview()
        return self.render_to_response(self.get_context_data(file_form=form))

    def _done(self, operation: Any) -> HttpResponse:
        try:
            said = operation()
        except DomainError as refusal:
            messages.error(self.request, refusal.sentence)
        else:
            messages.success(self.request, said)
        return self.overview()


def refused(form: ProgrammeFileForm, refusal: DomainError) -> None:
    """Say beside the file what is wrong with it: all of it, if it is the document."""
    if isinstance(refusal, documents.InvalidDocument):
        for problem in refusal.problems:
            form.add_error("file", f"{schemas.place(problem.path)}: {problem.why}")
    else:
        form.add_error("file", refusal.sentence)


def revision(data: QueryDict) -> int:
    """Which revision a form was filled in for; none at all is none there is."""
    text = data.get("revision", "")
    return int(text) if text.isdecimal() and len(text) <= 9 else 0


# --- The editor -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a list, such as a rule: what it is called and what it says."""

    name: str
    code: str
    color: str
    said: str


class Part:
    """A part of the document that has a page of its own: a section, or its first day and note."""

    def __init__(
        self, document: dict[str, Any], name: str, choices: schemas.Choices | None = None
    ) -> None:
        self.document = document
        self.name = name
        self.choices = choices or schemas.Choices(document)
        self.root = documents.schema()
        self.path: Path = () if name == GENERAL else (name,)
        self.schema = schemas.resolved(self._schema(), self.root)
        self.title = schemas.label((name,))
        # Lists of things with a name, such as rules: each has a page of its own.
        self.lists = [
            each
            for each, part in self.schema.get("properties", {}).items()
            if schemas.is_entries(schemas.resolved(part, self.root), self.root)
        ]

    def _schema(self) -> schemas.Schema:
        properties = self.root["properties"]
        if self.name != GENERAL:
            return properties[self.name]
        own = {field: properties[field] for field in GENERAL_FIELDS}
        return {"type": "object", "properties": own, "required": list(GENERAL_FIELDS)}

    @property
    def content(self) -> Any:
        if self.name == GENERAL:
            return {field: self.document[field] for field in GENERAL_FIELDS}
        defaults = {section.name: section.default for section in sections.all_sections()}
        return deepcopy(self.document.get(self.name, defaults.get(self.name)))

    def form(self) -> Form:
        """Of what is not in a list of its own."""
        form = Form(self.schema, self.root, self.path, self.choices, without=frozenset(self.lists))
        form.value = self.content
        return form

    def entry_form(self, listed: str, index: int | None) -> Form:
        """Of one thing in a list; `index` None: a new one."""
        entries = self.entries(listed)
        place = len(entries) if index is None else index
        form = Form(
            self.schema["properties"][listed]["items"],
            self.root,
            (*self.path, listed, place),
            self.choices,
        )
        if index is not None:
            form.value = entries[index]
        return form

    def entries(self, listed: str) -> list[dict[str, Any]]:
        return list((self.content or {}).get(listed) or [])

    def with_content(self, content: Any) -> dict[str, Any]:
        """The document with another content of this part."""
        if self.name == GENERAL:
            return {**self.document, **content}
        return {**self.document, self.name: content}

    def with_entries(self, listed: str, entries: list[Any]) -> dict[str, Any]:
        return self.with_content({**(self.content or {}), listed: entries})

    def told(self) -> list[tuple[str, str]]:
        """What it says, each field by its label, for the page of the whole draft."""
        content = self.content or {}
        if not isinstance(content, dict):
            return []
        return [
            (
                schemas.label((*self.path, name)),
                schemas.told(
                    part,
                    content[name],
                    root=self.root,
                    path=(*self.path, name),
                    choices=self.choices,
                ),
            )
            for name, part in self.schema["properties"].items()
            if name in content and name not in self.lists
        ]

    def listed(self) -> list[tuple[str, str, list[Entry]]]:
        """Its lists: name, title, and what is in it."""
        return [
            (
                listed,
                schemas.label((*self.path, listed)),
                [self._entry(listed, entry) for entry in self.entries(listed)],
            )
            for listed in self.lists
        ]

    def _entry(self, listed: str, entry: dict[str, Any]) -> Entry:
        shown = ("code", "names", "color")
        rest = {key: value for key, value in entry.items() if key not in shown}
        schema = self.schema["properties"][listed]["items"]
        said = schemas.told(
            schema, rest, root=self.root, path=(*self.path, listed), choices=self.choices
        )
        return Entry(localized(entry["names"]), entry["code"], entry.get("color", ""), said)


def parts(document: dict[str, Any], names: Iterable[str]) -> list[Part]:
    choices = schemas.Choices(document)
    return [Part(document, name, choices) for name in names]


def part_names() -> list[str]:
    hung = [section.name for section in sections.all_sections()]
    return [GENERAL, "policies", *hung, "programme"]


def _link(draft: Draft, path: Path) -> str:
    """The page on which the place of a finding is edited."""
    match path:
        case (str(part), str(listed), int(index), *_rest) if part in part_names():
            if listed in Part(draft.document, part).lists:
                return reverse("admin:draft-entry", args=[draft.pk, part, listed, index])
        case (str(part), *_rest) if part in GENERAL_FIELDS:
            return reverse("admin:draft-part", args=[draft.pk, GENERAL])
    if path and path[0] in part_names():
        return reverse("admin:draft-part", args=[draft.pk, path[0]])
    return ""


class DraftPartPage(DraftPageBase, TemplateView):
    """The form of one part, and the things in its lists."""

    template_name = "console/rulebook/edit.html"
    permission_required = EDIT
    focus = ""
    problems: tuple[Problem, ...] = ()
    # The whole document that they are of.
    attempted: Any = None

    @cached_property
    def part(self) -> Part:
        if self.kwargs["part"] not in part_names():
            raise Http404
        return Part(self.draft.document, self.kwargs["part"])

    @cached_property
    def form(self) -> Form:
        return self.part.form()

    @property
    def back(self) -> str:
        return reverse("admin:draft", args=[self.draft.pk])

    def heading(self) -> str:
        return self.part.title

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        tree = self.form.draw(self.problems, focus=self.focus, document=self.attempted)
        return super().get_context_data(
            **{
                "heading": self.heading(),
                "edited": self.part,
                "form": self.form,
                "tree": tree,
                "lists": self.part.listed(),
                "back": self.back,
                **context,
            }
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.is_open:
            messages.error(request, operations.DraftWaits().sentence)
            return self.overview()
        do = request.POST.get("do", "")
        if do.startswith("entry-"):
            return self._do_to_entry(*do.removeprefix("entry-").split(":"))
        self.form.read(request.POST)
        if do:
            self.focus = self.form.act(do)
            return self.render_to_response(self.get_context_data())
        problems: list[Problem] = []
        content = self.form.settled(problems)
        return self._saved(self.document_with(content), problems)

    def document_with(self, content: Any) -> dict[str, Any]:
        if not isinstance(content, dict):
            return self.part.with_content(content)
        kept = {name: self.part.entries(name) for name in self.part.lists}
        had = self.part.content or {}
        return self.part.with_content(
            content | {name: entries for name, entries in kept.items() if name in had or entries}
        )

    def _saved(self, document: dict[str, Any], problems: list[Problem]) -> HttpResponse:
        try:
            if problems:
                raise documents.InvalidDocument(*problems)
            operations.save_draft(
                draft_id=self.draft.pk,
                document=document,
                revision=revision(self.request.POST),
                by=acting(self.request),
                at=timezone.now(),
            )
        except documents.InvalidDocument as refusal:
            self.problems, self.attempted = refusal.problems, document
            return self.render_to_response(self.get_context_data(), status=422)
        except DomainError as refusal:
            messages.error(self.request, refusal.sentence)
            return self.render_to_response(self.get_context_data(), status=409)
        messages.success(self.request, gettext("Saved."))
        return HttpResponseRedirect(self.back)

    def _do_to_entry(self, action: str = "", listed: str = "", index: str = "") -> HttpResponse:
        """Move or remove one of the things in a list; that is saved at once."""
        if listed not in self.part.lists:
            raise Http404
        entries = {listed: self.part.entries(listed)}
        schemas.act(entries, action, (listed, index))
        response = self._saved(self.part.with_entries(listed, entries[listed]), [])
        if response.status_code == 302:
            return HttpResponseRedirect(self.request.path)
        return response


class DraftEntryPage(DraftPartPage):
    """The form of one thing in a list, such as a rule."""

    @cached_property
    def listed(self) -> str:
        listed = str(self.kwargs["listed"])
        if listed not in self.part.lists:
            raise Http404
        return listed

    @cached_property
    def index(self) -> int | None:
        """None: a new one."""
        given = str(self.kwargs["index"])
        if given == NEW:
            return None
        if not given.isdecimal() or int(given) >= len(self.part.entries(self.listed)):
            raise Http404
        return int(given)

    @cached_property
    def form(self) -> Form:
        return self.part.entry_form(self.listed, self.index)

    @property
    def back(self) -> str:
        return reverse("admin:draft-part", args=[self.draft.pk, self.part.name])

    def heading(self) -> str:
        return schemas.label((*self.part.path, self.listed))

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        entries = self.part.entries(self.listed)
        name = localized(entries[self.index]["names"]) if self.index is not None else ""
        made = super().get_context_data(
            lists=[], entry_name=name or gettext("New entry"), is_entry=True, **context
        )
        if self.index is None:
            code = next(node for node in made["tree"].body if node.path[-1] == "code")
            code.required, code.help = False, gettext("Empty: one is made of the name.")
        return made

    def document_with(self, content: Any) -> dict[str, Any]:
        entries = self.part.entries(self.listed)
        place = len(entries) if self.index is None else self.index
        if self.index is None and not content["code"]:
            content |= {"code": self._free_code(content["names"])}
        entries[place : place + 1] = [content]
        return self.part.with_entries(self.listed, entries)

    def _free_code(self, names: dict[str, str]) -> str:
        """One that nothing in the draft has: of the English name, if there is one."""
        wanted = slugify(names.get("en", ""))[:CODE_MAX].strip("-")
        if not wanted[:1].isalpha():
            wanted = self.listed.removesuffix("s")
        taken = set(_codes(self.draft.document))
        numbered = (f"{wanted}-{number}" for number in count(2))
        return next(code for code in chain([wanted], numbered) if code not in taken)


def _codes(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        yield from [content["code"]] if "names" in content and "code" in content else []
        content = list(content.values())
    for each in content if isinstance(content, list) else ():
        yield from _codes(each)


class DraftFile(DraftPageBase, View):
    """The draft as a programme file."""

    permission_required = "programme.view_draft"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return programme_file(self.draft.document, f"draft-{self.draft.pk}")


def programme_file(document: dict[str, Any], name: str) -> HttpResponse:
    """A download of a document."""
    response = HttpResponse(documents.render(document), content_type="application/yaml")
    filename = f"{document['programme']['code']}-{name}.yaml"
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


URLS: dict[str, tuple[str, Any]] = {
    "draft": ("rulebook/drafts/<int:draft_id>/", DraftPage),
    "draft-file": ("rulebook/drafts/<int:draft_id>/programme.yaml", DraftFile),
    "draft-part": ("rulebook/drafts/<int:draft_id>/<slug:part>/", DraftPartPage),
    "draft-entry": (
        "rulebook/drafts/<int:draft_id>/<slug:part>/<slug:listed>/<slug:index>/",
        DraftEntryPage,
    ),
}
