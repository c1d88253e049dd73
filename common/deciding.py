"""
Pages of a row and what may be decided about it: each decision a button, a form in front of it with
what will come of it, and one operation behind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import Model
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from common.errors import DomainError
from common.staff import ReadOnlyAdmin, acting


@dataclass(frozen=True, slots=True)
class Decision:
    """A button on the page of a row, and the form behind it."""

    title: Any
    # Takes the row's key as `DecidingAdmin.key`, `by`, `at` and what the form asks.
    operation: Callable[..., object]
    form: type[Form]
    # What will come of it, said before it is done; and that it is done.
    explanation: Any
    done: Any
    icon: str
    style: str


class DecidingAdmin(ReadOnlyAdmin):
    """
    A list whose rows have a page with buttons. Whether a decision may be taken, the operation
    judges; `open_to` says which are worth showing.
    """

    decisions: ClassVar[Mapping[str, Decision]]
    # What operations and addresses call the row's key.
    key: ClassVar[str]
    template: ClassVar[str]

    def row(self, request: HttpRequest, key: str) -> Model:
        """
        The row of a key as it stood in the address.

        :raises PermissionDenied: if they may not see such rows
        :raises Http404: if there is none, or none of theirs
        """
        raise NotImplementedError

    def open_to(self, request: HttpRequest, row: Any) -> list[str]:
        """The names of the decisions whose buttons are shown."""
        raise NotImplementedError

    def told(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the page needs beside buttons and form, with its `title`."""
        raise NotImplementedError

    def require_right(self, request: HttpRequest, row: Any) -> None:
        """:raises PermissionDenied: if they may decide about no such row at all"""

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<int:{self.key}>/{name}/",
                self.admin_site.admin_view(partial(self.decide_view, name=name)),
                name=self._address(name),
            )
            for name in self.decisions
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return self._page(request, self.row(request, object_id))

    def decide_view(self, request: HttpRequest, *, name: str, **address: int) -> HttpResponse:
        """The form in front of one decision."""
        row = self.row(request, str(address[self.key]))
        self.require_right(request, row)
        page = HttpResponseRedirect(self._link("change", row))
        decision = self.decisions[name]
        if request.method != "POST":
            if name not in self.open_to(request, row):
                return page
            return self._page(request, row, decision=decision, form=decision.form())
        form = decision.form(request.POST)
        if not form.is_valid():
            return self._page(request, row, decision=decision, form=form)
        try:
            decision.operation(
                **{self.key: row.pk}, by=acting(request), at=timezone.now(), **form.cleaned_data
            )
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
        else:
            messages.success(request, str(decision.done))
        return page

    def _page(
        self,
        request: HttpRequest,
        row: Model,
        *,
        decision: Decision | None = None,
        form: Form | None = None,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            **self.told(request, row),
            "buttons": [
                (self._link(name, row), self.decisions[name]) for name in self.open_to(request, row)
            ],
            "decision": decision,
            "form": form,
            "page": self._link("change", row),
            "list": reverse(f"admin:{self._address('changelist')}"),
        }
        return TemplateResponse(request, self.template, context)

    def _address(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"

    def _link(self, name: str, row: Model) -> str:
        return reverse(f"admin:{self._address(name)}", args=[row.pk])
