from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.timezone import localdate

from common.errors import DomainError
from members import queries as members
from members.views import MemberPage
from tiers import operations, pictures, queries, words
from tiers.forms import ApplyForm
from tiers.models import Document, Proposal, ProposalState

DECISIONS_SHOWN = 5


class TierPage(MemberPage):
    """Where the member stands and why, what the next tier asks for, what keeps this one."""

    template_name = "tiers/tier.html"
    # The application that was sent and refused, if any.
    refused: ApplyForm | None = None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        today = localdate()
        joined_on = localdate(self.member.joined_at)
        progress = queries.progress(self.member.pk, today, joined_on=joined_on)
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
        form = ApplyForm(request.POST, request.FILES)
        if form.is_valid():
            try:
                operations.apply(
                    member=members.identity(self.member),
                    level=form.cleaned_data["level"],
                    text=form.cleaned_data["text"],
                    documents=form.attached(),
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
        latest: dict[str, Proposal] = {}
        for proposal in queries.applications(self.member.pk):
            latest.setdefault(proposal.level, proposal)
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


class DocumentPage(MemberPage):
    """What the member attached to an application of their own."""

    def get(self, _request: HttpRequest, *, proposal_id: int, place: int) -> HttpResponse:
        own = Document.objects.filter(proposal__member=self.member)
        return download(get_object_or_404(own, proposal_id=proposal_id, place=place))


def download(document: Document) -> HttpResponse:
    """A document to be saved, never to be shown within our pages: its content is a stranger's."""
    return HttpResponse(
        bytes(document.content),
        content_type=document.media_type,
        headers={
            "Content-Disposition": content_disposition_header(
                as_attachment=True, filename=document.name
            )
            or "attachment",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
        },
    )
