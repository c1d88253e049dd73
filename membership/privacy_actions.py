"""
What staff do for a member who says so in person, in writing or by phone: note a consent, have a
copy of everything made, or have everything forgotten.
"""

from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localdate
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from common.staff import acting
from members import consents, operations
from members.forms import EraseForm, WordForm
from members.models import ConsentPurpose, Erasure, MemberStatus
from membership.member_actions import MemberAction
from partners import queries as partners


class PrivacyAction(MemberAction):
    """Stands with what the member agreed to, not among the buttons above all pages."""

    is_quiet = True
    statuses = tuple(MemberStatus.values)


class NoteConsent(PrivacyAction):
    """What the member told staff; on the own pages members say it themselves."""

    title = _("Note a consent")
    icon = "handshake"
    permission_required = "members.change_member"
    form_class = WordForm
    explanation = _(
        "What the member said or signed, for or against. To take back is noted as easily as to "
        "agree, and holds at once."
    )
    done = _("It is noted.")

    def get_form_kwargs(self) -> dict[str, Any]:
        shared = [each.partner_id for each in consents.standing(self.member.pk) if each.partner]
        known = partners.partners(also=[each for each in shared if each is not None])
        choices = [(each.pk, each.name) for each in known]
        return {**super().get_form_kwargs(), "partners": choices}

    def get_initial(self) -> dict[str, Any]:
        return {"about": ConsentPurpose.MARKETING, "said_on": localdate().isoformat()}

    def perform(self, form: Any) -> str:
        now = timezone.now()
        noted = operations.note_told_consents(
            member_id=self.member.pk,
            words=[form.word()],
            said_at=form.said_at(now),
            now=now,
            channel=form.cleaned_data["channel"],
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )
        return "" if noted else gettext("That was known already: nothing is noted.")


class Export(PrivacyAction):
    title = _("Copy of the member's data")
    icon = "folder_zip"
    permission_required = "members.export_member"
    statuses = (MemberStatus.ACTIVE, MemberStatus.FROZEN)
    explanation = _(
        "All we know of the member is put together. Only the member gets it, under Privacy after "
        "a code; staff do not."
    )
    done = _("The copy is being made; the member is told when it is there.")

    def perform(self, form: Any) -> None:
        operations.request_export(
            member_id=self.member.pk,
            language=get_language() or "",
            at=timezone.now(),
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )


class Erase(PrivacyAction):
    title = _("Erase the member's data")
    icon = "person_remove"
    permission_required = "members.erase_member"
    form_class = EraseForm
    is_danger = True
    explanation = _(
        "After the waiting period the membership ends, and all that says who the member is goes "
        "for ever. The ledger stays under the member number. Until then it can be taken back."
    )

    def perform(self, form: Any) -> str:
        erasure = operations.request_erasure(
            member_id=self.member.pk,
            at=timezone.now(),
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )
        day = date_format(erasure.due_on, "DATE_FORMAT")
        return gettext("The data are erased early on %(day)s.") % {"day": day}


class KeepData(PrivacyAction):
    title = _("Take the erasure back")
    icon = "restore"
    permission_required = "members.erase_member"
    done = _("Nothing is erased.")

    def perform(self, form: Any) -> None:
        operations.withdraw_erasure(
            member_id=self.member.pk,
            at=timezone.now(),
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )


def offered(erasure: Erasure | None) -> list[type[PrivacyAction]]:
    """What can be done as things stand."""
    if erasure is None:
        return [NoteConsent, Export, Erase]
    return [NoteConsent, Export, KeepData] if erasure.erased_at is None else []


ACTIONS: dict[str, type[MemberAction]] = {
    "consent": NoteConsent,
    "export": Export,
    "erase": Erase,
    "keep-data": KeepData,
}
