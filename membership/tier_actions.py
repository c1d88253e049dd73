"""What staff do with a member's tier. A tier by hand and more time need a second person."""

from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common.forms import ReasonForm
from common.staff import acting
from membership.member_actions import MemberAction
from membership.points_actions import identity, sent_for_approval
from membership.tier_forms import ExtendTierForm, SetTierForm
from tiers import approvals, operations, queries


class TierAction(MemberAction):
    """Stands with the tier, not among the buttons above all pages."""

    is_quiet = True
    permission_required = "tiers.set_tier"

    @property
    def page(self) -> str:
        return reverse("admin:member-tier", args=[self.member.number])


class SetTier(TierAction):
    title = _("Give a tier by hand")
    icon = "military_tech"
    form_class = SetTierForm
    explanation = _(
        "Somebody else has to approve it. What the member earns goes on beneath it, and shows "
        "again when it ends."
    )

    def get_form_kwargs(self) -> dict[str, Any]:
        today = localdate()
        stand = queries.standing(self.member.pk, today)
        above = queries.ladder_on(today).above(stand.earned) if stand else ()
        # A tier by hand can be replaced by any above the earned one.
        levels = [(level.code, level.name) for level in reversed(above)]
        return {**super().get_form_kwargs(), "levels": levels}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = super().get_context_data(**context)
        has_choice = bool(found["form"].fields["level"].choices)
        return found | {"nothing": "" if has_choice else _("There is no higher tier.")}

    def perform(self, form: Any) -> Any:
        approval = approvals.ask_for_manual(
            member=identity(self.member),
            level=form.cleaned_data["level"],
            until=form.cleaned_data["until"],
            reason=form.cleaned_data["reason"],
            reference=form.cleaned_data["reference"],
            at=timezone.now(),
            by=acting(self.request),
        )
        return sent_for_approval(approval)


class ExtendTier(TierAction):
    title = _("Extend the tier")
    icon = "event_repeat"
    form_class = ExtendTierForm
    explanation = _("The earned tier lasts until a later day. Somebody else has to approve it.")

    def perform(self, form: Any) -> Any:
        approval = approvals.ask_to_extend(
            member=identity(self.member),
            until=form.cleaned_data["until"],
            reason=form.cleaned_data["reason"],
            reference=form.cleaned_data["reference"],
            at=timezone.now(),
            by=acting(self.request),
        )
        return sent_for_approval(approval)


class EndTier(TierAction):
    title = _("End the tier by hand")
    icon = "undo"
    form_class = ReasonForm
    is_danger = True
    explanation = _("From today on the tier the member has earned counts.")
    done = _("The tier by hand has ended.")

    def perform(self, form: Any) -> None:
        operations.end_manual(
            member=identity(self.member),
            reason=form.cleaned_data["reason"],
            at=timezone.now(),
            by=acting(self.request),
        )


ACTIONS: dict[str, type[MemberAction]] = {
    "set-tier": SetTier,
    "extend-tier": ExtendTier,
    "end-tier": EndTier,
}
