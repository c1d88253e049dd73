"""
Becoming a member on the web: the phone, the code, who it is.

Until the code is proven every phone gets the same answers, a member's too; who turns out to be a
member is logged in. What somebody tells of themselves is asked for after the proof, so nothing is
kept of those who do not come so far.
"""

from datetime import datetime, timedelta
from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from common import context
from common.errors import DomainError
from common.fields import seal, unseal
from members import operations as members
from members import phones, queries
from members.models import MemberStatus
from membership import accounts
from membership.forms import ActivationForm, JoinForm
from membership.views import CodePage, LoginForm, LoginPage, OwnForm, enter

CHALLENGE = "join_challenge"
PROVEN = "join_proven"
PROVEN_FOR = timedelta(minutes=30)
# Sessions are rows of a table: the phone is sealed there as everywhere.
_SEALED_AS = "membership.session.phone"


class JoinPage(LoginPage):
    """First step: the phone. The answer is the same whoever has it, and a code goes there."""

    template_name = "join.html"
    challenge_key = CHALLENGE
    code_page = "join_code"
    to_strangers = True


class JoinCodePage(CodePage):
    """Second step: the code. A member is in; anybody else has a proven phone."""

    template_name = "join_code.html"
    challenge_key = CHALLENGE
    phone_page = "join"
    code_page = "join_code"

    def proven(self, phone: str) -> HttpResponse:
        if queries.has_phone(phone):
            return super().proven(phone)
        self.request.session[PROVEN] = {
            "phone": seal(phone, column=_SEALED_AS),
            "until": (timezone.now() + PROVEN_FOR).isoformat(),
        }
        self.request.session.cycle_key()
        return redirect("join_details")


class JoinDetailsPage(LoginForm):
    """Third step: who it is."""

    template_name = "join_details.html"
    form_class = JoinForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.phone = proven_phone(request, now=timezone.now())
        if not self.phone and not request.user.is_authenticated:
            return redirect("join")
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(masked_phone=phones.masked(self.phone), **kwargs)

    def form_valid(self, form: Form) -> HttpResponse:
        told = form.cleaned_data
        try:
            user = accounts.join(
                phone=self.phone,
                name=told["name"],
                birthday=told["birthday"],
                at=timezone.now(),
            )
        except DomainError as refusal:
            return self.refuse(form, refusal)
        del self.request.session[PROVEN]
        return enter(self.request, user)


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


def proven_phone(request: HttpRequest, *, now: datetime) -> str:
    """The phone this browser has proven lately; empty if none."""
    proven = request.session.get(PROVEN)
    if proven is None or datetime.fromisoformat(proven["until"]) < now:
        return ""
    return unseal(proven["phone"], column=_SEALED_AS)
