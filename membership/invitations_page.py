"""Invitations: whom they would reach, begun, and what became of them."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView

from campaigns import invitations
from campaigns.models import MemberImport, MemberImportState
from common.errors import DomainError
from common.forms import ReasonForm
from common.staff import acting
from members.models import Tag
from membership.console import ConsolePage
from messaging.models import Channel, DeliveryState

ROUNDS_SHOWN = 20
SOURCES_SHOWN = 200
DAYS = 14
IMPORT = "campaigns.import_members"
STATE_LABELS = {"SENT": "success", "WAITING": "info", "UNWANTED": ""}


class WhomForm(forms.Form):
    """Whom to invite, and for how long the links are good."""

    source = forms.ChoiceField(label=_("Whom"))
    days = forms.IntegerField(
        label=_("Days the link is good for"),
        min_value=1,
        max_value=invitations.DAYS_MAX,
        initial=DAYS,
    )
    again = forms.BooleanField(label=_("Also who was invited before"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        done = MemberImport.objects.filter(state=MemberImportState.DONE).order_by("-pk")
        runs = [(f"run-{run.pk}", str(run)) for run in done[:SOURCES_SHOWN]]
        named = Tag.objects.filter(is_active=True).order_by("name")
        tags = [(f"tag-{tag.pk}", tag.name) for tag in named[:SOURCES_SHOWN]]
        self.fields["source"].choices = [  # type: ignore[attr-defined]  # a choice field
            (_("Imports of members"), runs),
            (_("Tags"), tags),
        ]

    def whom(self) -> dict[str, Any]:
        """As `invitations.reach` and `begin` take it."""
        kind, _dash, pk = self.cleaned_data["source"].partition("-")
        if kind == "run":
            return {"run": MemberImport.objects.get(pk=pk)}
        return {"tag": Tag.objects.get(pk=pk)}


class BeginForm(ReasonForm, WhomForm):
    """The same with the reason, sent once what it would do was seen."""

    field_order = ["source", "days", "again", "reason"]


class InvitationsPage(ConsolePage, FormView):
    """The form, what it would do, and the latest rounds."""

    template_name = "console/invitations.html"
    permission_required = "campaigns.view_memberimport"
    title = _("Invitations")
    form_class = BeginForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        asked = WhomForm(self.request.GET) if "source" in self.request.GET else None
        may_invite = self.request.user.has_perm(IMPORT)
        if asked is not None and asked.is_valid() and may_invite:
            told = asked.cleaned_data
            context["reach"] = invitations.reach(**asked.whom(), again=told["again"])
        return super().get_context_data(
            asked=asked or WhomForm(),
            may_invite=may_invite,
            rounds=[
                (each, _deliveries(each.pk)) for each in invitations.rounds(ROUNDS_SHOWN)
            ],
            **context,
        )  # fmt: skip

    def get_initial(self) -> dict[str, Any]:
        return {name: self.request.GET.get(name, "") for name in ("source", "days", "again")}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(IMPORT):
            return self.handle_no_permission()
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        told = form.cleaned_data
        try:
            invitations.begin(
                **form.whom(),
                days=told["days"],
                again=told["again"],
                at=timezone.now(),
                by=acting(self.request),
                reason=told["reason"],
            )
        except DomainError as refusal:
            messages.error(self.request, refusal.sentence)
        else:
            messages.success(self.request, gettext("Begun: the invitations are being sent."))
        return HttpResponseRedirect(self.request.path)

    def form_invalid(self, form: Any) -> HttpResponse:
        messages.error(self.request, gettext("Say whom, for how many days, and why."))
        return HttpResponseRedirect(self.request.get_full_path())


def _deliveries(round_id: int) -> list[tuple[Any, Any, str, int]]:
    return [
        (Channel(channel).label, DeliveryState(state).label, STATE_LABELS.get(state, "danger"), n)
        for channel, state, n in invitations.deliveries(round_id)
        # The inbox opens with the activation.
        if channel != Channel.IN_APP
    ]


URLS: dict[str, tuple[str, Any]] = {"invitations": ("invitations/", InvitationsPage)}
