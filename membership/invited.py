"""
The way in for whom an invitation reached: the link, a code to the phone we know, and they are in.

The link alone opens nothing: who finds it learns a masked phone, and the code goes to the phone.
"""

from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.generic import View

from campaigns import invitations
from common import context
from common.errors import DomainError
from members import phones
from membership import accounts
from membership.views import CodePage, LoginForm, enter
from messaging import operations as messaging

TOKEN = "invited_by"  # noqa: S105 - a key of the session
CHALLENGE = "invited_challenge"


class InvitationLink(View):
    """The link itself. It is kept in the session: the pages behind it do not show it."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        try:
            invitations.opened(token, at=timezone.now())
        except invitations.InvitationOver as refusal:
            return render(request, "invitation_over.html", status=refusal.status)
        request.session[TOKEN] = token
        return redirect("invited_start")


class InvitedPage(LoginForm):
    """First step: a button that sends the code."""

    template_name = "invited.html"
    form_class = Form

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        token = request.session.get(TOKEN, "")
        try:
            self.member = invitations.opened(token, at=timezone.now()).member
        except invitations.InvitationOver as refusal:
            return render(request, "invitation_over.html", status=refusal.status)
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            masked_phone=phones.masked(self.member.phone),
            has_asked=CHALLENGE in self.request.session,
            **kwargs,
        )

    def form_valid(self, form: Form) -> HttpResponse:
        address = context.current.get().ip or ""
        try:
            challenge = messaging.ask_for_code(phone=self.member.phone, address=address)
        except DomainError as refusal:
            return self.refuse(form, refusal)
        self.request.session[CHALLENGE] = challenge
        return redirect("invited_code")


class InvitedCodePage(CodePage):
    """Second step: the code."""

    template_name = "invited_code.html"
    challenge_key = CHALLENGE
    phone_page = "invited_start"
    code_page = "invited_code"

    def proven(self, phone: str) -> HttpResponse:
        token = self.request.session.get(TOKEN, "")
        user = accounts.activate_invited(token=token, phone=phone, at=timezone.now())
        self.request.session.pop(TOKEN, None)
        return enter(self.request, user)
