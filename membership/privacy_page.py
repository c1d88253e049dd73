"""What a member agreed to, and what becomes of the member's data: seen and decided on one page."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from common.errors import DomainError
from common.models import User
from members import consents, operations, queries
from members.models import ConsentChannel, ConsentPurpose, ConsentText
from members.views import MemberPage
from partners import queries as partners
from partners.models import Organization

HISTORY_SHOWN = 50
# Sharing stands beside its partners.
OF_ALL = [ConsentPurpose.SERVICE, ConsentPurpose.MARKETING, ConsentPurpose.PROFILING]


@dataclass(frozen=True, slots=True)
class Asked:
    """Something a member may agree to, and what holds."""

    purpose: ConsentPurpose
    # What is agreed to from now on.
    text: ConsentText
    standing: consents.Standing | None
    partner: Organization | None = None

    @property
    def is_given(self) -> bool:
        return self.standing is not None and self.standing.is_given

    @property
    def name(self) -> str:
        return self.partner.name if self.partner else str(self.purpose.label)

    @property
    def read(self) -> ConsentText:
        """What the member agreed to; who has not, what would be agreed to."""
        return self.standing.text if self.standing and self.standing.is_given else self.text

    @property
    def is_outdated(self) -> bool:
        return self.is_given and self.read.pk != self.text.pk

    @property
    def may_withdraw(self) -> bool:
        return self.is_given and self.purpose != ConsentPurpose.SERVICE

    @property
    def costs(self) -> bool:
        """Whether to take it back ends something the member has."""
        return self.purpose == ConsentPurpose.SHARING


class WordForm(forms.Form):
    purpose = forms.ChoiceField(choices=ConsentPurpose.choices)
    is_given = forms.TypedChoiceField(
        choices=[("1", ""), ("0", "")], coerce=lambda value: value == "1"
    )
    text_version = forms.IntegerField(min_value=1, max_value=32_767)
    partner = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class PrivacyPage(MemberPage):
    template_name = "privacy/privacy.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        standing = consents.standing(self.member.pk)
        texts = consents.texts()
        since = timezone.now() - operations.EXPORT_KEPT
        copies = list(queries.copies(self.member.pk, since=since))
        by_purpose = {each.purpose: each for each in standing if each.partner_id is None}
        return super().get_context_data(
            asked=[
                Asked(purpose, texts[purpose], by_purpose.get(purpose))
                for purpose in OF_ALL
                if purpose in texts
            ],
            shared=list(_with_partners(texts.get(ConsentPurpose.SHARING), standing)),
            words=consents.history(self.member.pk)[:HISTORY_SHOWN],
            is_saved="saved" in self.request.GET,
            copies=copies,
            is_making=any(copy.made_at is None for copy in copies),
            has_enough="enough" in self.request.GET,
            erasure=queries.open_erasure(self.member.pk),
            stays="stays" in self.request.GET,
            **kwargs,
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        form = WordForm(request.POST)
        if not form.is_valid():
            return HttpResponseRedirect(request.path)
        told = form.cleaned_data
        word = operations.Word(
            purpose=ConsentPurpose(told["purpose"]),
            is_given=told["is_given"],
            text_version=told["text_version"],
            partner_id=told["partner"],
        )
        assert isinstance(request.user, User), "the page asks for a login"
        try:
            operations.note_consents(
                member_id=self.member.pk,
                words=[word],
                at=timezone.now(),
                channel=ConsentChannel.WEB,
                by=request.user,
            )
        except DomainError as refusal:
            page = self.get_context_data(refused=refusal.sentence)
            return self.render_to_response(page, status=refusal.status)
        return HttpResponseRedirect(f"{request.path}?saved")


def _with_partners(
    text: ConsentText | None, standing: Iterable[consents.Standing]
) -> Iterable[Asked]:
    """Partners in business, and those gone that a member still shares with."""
    if text is None:
        return
    held = {each.partner_id: each for each in standing if each.partner_id is not None}
    given = [partner_id for partner_id, each in held.items() if each.is_given]
    for partner in partners.partners(also=given):
        yield Asked(ConsentPurpose.SHARING, text, held.get(partner.pk), partner)
