"""Tiers in the console: a member's standing and why, all decisions, what waits for staff."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, TemplateView, View

from common import personal
from common.errors import DomainError
from common.forms import NoteForm
from common.staff import acting
from membership import tier_actions
from membership.console import ConsolePage
from membership.member_page import MemberPage
from membership.points_actions import identity
from tiers import operations, pictures, queries, words
from tiers.models import Decision, DecisionKind, Proposal, ProposalState
from tiers.views import download

DECISIONS_SHOWN = 50
PROPOSALS_SHOWN = 100
KIND_LABELS = {
    DecisionKind.UPGRADE: "success",
    DecisionKind.KEEP: "success",
    DecisionKind.RESTORE: "success",
    DecisionKind.DOWNGRADE: "danger",
    DecisionKind.REVOKE: "danger",
    DecisionKind.MANUAL: "warning",
    DecisionKind.MANUAL_END: "warning",
    DecisionKind.EXTEND: "warning",
    DecisionKind.UNMERGE: "warning",
}
STATE_LABELS = {
    ProposalState.WAITING: "warning",
    ProposalState.APPROVED: "success",
    ProposalState.REJECTED: "danger",
}


class TierPage(MemberPage):
    """Where a member stands, how far they are, and every decision with its evidence."""

    template_name = "console/member/tier.html"
    permission_required = ("members.view_member", "tiers.view_standing")
    tab = "tier"

    def content(self) -> dict[str, Any]:
        today = localdate()
        joined_on = localdate(self.member.joined_at)
        progress = queries.progress(self.member.pk, today, joined_on=joined_on)
        decisions = list(queries.decisions(self.member.pk)[:DECISIONS_SHOWN])
        found: dict[str, Any] = {"decisions": [_decision_row(each) for each in decisions]}
        if progress is None:
            return found
        tier = pictures.Picture(progress)
        return found | {
            "tier": tier,
            "proposals": Proposal.objects.filter(member=self.member).order_by("-pk")[:5],
            "tier_buttons": list(self._offered(self._possible(tier))),
        }

    def _possible(self, tier: pictures.Picture) -> list[type[tier_actions.TierAction]]:
        found: list[type[tier_actions.TierAction]] = [tier_actions.SetTier]
        if tier.keep_by:
            found.append(tier_actions.ExtendTier)
        if tier.stand.by_hand:
            found.append(tier_actions.EndTier)
        return found


def _decision_row(decision: Decision) -> dict[str, Any]:
    kind = DecisionKind(decision.kind)
    return {
        "decision": decision,
        "label": KIND_LABELS.get(kind, "info"),
        "sentences": words.why(decision),
    }


class DecisionsPage(ConsolePage, TemplateView):
    """What was decided about anybody's tier, latest first."""

    template_name = "console/tiers/decisions.html"
    permission_required = ("members.view_member", "tiers.view_decision")
    title = _("Tier decisions")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        before = self.request.GET.get("before", "")
        decisions = Decision.objects.select_related("member", "version", "actor", "approved_by")
        if before.isascii() and before.isdigit() and len(before) < 19:
            decisions = decisions.filter(pk__lt=int(before))
        found = list(decisions.order_by("-pk")[: DECISIONS_SHOWN + 1])
        shown = found[:DECISIONS_SHOWN]
        return super().get_context_data(
            rows=[_decision_row(each) for each in shown],
            next_before=shown[-1].pk if len(found) > DECISIONS_SHOWN else None,
            before=before,
            **context,
        )


class ProposalsPage(ConsolePage, TemplateView):
    """Upgrades that wait for staff, longest waiting on top."""

    template_name = "console/tiers/proposals.html"
    permission_required = ("members.view_member", "tiers.view_proposal")
    title = _("Proposed upgrades")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        waiting = list(queries.waiting_proposals()[: PROPOSALS_SHOWN + 1])
        return super().get_context_data(
            rows=[(each, _level_name(each)) for each in waiting[:PROPOSALS_SHOWN]],
            has_more=len(waiting) > PROPOSALS_SHOWN,
            **context,
        )


class ProposalPage(ConsolePage, FormView):
    """One upgrade, with what was gathered for it, and the decision."""

    template_name = "console/tiers/proposal.html"
    permission_required = ("members.view_member", "tiers.view_proposal")
    form_class = NoteForm
    title = _("Proposed upgrade")

    @cached_property
    def proposal(self) -> Proposal:
        found = Proposal.objects.select_related("member", "version", "decided_by")
        return get_object_or_404(found, pk=self.kwargs["proposal_id"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        proposal = self.proposal
        waits = proposal.state == ProposalState.WAITING
        return super().get_context_data(
            proposal=proposal,
            level=_level_name(proposal),
            label=STATE_LABELS.get(ProposalState(proposal.state), ""),
            wanted=words.wanted(proposal.evidence),
            gathered=words.gathered(proposal.evidence),
            # People write where they can be reached; staff ask for that as for all of it.
            said=personal.without_contacts(proposal.text),
            documents=[
                (each, personal.without_contacts(each.name))
                for each in queries.documents().filter(proposal=proposal)
            ],
            may_read=self.request.user.has_perm("tiers.approve_tier"),
            may_decide=waits and self.request.user.has_perm("tiers.approve_tier"),
            **context,
        )

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.request.user.has_perm("tiers.approve_tier"):
            return self.handle_no_permission()
        return super().post(*args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        said = {
            "proposal_id": self.proposal.pk,
            "member": identity(self.proposal.member),
            "at": timezone.now(),
            "by": acting(self.request),
            "note": form.cleaned_data["note"],
        }
        try:
            if "approve" in self.request.POST:
                operations.approve_proposal(**said)
            else:
                operations.reject_proposal(**said)
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.form_invalid(form)
        done = _("The upgrade is done.") if "approve" in self.request.POST else _("Rejected.")
        messages.success(self.request, str(done))
        return HttpResponseRedirect(reverse("admin:tier-proposals"))


class DocumentPage(ConsolePage, View):
    """What a member attached, for those who decide; each look is written down."""

    permission_required = ("members.view_member", "tiers.view_proposal", "tiers.approve_tier")

    def get(self, request: HttpRequest, *, proposal_id: int, place: int) -> HttpResponse:
        try:
            document = operations.read_document(
                proposal_id=proposal_id, place=place, by=acting(request)
            )
        except operations.UnknownDocument as unknown:
            raise Http404 from unknown
        return download(document)


def _level_name(proposal: Proposal) -> str:
    level = queries.ladder(proposal.version_id).find(proposal.level)
    return level.name if level else proposal.level


URLS: dict[str, tuple[str, Any]] = {
    "member-tier": ("member/<str:number>/tier/", TierPage),
    "tier-decisions": ("tier-decisions/", DecisionsPage),
    "tier-proposals": ("tier-proposals/", ProposalsPage),
    "tier-proposal": ("tier-proposals/<int:proposal_id>/", ProposalPage),
    "tier-document": ("tier-proposals/<int:proposal_id>/<int:place>/", DocumentPage),
}
