"""Pages that mix rooms: login, errors."""

from http import HTTPStatus
from typing import Any

from django.contrib import auth
from django.contrib.auth.views import RedirectURLMixin
from django.core.exceptions import RequestDataTooBig
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import defaults
from django.views.decorators.cache import never_cache
from django.views.generic import FormView
from django.views.generic.edit import FormMixin

from common import context, limits
from common.errors import DomainError
from common.models import User
from members import applications, phones, queries
from members.models import MemberStatus
from members.views import MemberPage
from membership import accounts, proven, reading
from membership.forms import CodeForm, PhoneForm
from messaging import operations as messaging
from messaging import queries as messaging_queries

CHALLENGE = "login_challenge"
NEXT = "login_next"


@method_decorator(never_cache, name="dispatch")
class LoginForm(RedirectURLMixin, FormView):
    """A step of logging in. A refusal of the operation is shown above the form."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return redirect("home")
        return super().dispatch(request, *args, **kwargs)

    def refuse(self, form: Form, refusal: DomainError) -> HttpResponse:
        return refused(self, form, refusal)


class LoginPage(LoginForm):
    """First step: the phone. The answer is the same whoever has it."""

    template_name = "login.html"
    form_class = PhoneForm
    challenge_key = CHALLENGE
    code_page = "login_code"
    to_strangers = False

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            has_asked=self.challenge_key in self.request.session,
            next=self.get_redirect_url(),
            **kwargs,
        )

    def form_valid(self, form: Form) -> HttpResponse:
        try:
            challenge = messaging.ask_for_code(
                phone=form.cleaned_data["phone"],
                address=context.current.get().ip or "",
                to_strangers=self.to_strangers,
            )
        except DomainError as refusal:
            return self.refuse(form, refusal)
        self.request.session[self.challenge_key] = challenge
        self.request.session[NEXT] = self.get_redirect_url()
        return redirect(self.code_page)


class CodePage(LoginForm):
    """Second step: the code that was sent."""

    template_name = "login_code.html"
    form_class = CodeForm
    challenge_key = CHALLENGE
    phone_page = "login"
    code_page = "login_code"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.challenge_key not in request.session:
            return redirect(self.phone_page)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        phone = self._phone()
        return super().get_context_data(
            phone=phone,
            masked_phone=phones.masked(phone),
            next=self.request.session.get(NEXT, ""),
            phone_page=self.phone_page,
            code_page=self.code_page,
            **kwargs,
        )

    def _phone(self) -> str:
        try:
            return messaging_queries.phone_asked(self.request.session.get(self.challenge_key, ""))
        except limits.Unavailable:
            return ""

    def form_valid(self, form: Form) -> HttpResponse:
        challenge = self.request.session.get(self.challenge_key, "")
        try:
            phone = messaging.answer(challenge=challenge, code=form.cleaned_data["code"])
            response = self.proven(phone)
        except DomainError as refusal:
            return self.refuse(form, refusal)
        self.request.session.pop(self.challenge_key, None)
        return response

    def proven(self, phone: str) -> HttpResponse:
        """:raises DomainError: if it opens nothing"""
        if not queries.has_phone(phone) and applications.has_applied(phone):
            proven.remember(self.request, phone, now=timezone.now())
            return redirect("join_application")
        return enter(self.request, accounts.login_by_phone(phone))


def refused(page: Any, form: Form, refusal: DomainError) -> HttpResponse:
    """A page with its form again, and above it what the operation said."""
    form.add_error(None, refusal.sentence)
    response: HttpResponse = page.render_to_response(
        page.get_context_data(form=form), status=refusal.status
    )
    if retry_after := refusal.details.get("retry_after"):
        response["Retry-After"] = str(retry_after)
    return response


class OwnForm(FormMixin, MemberPage):
    """A form about the member who is logged in. A refusal of the operation is shown above it."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = self.get_form()
        if not form.is_valid():
            return self.form_invalid(form)
        try:
            return self.done(form)
        except DomainError as refusal:
            return refused(self, form, refusal)

    def done(self, form: Any) -> HttpResponse:
        """:raises DomainError: if it cannot be"""
        raise NotImplementedError


def enter(request: HttpRequest, user: User) -> HttpResponse:
    """Log somebody in and go where they wanted to."""
    target = request.session.pop(NEXT, "")
    language = request.session.pop(reading.CHOSEN, "")
    auth.login(request, user, backend="membership.accounts.Backend")
    if user.member.status == MemberStatus.PRE_REGISTERED:
        target = "activate"
    return reading.arrived(redirect(target or "home"), member=user.member, chosen=language)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django answers a body that is too big with 400; it is a 413."""
    if isinstance(exception, RequestDataTooBig):
        return render(request, "413.html", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return defaults.bad_request(request, exception)
