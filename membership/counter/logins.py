"""Logging in at the counter: a clerk's own password, then the second factor as at the console."""

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from common import second_factors
from common.models import User
from membership import second_factor
from membership.second_factor_pages import ProvePage


@method_decorator(never_cache, name="dispatch")
class LoginPage(LoginView):
    template_name = "counter/login.html"
    authentication_form = AdminAuthenticationForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = request.user
        if isinstance(user, User) and user.is_staff:
            return redirect("counter:start")
        return super().dispatch(request, *args, **kwargs)

    def get_success_url(self) -> str:
        return reverse("counter:start")


class FactorPage(ProvePage):
    template_name = "counter/second_factor.html"
    title = _("Second factor")

    def elsewhere(self) -> HttpResponse | None:
        return None if second_factor.missing(self.request) == "prove" else redirect("counter:start")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        # Not the console's frame, which is heavy.
        context.setdefault("form", self.get_form())
        return {"view": self, "title": self.title, **context}

    def proven(self, code: str) -> HttpResponse:
        factor = second_factors.prove(user=self.user, code=code, at=timezone.now())
        second_factor.note(self.request, factor)
        return redirect("counter:start")
