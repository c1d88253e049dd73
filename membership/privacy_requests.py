"""What a member asks for on the page of privacy: a copy of everything, or to be forgotten."""

from datetime import timedelta
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from common import limits
from common.errors import DomainError
from common.models import User
from members import operations
from members.views import MemberPage
from membership import proof
from points import queries as points

EXPORTS_A_DAY = 3
DAY_SECONDS = 86_400


class RequestExport(MemberPage):
    """Has a copy made: harmless, as only who proves the phone gets it."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            limits.consume(f"exports:{self.member.pk}", limit=EXPORTS_A_DAY, seconds=DAY_SECONDS)
        except limits.TooMany:
            return HttpResponseRedirect(f"{reverse('privacy')}?enough#data")
        operations.request_export(
            member_id=self.member.pk,
            language=get_language() or "",
            at=timezone.now(),
            by=login_of(request),
        )
        return HttpResponseRedirect(f"{reverse('privacy')}#data")


class DownloadExport(MemberPage):
    http_method_names = ["get"]

    def get(self, request: HttpRequest, *_args: Any, **kwargs: Any) -> HttpResponse:
        if not proof.is_fresh(request):
            return proof.ask(request)
        try:
            content = operations.fetch_export(
                export_id=kwargs["pk"],
                member_id=self.member.pk,
                at=timezone.now(),
                by=login_of(request),
            )
        except DomainError as refusal:
            raise Http404 from refusal
        return HttpResponse(
            content,
            content_type="application/zip",
            headers={"Content-Disposition": f'attachment; filename="{self.member.number}.zip"'},
        )


class ErasureForm(forms.Form):
    understood = forms.BooleanField(
        label=_("I know that my points and my membership end, and cannot come back"),
        error_messages={"required": _("Say that you know what ends.")},
    )


class ErasurePage(MemberPage):
    """What it costs, and from when it cannot be taken back; then the wish itself."""

    template_name = "privacy/erasure.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not proof.is_fresh(request):
            return proof.ask(request)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        today = localdate()
        days = operations.waiting_days(today)
        return super().get_context_data(
            form=kwargs.pop("form", None) or ErasureForm(),
            points=points.spendable_points(self.member.pk, on=today),
            days=days,
            due_on=today + timedelta(days=days),
            **kwargs,
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        if not proof.is_fresh(request):
            return proof.ask(request)
        form = ErasureForm(request.POST)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form))
        operations.request_erasure(
            member_id=self.member.pk, at=timezone.now(), by=login_of(request)
        )
        return HttpResponseRedirect(reverse("privacy"))


class WithdrawErasure(MemberPage):
    """As easy as can be: whoever stays need not prove anything."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            operations.withdraw_erasure(
                member_id=self.member.pk, at=timezone.now(), by=login_of(request)
            )
        except DomainError:
            # Taken back in another window; the page shows how things stand.
            return HttpResponseRedirect(reverse("privacy"))
        return HttpResponseRedirect(f"{reverse('privacy')}?stays")


def login_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "the page asks for a login"
    return request.user
