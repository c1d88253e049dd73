"""What every page of a member has in common."""

from datetime import datetime
from typing import Any

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView
from django_htmx.http import HttpResponseClientRedirect

from common.htmx import HtmxRequest
from common.models import User
from members import queries
from members.models import Member


@method_decorator(never_cache, name="dispatch")
class MemberPage(LoginRequiredMixin, TemplateView):
    """A page about the member who is logged in: known from the session, never from the URL."""

    request: HtmxRequest
    member: Member

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        member = getattr(request.user, "member", None)
        if request.user.is_authenticated and member is None:
            # Staff: the home page tells them where to go.
            return redirect("home")
        if member is not None:
            self.member = member
        return super().dispatch(request, *args, **kwargs)

    @property
    def login(self) -> User:
        assert isinstance(self.request.user, User), "a member's page asks for a login"
        return self.request.user

    @property
    def spending_stopped_until(self) -> datetime | None:
        """Until when no points leave the account, as its phone was changed; None: they do."""
        return queries.spending_stopped_until(self.member, at=timezone.now())

    def handle_no_permission(self) -> HttpResponseRedirect:
        answer: Any = super().handle_no_permission()
        # A part of a page cannot be replaced by the login page; the whole page goes there.
        if self.request.htmx:
            answer = HttpResponseClientRedirect(answer.url)
        return answer
