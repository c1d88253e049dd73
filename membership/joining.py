"""
Becoming a member on the web: the phone, the code, who it is.

Until the code is proven every phone gets the same answers, a member's too; who turns out to be a
member is logged in. What somebody tells of themselves is asked for after the proof, so nothing is
kept of those who do not come so far.
"""

import re
from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.timezone import localdate
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView

from common import context
from common.errors import DomainError
from members import applications, phones, queries
from members import operations as members
from members.models import Application, MemberStatus
from membership import accounts
from membership import proven as proofs
from membership.forms import ActivationForm, JoinForm
from membership.views import CodePage, LoginForm, LoginPage, OwnForm, enter

CHALLENGE = "join_challenge"
# The store whose code the link to the page had: a sign in the store, a dealer's letter.
STORE = "join_store"
STORE_CODE = re.compile(r"[-a-zA-Z0-9_]{1,50}")


class JoinPage(LoginPage):
    """First step: the phone. The answer is the same whoever has it, and a code goes there."""

    template_name = "join.html"
    challenge_key = CHALLENGE
    code_page = "join_code"
    to_strangers = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        code = request.GET.get("store", "")
        if STORE_CODE.fullmatch(code):
            request.session[STORE] = code
        return super().get(request, *args, **kwargs)


class JoinCodePage(CodePage):
    """Second step: the code. A member is in; anybody else has a proven phone."""

    template_name = "join_code.html"
    challenge_key = CHALLENGE
    phone_page = "join"
    code_page = "join_code"

    def proven(self, phone: str) -> HttpResponse:
        if queries.has_phone(phone) or applications.to_show(phone):
            return super().proven(phone)
        proofs.remember(self.request, phone, now=timezone.now())
        return redirect("join_details")


class JoinDetailsPage(LoginForm):
    """Third step: who it is."""

    template_name = "join_details.html"
    form_class = JoinForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.phone = proofs.proven_phone(request, now=timezone.now())
        if not self.phone and not request.user.is_authenticated:
            return redirect("join")
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            masked_phone=phones.masked(self.phone),
            store=accounts.store_named(self.request.session.get(STORE, "")),
            must_apply=applications.are_asked_for(localdate()),
            terms=accounts.terms(),
            **kwargs,
        )

    def form_valid(self, form: Form) -> HttpResponse:
        told = form.cleaned_data
        try:
            user = accounts.join(
                phone=self.phone,
                name=told["name"],
                birthday=told["birthday"],
                store=self.request.session.get(STORE, ""),
                at=timezone.now(),
            )
        except DomainError as refusal:
            return self.refuse(form, refusal)
        if user is None:
            return redirect("join_application")
        self.request.session.pop(STORE, None)
        proofs.forget(self.request)
        return enter(self.request, user)


@method_decorator(never_cache, name="dispatch")
class ApplicationPage(TemplateView):
    """What became of an application, for who has proven its phone; while it waits, a way back."""

    template_name = "join_application.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.phone = proofs.proven_phone(request, now=timezone.now())
        if request.user.is_authenticated:
            return redirect("home")
        if not self.phone:
            return redirect("join")
        if queries.has_phone(self.phone):
            # Approved, or enrolled at a store meanwhile.
            proofs.forget(request)
            return enter(request, accounts.login_by_phone(self.phone))
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        application = applications.to_show(self.phone)
        if application is None:
            return redirect("join_details")
        return self.shown(application)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Take it back. If it was decided at the same instant, the page tells that instead."""
        try:
            application = members.withdraw_application(phone=self.phone, at=timezone.now())
        except DomainError:
            return redirect("join_application")
        proofs.forget(request)
        return self.shown(application)

    def shown(self, application: Application) -> HttpResponse:
        return self.render_to_response(
            self.get_context_data(
                application=application,
                masked_phone=phones.masked(self.phone),
                store=application.store,
            )
        )


class ActivatePage(OwnForm):
    """
    A pre-registered member names what they bought. Who opens the page has proven the phone: until
    the activation a code sent there is the only way in.
    """

    template_name = "activate.html"
    form_class = ActivationForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        member = getattr(request.user, "member", None)
        if member is not None and member.status != MemberStatus.PRE_REGISTERED:
            return redirect("home")
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        has_product = queries.owns_products(self.member.pk)
        return super().get_form_kwargs() | {"has_product": has_product}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(terms=accounts.terms(), **kwargs)

    def done(self, form: Any) -> HttpResponse:
        members.activate_by_product(
            member_id=self.member.pk,
            identifier=form.cleaned_data.get("identifier", ""),
            address=context.current.get().ip or "",
            activated_at=timezone.now(),
            by=self.login,
            agreed=accounts.agreed_on_the_web(),
        )
        return redirect("home")
