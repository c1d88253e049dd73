"""The buttons on a member's page: each a small form with a reason in front of one operation."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView

from common.errors import DomainError
from common.forms import ReasonForm
from common.staff import acting
from members import attributes, masking, operations, phones, queries
from members.forms import CloseForm, ProfileForm, TagsForm
from members.models import Attribute, Member, MemberStatus
from members.numbers import is_member_number
from membership.console import ConsolePage


def member_or_404(number: str, **also: Any) -> Member:
    """
    The member of an address, with the store, the account, and whom the member was joined with.

    :param also: annotations
    """
    if not is_member_number(number):
        raise Http404
    found = Member.objects.select_related("enrolling_store", "account", "merged_into")
    return get_object_or_404(found.annotate(**also), number=number)


class MemberAction(ConsolePage, FormView):
    """A small form with a reason in front of one operation."""

    template_name = "console/member/action.html"
    form_class: type[forms.Form] = ReasonForm
    permission_required: str
    # Those of a member to whom it can be done.
    statuses: tuple[str, ...] = (
        MemberStatus.PRE_REGISTERED,
        MemberStatus.ACTIVE,
        MemberStatus.FROZEN,
    )
    icon = "edit"
    explanation: Any = ""
    done: Any = ""
    is_danger = False
    # A second step shows what the first would do.
    is_confirmed = False
    # Offered beside what it is about, not among the buttons.
    is_quiet = False

    @classmethod
    def fits(cls, member: Member) -> bool:
        """Whether it is offered with a member."""
        return member.status in cls.statuses

    @cached_property
    def member(self) -> Member:
        return member_or_404(self.kwargs["number"])

    @property
    def page(self) -> str:
        return reverse("admin:member", args=[self.member.number])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        defaults = {
            "member": self.member,
            "explanation": self.explanation,
            "is_danger": self.is_danger,
            "is_confirmed": self.is_confirmed,
            "back": self.page,
            "phone": phones.masked(self.member.phone),
            "email": masking.email(self.member.email),
        }
        return super().get_context_data(**{**defaults, **context})

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            said = self.perform(form)
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.form_invalid(form)
        messages.success(self.request, str(said or self.done))
        return HttpResponseRedirect(self.page)

    def perform(self, form: Any) -> Any:
        """Call the operation. What it returns, if anything, is told in place of `done`."""
        raise NotImplementedError


class EditProfile(MemberAction):
    title = _("Correct profile")
    icon = "edit"
    permission_required = "members.change_member"
    form_class = ProfileForm
    done = _("The profile is corrected.")

    @cached_property
    def asked(self) -> list[Attribute]:
        """The attributes this login may see and so correct."""
        sees_all = self.request.user.has_perm("members.reveal_personal_data")
        return [each for each in attributes.defined().values() if sees_all or not each.is_personal]

    def get_initial(self) -> dict[str, Any]:
        return ProfileForm.initial_of(self.member, self.asked)

    def get_form_kwargs(self) -> dict[str, Any]:
        known = {"known": self.member.attributes, "asked": self.asked}
        return {**super().get_form_kwargs(), **known}

    def perform(self, form: Any) -> None:
        operations.update_profile(
            member_id=self.member.pk,
            changes=form.changes(),
            at=timezone.now(),
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )


class EditTags(MemberAction):
    title = _("Edit tags")
    icon = "label"
    permission_required = "members.change_member"
    form_class = TagsForm
    done = _("The tags are saved.")
    is_quiet = True

    def get_initial(self) -> dict[str, Any]:
        return {"tags": "，".join(queries.tags_of(self.member.pk))}

    def perform(self, form: Any) -> None:
        operations.set_tags(
            member_id=self.member.pk,
            names=form.cleaned_data["tags"],
            at=timezone.now(),
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )


class Activate(MemberAction):
    title = _("Activate")
    icon = "how_to_reg"
    permission_required = "members.activate_member"
    statuses = (MemberStatus.PRE_REGISTERED,)
    explanation = _("The member can log in and spend points from now on.")
    done = _("The member is active.")

    def perform(self, form: Any) -> None:
        operations.activate(
            member_id=self.member.pk,
            activated_at=timezone.now(),
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )


class Freeze(MemberAction):
    title = _("Freeze")
    icon = "ac_unit"
    permission_required = "members.freeze_member"
    statuses = (MemberStatus.ACTIVE,)
    explanation = _(
        "A frozen member earns and spends nothing until unfrozen. The points stay, and lapse on "
        "their last day as always."
    )
    done = _("The member is frozen.")

    def perform(self, form: Any) -> None:
        operations.freeze(
            member_id=self.member.pk, by=acting(self.request), reason=form.cleaned_data["reason"]
        )


class Unfreeze(MemberAction):
    title = _("Unfreeze")
    icon = "sunny"
    permission_required = "members.freeze_member"
    statuses = (MemberStatus.FROZEN,)
    explanation = _("The member can earn and spend points again. Nothing is made up for.")
    done = _("The member is active again.")

    def perform(self, form: Any) -> None:
        operations.unfreeze(
            member_id=self.member.pk, by=acting(self.request), reason=form.cleaned_data["reason"]
        )


class ReleaseSpending(MemberAction):
    title = _("Let points be spent")
    icon = "lock_open"
    permission_required = "members.unstop_member"
    statuses = (MemberStatus.ACTIVE, MemberStatus.FROZEN)
    explanation = _(
        "The phone number was changed lately, so no points leave the account for some hours. Let "
        "them be spent at once only if you are sure that the member has the new number."
    )
    done = _("The points can be spent.")

    @classmethod
    def fits(cls, member: Member) -> bool:
        return super().fits(member) and bool(
            queries.spending_stopped_until(member, at=timezone.now())
        )

    def perform(self, form: Any) -> None:
        operations.release_spending(
            member_id=self.member.pk,
            at=timezone.now(),
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )


class Close(MemberAction):
    title = _("End membership")
    icon = "person_off"
    permission_required = "members.close_member"
    form_class = CloseForm
    is_danger = True
    explanation = _(
        "This cannot be undone. All points are forfeited within a minute, a debt stays on the "
        "books, the member can no longer log in, and the phone number becomes free for another "
        "membership."
    )
    done = _("The membership has ended.")

    def perform(self, form: Any) -> None:
        operations.close(
            member_id=self.member.pk,
            closed_at=timezone.now(),
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )


class Reveal(MemberAction):
    """Shows personal data in full in the answer to the form, and nowhere else."""

    title = _("Show personal data")
    icon = "visibility"
    permission_required = "members.reveal_personal_data"
    statuses = tuple(MemberStatus.values)
    explanation = _(
        "Phone, e-mail, ID number, products and personal attributes are shown once. Each look is "
        "recorded with its reason."
    )
    is_quiet = True

    def form_valid(self, form: Any) -> HttpResponse:
        revealed = operations.reveal(
            member_id=self.member.pk, by=acting(self.request), reason=form.cleaned_data["reason"]
        )
        return self.render_to_response(self.get_context_data(form=form, revealed=revealed))


ACTIONS: dict[str, type[MemberAction]] = {
    "profile": EditProfile,
    "tags": EditTags,
    "activate": Activate,
    "freeze": Freeze,
    "unfreeze": Unfreeze,
    "release-spending": ReleaseSpending,
    "close": Close,
    "reveal": Reveal,
}
