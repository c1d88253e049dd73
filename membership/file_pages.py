"""What console pages have in common to which staff hand in a file: the form, and what is done."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.generic import FormView

from common.errors import DomainError
from common.models import Approval
from common.staff import acting
from membership.console import ConsolePage
from membership.points_actions import sent_for_approval


class FilesPage(ConsolePage, FormView):
    """The latest files, and the form for another one, for those who may."""

    hand_in_permissions: ClassVar[tuple[str, ...]]
    # The name of the page of one file.
    page_of_one: ClassVar[str]

    def hand_in(self, path: Path, name: str) -> int:
        """
        Keep a file, and return what its page is found by.

        :param name: what staff call it
        :raises DomainError: if it makes no sense
        """
        raise NotImplementedError

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(may_hand_in=self._may_hand_in(), **context)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self._may_hand_in():
            return self.handle_no_permission()
        return super().post(request, *args, **kwargs)

    def _may_hand_in(self) -> bool:
        return self.request.user.has_perms(self.hand_in_permissions)

    def form_valid(self, form: Any) -> HttpResponse:
        file = form.cleaned_data["file"]
        with tempfile.NamedTemporaryFile(suffix=Path(file.name).suffix[:8]) as copy:
            for block in file.chunks():
                copy.write(block)
            copy.flush()
            try:
                made = self.hand_in(Path(copy.name), file.name)
            except DomainError as refusal:
                # A refusal names the file as we know it; staff know it by another name.
                told = refusal.sentence.replace(Path(copy.name).name, file.name)
                form.add_error("file", told)
                return self.form_invalid(form)
        return HttpResponseRedirect(reverse(self.page_of_one, args=[made]))


class FilePage(ConsolePage, FormView):
    """One file: begun with a reason, by two people if it is large, or put aside."""

    # What is said when it was begun.
    begun: ClassVar[Any]

    def start_or_ask(self, **how: Any) -> Any:
        """
        Begin, or ask a second person.

        :param how: `at`, `reference`, `by` and `reason`
        """
        raise NotImplementedError

    def start(self, form: Any) -> HttpResponse:
        """:param form: a valid ByHandForm"""
        return self.done(
            lambda: self.start_or_ask(
                at=timezone.now(),
                reference=form.cleaned_data["reference"],
                by=acting(self.request),
                reason=form.cleaned_data["reason"],
            )
        )

    def done(self, operation: Callable[[], Any]) -> HttpResponse:
        """Do it, say what came of it, and show the page again."""
        try:
            made = operation()
        except DomainError as refusal:
            messages.error(self.request, refusal.sentence)
        else:
            messages.success(self.request, self._said(made))
        return HttpResponseRedirect(self.request.path)

    def _said(self, made: Any) -> str:
        if isinstance(made, Approval):
            return sent_for_approval(made)
        return gettext("Discarded.") if made.state == "DISCARDED" else str(self.begun)
