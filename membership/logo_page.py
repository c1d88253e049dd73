"""The page of the console on which the programme's logo is handed in or taken away."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView
from unfold.widgets import UnfoldAdminFileFieldWidget

from common.errors import DomainError
from common.staff import acting
from membership.console import ConsolePage
from programme import logos, operations, queries


class LogoForm(forms.Form):
    file = forms.FileField(
        label=_("Picture"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": "image/png,image/jpeg,image/webp"}),
        help_text=_("PNG, JPEG or WebP, at most 2 MB; best a square on a transparent ground."),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > logos.FILE_MAX:
            raise forms.ValidationError(logos.PictureTooLarge().sentence)
        return file


class LogoPage(ConsolePage, FormView):
    """What members see is changed at once; it rules nothing, so nobody else need agree."""

    template_name = "console/rulebook/logo.html"
    permission_required = "programme.add_logo"
    title = _("Logo")
    form_class = LogoForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        installed = queries.programme()
        shown = installed.logo if installed else None
        return super().get_context_data(**{"shown": shown, "programme": installed, **context})

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "remove" not in request.POST:
            return super().post(request, *args, **kwargs)
        try:
            operations.remove_logo(by=acting(request))
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
            return HttpResponseRedirect(request.path)
        return self._done(gettext("Members see the first letter of the programme's name again."))

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            operations.set_logo(
                file=form.cleaned_data["file"].read(),
                by=acting(self.request),
                at=timezone.now(),
            )
        except DomainError as refusal:
            form.add_error("file", refusal.sentence)
            return self.form_invalid(form)
        return self._done(gettext("Members see the logo from now on."))

    def _done(self, said: str) -> HttpResponse:
        messages.success(self.request, said)
        return HttpResponseRedirect(self.request.path)


URLS: dict[str, tuple[str, Any]] = {"logo": ("rulebook/logo/", LogoPage)}
