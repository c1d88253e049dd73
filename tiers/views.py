from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.timezone import localdate

from common.errors import DomainError
from members.queries import Identity
from members.views import MemberPage
from tiers import operations, pictures, queries, words
from tiers.forms import ApplyForm
from tiers.models import Proposal, ProposalKind, ProposalState

DECISIONS_SHOWN = 5


class TierPage(MemberPage):
    """Where the member stands and why, what the next tier asks for, what keeps this one."""

    template_name = "tiers/tier.html"
    # The application that was sent and refused, if any.
    refused: ApplyForm | None = None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        today = localdate()
        progress = queries.progress(self.member.pk, today)
        if progress is None:
            return super().get_context_data(tier=None, refused=self.refused, **kwargs)
        tier = pictures.Picture(progress)
        return super().get_context_data(
            tier=tier,
            refused=self.refused,
            rungs=pictures.rungs(queries.ladder_on(today), progress.stand),
            applications=self._applications(tier.applications),
            decisions=[
                (decision, words.why(decision))
                for decision in queries.decisions(self.member.pk)[:DECISIONS_SHOWN]
            ],
            **kwargs,
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        """Apply for a tier."""
        form = ApplyForm(request.POST)
        if form.is_valid():
            try:
                operations.apply(
                    member=Identity(self.member.pk, self.member.number, self.member.status),
                    level=form.cleaned_data["level"],
                    text=form.cleaned_data["text"],
                    at=timezone.now(),
                )
            except DomainError as refusal:
                form.add_error(None, refusal.sentence)
            else:
                return redirect("tiers:tier")
        self.refused = form
        return self.render_to_response(self.get_context_data())

    def _applications(
        self, ways: list[pictures.Way]
    ) -> list[tuple[pictures.Way, Proposal | None, ApplyForm | None]]:
        """Each tier that can be applied for, the latest application, and the form if it is open."""
        if not ways:
            return []
        made = Proposal.objects.filter(member=self.member, kind=ProposalKind.APPLICATION)
        latest = {proposal.level: proposal for proposal in made.order_by("pk")}
        return [
            (way, latest.get(way.level.code), self._form(way, latest.get(way.level.code)))
            for way in ways
        ]

    def _form(self, way: pictures.Way, latest: Proposal | None) -> ApplyForm | None:
        if way.percent < pictures.FULL or (latest and latest.state == ProposalState.WAITING):
            return None
        code = way.level.code
        text = self.refused["text"].value() if self.refused else ""
        return ApplyForm(initial={"level": code, "text": text}, auto_id=f"id_{code}_%s")
