"""A fresh proof of the phone, before what a stolen session must not do."""

import time
from typing import Any

from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from common import context, limits
from common.errors import DomainError
from members import phones
from members.views import MemberPage
from membership.forms import CodeForm
from messaging import operations as messaging
from messaging import queries as messaging_queries

CHALLENGE, PROVEN_AT = "proof_challenge", "proven_at"
GOOD_FOR_SECONDS = 600


def is_fresh(request: HttpRequest) -> bool:
    return time.time() - request.session.get(PROVEN_AT, 0) < GOOD_FOR_SECONDS


def ask(request: HttpRequest) -> HttpResponse:
    """Send somebody to the proof, and back to where they wanted to go."""
    return redirect(f"{reverse('proof')}?{urlencode({'next': request.path})}")


class ProofPage(RedirectURLMixin, MemberPage):
    """Sends a code to the member's own phone; the right answer is good for ten minutes."""

    template_name = "privacy/proof.html"
    next_page = "privacy"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        form = kwargs.pop("form", None) or CodeForm()
        return super().get_context_data(
            form=form,
            masked_phone=phones.masked(self.member.phone),
            has_asked=bool(self._phone_asked()),
            next=self.get_redirect_url(),
            **kwargs,
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        if "code" not in request.POST:
            return self._send()
        form = CodeForm(request.POST)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form))
        try:
            phone = messaging.answer(
                challenge=request.session.get(CHALLENGE, ""), code=form.cleaned_data["code"]
            )
            if phone != self.member.phone:
                # The phone changed while the code was on its way.
                raise messaging.ChallengeOver
        except DomainError as refusal:
            return self._refuse(form, refusal)
        del request.session[CHALLENGE]
        request.session[PROVEN_AT] = time.time()
        return redirect(self.get_success_url())

    def _send(self) -> HttpResponse:
        try:
            self.request.session[CHALLENGE] = messaging.ask_for_code(
                phone=self.member.phone, address=context.current.get().ip or ""
            )
        except DomainError as refusal:
            return self._refuse(CodeForm({}), refusal)
        return redirect(f"{self.request.path}?{urlencode({'next': self.get_redirect_url()})}")

    def _refuse(self, form: CodeForm, refusal: DomainError) -> HttpResponse:
        form.errors.clear()
        form.add_error(None, refusal.sentence)
        return self.render_to_response(self.get_context_data(form=form), status=refusal.status)

    def _phone_asked(self) -> str:
        try:
            return messaging_queries.phone_asked(self.request.session.get(CHALLENGE, ""))
        except limits.Unavailable:
            return ""
