"""What staff do with a member's points: each a small form in front of one operation."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localdate, localtime
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError
from common.models import Approval, ApprovalState
from common.staff import acting
from members import masking
from members import queries as members
from members.models import Member, MemberStatus
from members.queries import Identity
from membership.member_actions import MemberAction
from points import approvals, forms, statements
from points import operations as points_operations
from points import queries as points
from points.models import AdjustmentReason, Entry, EntryKind
from points.operations import Posting
from programme import queries as programme
from programme.policies import NEVER

# How many entries a form offers to choose from, latest first.
OFFERED = 50
# A member number in an address.
OTHER_MAX = 20


def identity(of: Member) -> Identity:
    return members.identity(of)


def sent_for_approval(approval: Approval) -> str:
    if approval.state != ApprovalState.PENDING:
        return gettext("This request was decided already: %(state)s.") % {
            "state": approval.get_state_display()
        }
    return gettext("Sent for approval: somebody else decides whether it is done.")


def told(posting: Posting, done: str) -> str:
    """What was done, or that it had been done before, with the balance it left."""
    said = gettext("This was done already; nothing changed.") if posting.replayed else done
    return f"{said} " + gettext("Balance: %(balance)s.") % {"balance": f"{posting.balance_after:,}"}


class PointsAction(MemberAction):
    """Stands with the points, not among the buttons above all pages."""

    is_quiet = True
    # Whether it stands among the buttons of the points. Others stand with an entry.
    is_offered = True
    permission_required = "points.adjust_points"

    @property
    def page(self) -> str:
        return reverse("admin:member-ledger", args=[self.member.number])


class ConfirmedAction(PointsAction):
    """In two steps: the second tells what the first would do."""

    is_confirmed = True

    def form_valid(self, form: Any) -> HttpResponse:
        if "confirmed" in self.request.POST:
            return super().form_valid(form)
        try:
            facts = list(self.facts(form))
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.form_invalid(form)
        return self.render_to_response(self.get_context_data(form=form, facts=facts))

    def facts(self, form: Any) -> Iterable[tuple[Any, Any]]:
        """What it would do, for the second step; raises what stands against it."""
        raise NotImplementedError


class Adjust(MemberAction):
    """In two steps: the second shows what the first would do. Its reference makes it count once."""

    title = _("Adjust points")
    icon = "exposure"
    is_confirmed = True
    permission_required = "points.adjust_points"
    form_class = forms.AdjustForm
    explanation = _(
        "For corrections with a reason. The member sees the points, the reason and the day; "
        "your name stands beside it for staff."
    )

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        spendable = points.spendable_points(self.member.pk, on=localdate())
        return super().get_context_data(spendable=spendable, **context)

    def form_valid(self, form: Any) -> HttpResponse:
        if "confirmed" in self.request.POST:
            return super().form_valid(form)
        return self._preview(form)

    def _preview(self, form: Any) -> HttpResponse:
        adjustment = form.cleaned_data["points"]
        try:
            expires_on = self._last_day() if adjustment > 0 else None
            before, after = points_operations.preview_adjustment(
                member=identity(self.member), points=adjustment, at=timezone.now()
            )
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.form_invalid(form)
        return self.render_to_response(
            self.get_context_data(
                form=form,
                preview={
                    "points": adjustment,
                    "before": before,
                    "after": after,
                    "expires_on": None if expires_on == NEVER else expires_on,
                    "never": expires_on == NEVER,
                    "reason": AdjustmentReason(form.cleaned_data["reason"]).label,
                    "note": form.cleaned_data["note"],
                    "needs_approval": approvals.needs_approval(adjustment, at=timezone.now()),
                },
            )
        )

    def perform(self, form: Any) -> Any:
        made = approvals.adjust_or_ask(
            member=identity(self.member),
            points=form.cleaned_data["points"],
            at=timezone.now(),
            expires_on=self._last_day(),
            reason=AdjustmentReason(form.cleaned_data["reason"]),
            note=form.cleaned_data["note"],
            reference=form.cleaned_data["reference"],
            by=acting(self.request),
        )
        if isinstance(made, Approval):
            return sent_for_approval(made)
        said = (
            gettext("This correction was made already; nothing changed. Balance: %(balance)s.")
            if made.replayed
            else gettext("Corrected. Balance: %(balance)s.")
        )
        return said % {"balance": f"{made.balance_after:,}"}

    def _last_day(self) -> Any:
        today = localdate()
        return programme.rulebook_on(today).policies.validity.last_day(today)


class GiveBack(PointsAction):
    """About one entry of those that can be chosen."""

    form_class = forms.GiveBackForm
    kind: EntryKind
    nothing: Any

    def get_form_kwargs(self) -> dict[str, Any]:
        given_up = points.given_up(self.member.pk, kind=self.kind, limit=OFFERED)
        choices = [(entry.seq, self.choice(entry, left)) for entry, left in given_up]
        return {**super().get_form_kwargs(), "entries": choices}

    def get_initial(self) -> dict[str, Any]:
        return {"entry": self.request.GET.get("entry")}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = super().get_context_data(**context)
        has_choice = bool(found["form"].fields["entry"].choices)
        return found | {"nothing": "" if has_choice else self.nothing}

    def choice(self, entry: Entry, left: int) -> str:
        raise NotImplementedError

    def chosen(self, form: Any) -> Entry:
        return Entry.objects.get(member_id=self.member.pk, seq=form.cleaned_data["entry"])


class CancelRedemption(GiveBack):
    title = _("Cancel a redemption")
    icon = "undo"
    kind = EntryKind.REDEEM
    nothing = _("There is no redemption that could be cancelled.")
    explanation = _(
        "The points go back to where they were taken from, with the last day they had, or a few "
        "weeks from now if that is later."
    )

    def choice(self, entry: Entry, left: int) -> str:
        return gettext("%(day)s, %(document)s, %(points)s points") % {
            "day": date_format(localtime(entry.effective_at), "SHORT_DATETIME_FORMAT"),
            "document": entry.reference or f"#{entry.seq}",
            "points": f"{left:,}",
        }

    def perform(self, form: Any) -> Any:
        posting = points_operations.cancel_redemption(
            of=self.chosen(form),
            points=form.cleaned_data["points"],
            at=timezone.now(),
            reference=form.cleaned_data["reference"],
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )
        return told(posting, gettext("The points are given back."))


class Reinstate(GiveBack):
    title = _("Give back expired points")
    icon = "history"
    kind = EntryKind.EXPIRE
    nothing = _("Nothing has expired that could be given back.")
    explanation = _(
        "As goodwill, and never by one person alone: somebody else has to approve it. The points "
        "can then be used for a few weeks."
    )

    def choice(self, entry: Entry, left: int) -> str:
        return gettext("expired after %(day)s, %(points)s points") % {
            "day": date_format(points.last_day_of(entry), "DATE_FORMAT"),
            "points": f"{left:,}",
        }

    def perform(self, form: Any) -> Any:
        approval = approvals.ask_to_reinstate(
            of=self.chosen(form),
            points=form.cleaned_data["points"],
            at=timezone.now(),
            reference=form.cleaned_data["reference"],
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )
        return sent_for_approval(approval)


class Transfer(ConfirmedAction):
    title = _("Transfer points")
    icon = "move_up"
    permission_required = "points.transfer_points"
    statuses = (MemberStatus.ACTIVE,)
    form_class = forms.TransferForm
    explanation = _(
        "To another member, within the programme's limits. The points keep their last days."
    )

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        spendable = points.spendable_points(self.member.pk, on=localdate())
        return super().get_context_data(spendable=spendable, **context)

    def facts(self, form: Any) -> Iterable[tuple[Any, Any]]:
        wanted = form.cleaned_data["points"]
        points_operations.preview_adjustment(
            member=identity(self.member), points=-wanted, at=timezone.now()
        )
        other = other_member(form)
        yield _("From"), masked(self.member)
        yield _("To"), masked(other)
        yield _("Points"), f"{wanted:,}"
        yield _("Reason"), form.cleaned_data["reason"]

    def perform(self, form: Any) -> Any:
        posting = points_operations.transfer_by_hand(
            giver=identity(self.member),
            receiver=members.identify(form.cleaned_data["other"]),
            points=form.cleaned_data["points"],
            at=timezone.now(),
            reference=form.cleaned_data["reference"],
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )
        return told(posting, gettext("The points are transferred."))


def other_member(form: Any) -> Member:
    """:raises UnknownMember: if nobody has that number"""
    return Member.objects.get(pk=members.identify(form.cleaned_data["other"]).id)


def masked(of: Member) -> str:
    return f"{masking.name(of.name)} {of.number}".strip()


class ReleaseHold(PointsAction):
    """About one hold, whose link names it."""

    title = _("Release a hold")
    icon = "lock_open"
    form_class = forms.EntryForm
    is_offered = False
    explanation = _("For what a till has set aside and will not spend any more.")

    def get_form_kwargs(self) -> dict[str, Any]:
        holds = statements.on_account(self.member.pk).holds
        choices = [
            (
                hold.seq,
                ngettext(
                    "%(points)s point, until %(at)s", "%(points)s points, until %(at)s", hold.points
                )
                % {
                    "points": f"{hold.points:,}",
                    "at": date_format(localtime(hold.until), "SHORT_DATETIME_FORMAT"),
                },
            )
            for hold in holds
        ]
        return {**super().get_form_kwargs(), "entries": choices}

    def get_initial(self) -> dict[str, Any]:
        return {"entry": self.request.GET.get("entry")}

    def perform(self, form: Any) -> Any:
        held = Entry.objects.get(member_id=self.member.pk, seq=form.cleaned_data["entry"])
        ended = points_operations.release_by_hand(
            held=held,
            at=timezone.now(),
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )
        return gettext("The points came back. Balance: %(balance)s.") % {
            "balance": f"{ended.balance_after:,}"
        }


class Extend(PointsAction):
    title = _("Extend points")
    icon = "event_repeat"
    form_class = forms.ExtendForm
    explanation = _("As goodwill: these points can be used until a later day.")

    def get_form_kwargs(self) -> dict[str, Any]:
        lots = points.lots(self.member.pk, on=localdate()).exclude(expires_on=NEVER)[:OFFERED]
        choices = [
            (
                lot.seq,
                ngettext(
                    "%(entry)s: %(points)s point, last day %(day)s",
                    "%(entry)s: %(points)s points, last day %(day)s",
                    lot.remaining,
                )
                % {
                    "points": f"{lot.remaining:,}",
                    "day": date_format(lot.expires_on, "DATE_FORMAT"),
                    "entry": f"#{lot.seq}",
                },
            )
            for lot in lots
        ]
        return {**super().get_form_kwargs(), "lots": choices}

    def perform(self, form: Any) -> Any:
        posting = points_operations.extend_by_hand(
            member=identity(self.member),
            lots=form.cleaned_data["lots"],
            last_day=form.cleaned_data["last_day"],
            at=timezone.now(),
            reference=form.cleaned_data["reference"],
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )
        return told(posting, gettext("The last day is moved."))


ACTIONS: dict[str, type[MemberAction]] = {
    "adjust": Adjust,
    "cancel-redemption": CancelRedemption,
    "reinstate": Reinstate,
    "extend": Extend,
    "transfer": Transfer,
    "release": ReleaseHold,
}
