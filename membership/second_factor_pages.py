"""Proving the second factor at the console, setting one up, and taking away a lost one."""

from typing import Any

import segno
from axes.handlers.proxy import AxesProxyHandler
from django.contrib import admin, messages
from django.contrib.auth.signals import user_login_failed
from django.contrib.auth.views import RedirectURLMixin, redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.generic import FormView

from common import second_factors
from common.errors import DomainError
from common.fields import seal, unseal
from common.forms import ReasonForm
from common.models import User
from common.staff import acting
from membership import second_factor
from membership.console import ConsolePage, locked_out
from membership.forms import FactorForm
from programme import queries as programme

SECRET = "second_factor_secret"  # noqa: S105 - the name of a place in the session
_SEALED_AS = "membership.session.factor"


@method_decorator(never_cache, name="dispatch")
class _FactorPage(RedirectURLMixin, FormView):
    """For staff who are logged in with their password, whether or not the console is open yet."""

    form_class = FactorForm
    template_name = "console/second_factor.html"
    title: Any = _("Second factor")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = request.user
        if not isinstance(user, User) or not (user.is_active and user.is_staff):
            return redirect("admin:login")
        return self.elsewhere() or super().dispatch(request, *args, **kwargs)

    def elsewhere(self) -> HttpResponse | None:
        """Where to go, if this is not the page to see now."""
        raise NotImplementedError

    @property
    def user(self) -> User:
        return acting(self.request)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        frame = {**admin.site.each_context(self.request), "title": self.title}
        return super().get_context_data(next=self.get_redirect_url(), **{**frame, **context})

    def form_valid(self, form: Any) -> HttpResponse:
        """Wrong codes count as wrong passwords do, too: five lock the login (django-axes)."""
        credentials = {"username": self.user.username}
        if not AxesProxyHandler.is_allowed(self.request, credentials):
            return locked_out(self.request)
        try:
            return self.proven(form.cleaned_data["code"])
        except DomainError as refusal:
            if isinstance(refusal, second_factors.WrongFactor):
                user_login_failed.send(__name__, credentials=credentials, request=self.request)
            form.add_error(None, refusal.sentence)
            return self.render_to_response(self.get_context_data(form=form), status=refusal.status)

    def proven(self, code: str) -> HttpResponse:
        raise NotImplementedError

    def show_codes(self, codes: list[str]) -> HttpResponse:
        frame = {**admin.site.each_context(self.request), "title": _("Recovery codes")}
        return render(
            self.request,
            "console/recovery_codes.html",
            {**frame, "codes": codes, "next": self.get_redirect_url() or reverse("admin:index")},
        )


class ProvePage(_FactorPage):
    """After the password: the code of the app, or a recovery code."""

    def elsewhere(self) -> HttpResponse | None:
        missing = second_factor.missing(self.request)
        if missing == "set":
            return redirect_to_login(self.get_redirect_url(), reverse("admin:own_factor"))
        return None if missing else redirect("admin:index")

    def proven(self, code: str) -> HttpResponse:
        factor = second_factors.prove(user=self.user, code=code, at=timezone.now())
        second_factor.note(self.request, factor)
        return redirect(self.get_redirect_url() or "admin:index")


class OwnFactorPage(_FactorPage):
    """Set one up by a QR code; who has one makes new recovery codes here."""

    def elsewhere(self) -> HttpResponse | None:
        is_to_prove = second_factor.missing(self.request) == "prove"
        return redirect("admin:second_factor") if is_to_prove else None

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        factor = second_factor.of(self.user)
        if factor is None:
            secret = self._secret()
            issuer = str(programme.programme() or _("Membership console"))
            told = second_factors.address(secret=secret, user=self.user, issuer=issuer)
            # In black on white whatever the page's colours: apps read nothing else.
            code = segno.make(told, error="m").svg_data_uri(scale=5, dark="#000", light="#fff")
            context |= {"qr": code, "secret": " ".join(_groups(secret))}
        else:
            context |= {"factor": factor, "codes_left": len(factor.recovery)}
        return super().get_context_data(is_own=True, **context)

    def proven(self, code: str) -> HttpResponse:
        now = timezone.now()
        if second_factor.of(self.user) is not None:
            return self.show_codes(second_factors.renew_recovery(user=self.user, code=code, at=now))
        codes = second_factors.confirm(user=self.user, secret=self._secret(), code=code, at=now)
        del self.request.session[SECRET]
        self.user.refresh_from_db(fields=["second_factor"])
        second_factor.note(self.request, self.user.second_factor)
        return self.show_codes(codes)

    def _secret(self) -> str:
        """The one on offer to this session, until it is confirmed; sealed, as sessions are rows."""
        if SECRET not in self.request.session:
            fresh = second_factors.new_secret()
            self.request.session[SECRET] = seal(fresh, column=_SEALED_AS)
        return unseal(self.request.session[SECRET], column=_SEALED_AS)


class ResetFactorPage(ConsolePage, FormView):
    """A colleague lost the phone."""

    template_name = "console/reset_factor.html"
    permission_required = "common.reset_secondfactor"
    form_class = ReasonForm
    title = _("Take away the second factor")

    @cached_property
    def user(self) -> User:
        return get_object_or_404(User, pk=self.kwargs["pk"], is_staff=True)

    def has_permission(self) -> bool:
        # Else whoever may do this could take over a login that may do more.
        above = self.user.is_superuser and not acting(self.request).is_superuser
        return super().has_permission() and not above

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(login=self.user, back=self._back(), **context)

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            second_factors.reset(
                user=self.user, by=acting(self.request), reason=form.cleaned_data["reason"]
            )
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.form_invalid(form)
        messages.success(self.request, str(_("The second factor is taken away.")))
        return HttpResponseRedirect(self._back())

    def _back(self) -> str:
        return reverse("admin:common_user_change", args=[self.user.pk])


def _groups(secret: str) -> list[str]:
    return [secret[at : at + 4] for at in range(0, len(secret), 4)]


# Before the console is open.
URLS = [
    path("second-factor/", ProvePage.as_view(), name="second_factor"),
    path("second-factor/own/", OwnFactorPage.as_view(), name="own_factor"),
]
BEHIND = {"reset_factor": ("staff/<int:pk>/second-factor/", ResetFactorPage)}
