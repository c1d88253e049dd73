"""
The second way in: e-mail and password, on top of `django.contrib.auth` (docs/decisions/0017).

A wrong password and an address nobody has get the same answer in the same time: both cost one look
into the directory and one hash.
"""

from typing import Any

from django.contrib import auth
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.views import PasswordResetConfirmView
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from common import context, limits
from common.errors import DomainError, Invalid
from common.models import User
from members import masking
from members import queries as members
from members.models import MemberStatus
from members.views import MemberPage
from membership import accounts, letters, links
from membership.forms import EmailForm, EmailLoginForm
from membership.views import LoginForm, OwnForm, enter, refused

HOUR = 3600


class WrongLogin(Invalid):
    code = "wrong_login"
    message = _("E-mail or password is not right.")


@method_decorator(sensitive_post_parameters(), name="dispatch")
class EmailLoginPage(LoginForm):
    """The way in for who has confirmed an e-mail address and set a password."""

    template_name = "login_email.html"
    form_class = EmailLoginForm

    def form_valid(self, form: Form) -> HttpResponse:
        email = form.cleaned_data["email"]
        try:
            limits.consume(f"passwords:address:{_address()}", limit=60, seconds=HOUR)
            index = members.email_index(email).hex()
            limits.consume(f"passwords:email:{index}", limit=30, seconds=HOUR)
            user = auth.authenticate(
                self.request,
                username=accounts.username_of(email),
                password=form.cleaned_data["password"],
            )
            if not isinstance(user, User):
                raise WrongLogin
        except DomainError as refusal:
            return self.refuse(form, refusal)
        return enter(self.request, user)


class ForgottenPage(LoginForm):
    """Have a link sent. The answer is the same whoever has the address."""

    template_name = "password_forgotten.html"
    form_class = EmailForm

    def form_valid(self, form: Form) -> HttpResponse:
        email = form.cleaned_data["email"]
        try:
            letters.ask_to_reset(email=email, address=_address())
        except DomainError as refusal:
            return self.refuse(form, refusal)
        sent_to = masking.email(email)
        return render(self.request, "letter_sent.html", {"sent_to": sent_to, "to_reset": True})


@method_decorator(sensitive_post_parameters(), name="dispatch")
@method_decorator(never_cache, name="dispatch")
class ResetPage(PasswordResetConfirmView):
    """Set a new password by the link of an e-mail. Who did then logs in with it."""

    template_name = "password_set.html"
    success_url = reverse_lazy("login_email")
    token_generator = links.reset_tokens

    def form_valid(self, form: Any) -> HttpResponse:
        assert isinstance(self.user, User), "a valid link is somebody's"
        try:
            accounts.set_password(
                member=self.user.member,
                password=form.cleaned_data["new_password1"],
                at=timezone.now(),
            )
        except DomainError as refusal:
            return refused(self, form, refusal)
        del self.request.session["_password_reset_token"]
        return redirect(self.get_success_url())


class _LoginForm(OwnForm):
    """A form about one's own login, once one is a member in full."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        member = getattr(request.user, "member", None)
        if member is not None and member.status == MemberStatus.PRE_REGISTERED:
            return redirect("activate")
        return super().dispatch(request, *args, **kwargs)


class SecurityPage(_LoginForm):
    """What one logs in with, and a form for another e-mail address."""

    template_name = "security.html"
    form_class = EmailForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        confirmed = bool(members.email_key(self.member.pk))
        return super().get_context_data(
            member=self.member,
            email=masking.email(self.member.email) if confirmed else "",
            has_password=self.login.has_usable_password(),
            **kwargs,
        )

    def done(self, form: Any) -> HttpResponse:
        email = form.cleaned_data["email"]
        letters.ask_to_confirm(member_id=self.member.pk, email=email, address=_address())
        sent_to = masking.email(email)
        shown = {"sent_to": sent_to, "frame": "member_base.html"}
        return render(self.request, "letter_sent.html", shown)


class ConfirmPage(MemberPage):
    """
    Opened from an e-mail. A button, as mail programs open links by themselves; logged in, so that
    nobody confirms their address for somebody else's membership.
    """

    template_name = "confirm_email.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        said = self._said()
        email = masking.email(said.email) if said else ""
        return super().get_context_data(email=email, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        said = self._said()
        if said is None:
            return self.render_to_response(self.get_context_data(), status=409)
        try:
            accounts.confirm_email(said, at=timezone.now())
        except DomainError as refusal:
            shown = self.get_context_data(refusal=refusal.sentence)
            return self.render_to_response(shown, status=refusal.status)
        return redirect("security")

    def _said(self) -> links.Confirmation | None:
        said = links.read_confirmation(self.kwargs["token"])
        return said if said and said.member_id == self.member.pk else None


@method_decorator(sensitive_post_parameters(), name="dispatch")
class PasswordPage(_LoginForm):
    """Set a password, or change it: who has one gives it."""

    template_name = "password_set.html"

    def get_form_class(self) -> type[Any]:
        has_one = self.login.has_usable_password()
        return PasswordChangeForm if has_one else SetPasswordForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"user": self.login}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(validlink=True, frame="member_base.html", **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            limits.consume(f"passwords:change:{self.member.pk}", limit=10, seconds=HOUR)
        except DomainError as refusal:
            form = self.get_form()
            form.is_valid()
            return refused(self, form, refusal)
        return super().post(request, *args, **kwargs)

    def done(self, form: Any) -> HttpResponse:
        user = accounts.set_password(
            member=self.member, password=form.cleaned_data["new_password1"], at=timezone.now()
        )
        auth.update_session_auth_hash(self.request, user)
        return redirect("security")


def _address() -> str:
    return context.current.get().ip or ""
