"""The page of one member in the console, and the buttons on it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.timezone import localdate
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, TemplateView

from common.errors import DomainError
from common.forms import ReasonForm
from common.models import AuditRecord
from members import operations, phones
from members.admin import STATUS_LABELS
from members.forms import CloseForm, ProfileForm
from members.models import Member, MemberStatus
from members.queries import Identity
from membership.console import ConsolePage
from partners import queries as partners
from points import operations as points_operations
from points import queries as points
from points import statements
from points.forms import AdjustForm, DayForm
from points.models import AdjustmentReason, Entry, Lot
from programme import queries as programme
from programme.policies import NEVER

LATEST_ENTRIES = 10
ENTRIES_A_PAGE = 50
LOTS_SHOWN = 50
RECORDS_SHOWN = 50


# --- What the pages show ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Holding:
    """A member's points today, from the account and its open lots."""

    balance: int
    spendable: int
    lots: list[Lot]

    @property
    def debt(self) -> int:
        return max(0, -self.balance)

    @property
    def expiring(self) -> Lot | None:
        """The lot that lapses first, if any ever does."""
        return next((lot for lot in self.lots if lot.expires_on != NEVER), None)

    @property
    def expiring_points(self) -> int:
        """All that lapses on that day."""
        soonest = self.expiring
        same_day = (lot for lot in self.lots if soonest and lot.expires_on == soonest.expires_on)
        return sum(lot.remaining for lot in same_day)


def holding(member: Member) -> Holding:
    """:param member: with `account` selected"""
    today = localdate()
    account = getattr(member, "account", None)
    open_lots = list(Lot.objects.filter(member=member).order_by("expires_on", "seq"))
    live = [lot for lot in open_lots if lot.expires_on >= today]
    return Holding(account.balance if account else 0, sum(lot.remaining for lot in live), live)


@dataclass(frozen=True, slots=True)
class LotRow:
    entry: str
    points: int
    remaining: int
    percent: int
    expires_on: Any


def lot_rows(member: Member, lots: Iterable[Lot]) -> list[LotRow]:
    return [
        LotRow(
            entry=f"{member.number}-{lot.seq}",
            points=lot.points,
            remaining=lot.remaining,
            percent=max(1, 100 * lot.remaining // lot.points),
            expires_on=None if lot.expires_on == NEVER else lot.expires_on,
        )
        for lot in lots
    ]


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A line of the statement as the member reads it, and what only staff see of it."""

    name: str
    member_number: str
    line: statements.Line
    activity_id: int | None
    facts: list[tuple[str, str]] = field(default_factory=list)


def entry_rows(entries: Iterable[Entry], *, currency: str) -> list[EntryRow]:
    """:param entries: with everything `with_origin` selects"""
    return [
        EntryRow(
            name=f"{entry.member.number}-{entry.seq}",
            member_number=entry.member.number,
            line=statements.explain(entry, currency=currency),
            activity_id=entry.activity_id,
            facts=list(_facts(entry)),
        )
        for entry in entries
    ]


def with_origin(entries: QuerySet[Entry]) -> QuerySet[Entry]:
    return entries.select_related(
        "member", "store", "activity", "actor", "issuer", "client", "version"
    )


def _facts(entry: Entry) -> Iterable[tuple[str, str]]:
    yield gettext("Entry"), f"{entry.member.number}-{entry.seq}"
    yield gettext("Recorded at"), date_format(timezone.localtime(entry.recorded_at), "DATETIME_FORMAT")
    if entry.reference:
        yield gettext("Reference"), f"{entry.issuer} · {entry.reference}"
    if entry.store:
        yield gettext("Store"), f"{entry.store.code} {entry.store.name}"
    if entry.client:
        yield gettext("API client"), str(entry.client)
    if entry.version:
        yield gettext("Rulebook version"), str(entry.version)
    if entry.type:
        yield gettext("Type of points"), entry.get_type_display()
    if entry.actor:
        yield gettext("By"), entry.actor.get_username()
    if entry.note:
        yield gettext("Note"), entry.note
    if entry.reverses:
        yield gettext("Takes back"), f"{entry.member.number}-{entry.reverses}"
    if entry.lot_seq:
        shares = zip(entry.lot_seq, entry.lot_points or (), strict=True)
        taken = ", ".join(f"{entry.member.number}-{seq}: {points:,}" for seq, points in shares)
        yield gettext("Taken from the lots of"), taken


# --- Pages ------------------------------------------------------------------------------------------


class MemberPage(ConsolePage, TemplateView):
    """Profile, points and the latest entries."""

    template_name = "console/member/overview.html"
    permission_required = "members.view_member"
    tab = "overview"

    @cached_property
    def member(self) -> Member:
        members = Member.objects.select_related("enrolling_store", "account")
        return get_object_or_404(members, number=self.kwargs["number"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        member = self.member
        return super().get_context_data(
            member=member,
            title=f"{member.name} {member.number}".strip(),
            status_variant=STATUS_LABELS[MemberStatus(member.status).label],
            tabs=self._tabs(),
            tab=self.tab,
            buttons=list(self._buttons()),
            **context,
            **self.content(),
        )

    def content(self) -> dict[str, Any]:
        member = self.member
        found: dict[str, Any] = {
            "phone": phones.masked(member.phone),
            "email": masked_email(member.email),
            "id_number": masked_tail(member.id_number),
            "products": member.products.order_by("-pk"),
            "external_numbers": member.external_numbers.select_related("organization"),
            "may_reveal": self.request.user.has_perm("members.reveal_personal_data"),
        }
        if not self.request.user.has_perm("points.view_entry"):
            return found
        held = holding(member)
        entries = with_origin(Entry.objects.filter(member=member)).newest_first()
        return found | {
            "holding": held,
            "lots": lot_rows(member, held.lots[:5]),
            "more_lots": max(0, len(held.lots) - 5),
            "entries": entry_rows(entries[:LATEST_ENTRIES], currency=currency()),
        }

    def _tabs(self) -> list[tuple[str, str, str]]:
        number, may = self.member.number, self.request.user.has_perm
        tabs = [("overview", gettext("Overview"), reverse("admin:member", args=[number]))]
        if may("points.view_entry"):
            page = reverse("admin:member-ledger", args=[number])
            tabs.append(("ledger", gettext("Points and entries"), page))
        if may("common.view_auditrecord") or may("members.change_member"):
            tabs.append(("records", gettext("Records"), reverse("admin:member-records", args=[number])))
        return tabs

    def _buttons(self) -> Iterable[tuple[Any, str, str]]:
        for name, (_route, view) in URLS.items():
            if not issubclass(view, MemberAction) or view.is_quiet:
                continue
            allowed = self.request.user.has_perm(view.permission_required)
            if allowed and self.member.status in view.statuses:
                page = reverse(f"admin:{name}", args=[self.member.number])
                yield view.title, view.icon, page


class LedgerPage(MemberPage):
    """All open lots, all entries and the balance as of a day."""

    template_name = "console/member/ledger.html"
    permission_required = ("members.view_member", "points.view_entry")
    tab = "ledger"

    def content(self) -> dict[str, Any]:
        held = holding(self.member)
        form = DayForm(self.request.GET or None if "day" in self.request.GET else None)
        entries = with_origin(Entry.objects.filter(member=self.member)).newest_first()
        before = self.request.GET.get("before", "")
        if before.isascii() and before.isdigit() and len(before) < 10:
            entries = entries.filter(seq__lt=int(before))
        found = list(entries[: ENTRIES_A_PAGE + 1])
        as_of = None
        if form.is_bound and form.is_valid():
            as_of = points.balance_as_of(self.member.pk, form.cleaned_data["day"])
        return {
            "holding": held,
            "lots": lot_rows(self.member, held.lots[:LOTS_SHOWN]),
            "more_lots": max(0, len(held.lots) - LOTS_SHOWN),
            "entries": entry_rows(found[:ENTRIES_A_PAGE], currency=currency()),
            "next_before": found[ENTRIES_A_PAGE - 1].seq if len(found) > ENTRIES_A_PAGE else None,
            "before": before,
            "form": form,
            "as_of": as_of,
            "today": localdate(),
        }


class RecordsPage(MemberPage):
    """What was done to the member by staff, and how the profile changed."""

    template_name = "console/member/records.html"
    tab = "records"

    def has_permission(self) -> bool:
        may = self.request.user.has_perm
        sees_records = may("common.view_auditrecord") or may("members.change_member")
        return sees_records and super().has_permission()

    def content(self) -> dict[str, Any]:
        records = AuditRecord.objects.filter(target=self.member.number).select_related("actor")
        versions = list(
            self.member.history.select_related("history_user", "enrolling_store")[:RECORDS_SHOWN]
        )
        return {
            "records": records.order_by("-pk")[:RECORDS_SHOWN],
            "changes": list(_profile_changes(versions)),
        }


HISTORY_FIELDS = ["status", "name", "sex", "birthday", "phone", "email", "id_number", "province", "city"]


def _profile_changes(versions: list[Any]) -> Iterable[dict[str, Any]]:
    """Each change of the profile, newest first; personal data are masked here as everywhere."""
    for newer, older in zip(versions, [*versions[1:], None], strict=True):
        fields = [
            (Member._meta.get_field(name).verbose_name, _shown(older, name), _shown(newer, name))
            for name in HISTORY_FIELDS
            if older is not None and getattr(older, name) != getattr(newer, name)
        ]
        if fields or newer.history_type == "+":
            yield {
                "at": newer.history_date,
                "by": newer.history_user,
                "is_first": newer.history_type == "+",
                "fields": fields,
            }


def _shown(version: Any, name: str) -> str:
    value = getattr(version, name)
    if name == "phone":
        return phones.masked(value) or "–"
    if name == "email":
        return masked_email(value) or "–"
    if name == "id_number":
        return masked_tail(value) or "–"
    if name in ("status", "sex"):
        return getattr(version, f"get_{name}_display")() or "–"
    return str(value or "–")


def masked_email(email: str) -> str:
    """wang@example.com → w***@example.com"""
    user, at, domain = email.partition("@")
    return f"{user[:1]}***{at}{domain}" if email else ""


def masked_tail(text: str) -> str:
    return f"***{text[-4:]}" if text else ""


def currency() -> str:
    installed = programme.programme()
    return installed.currency if installed else "CNY"


# --- Buttons ----------------------------------------------------------------------------------------


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
    # Offered beside what it is about, not among the buttons.
    is_quiet = False

    @cached_property
    def member(self) -> Member:
        members = Member.objects.select_related("account")
        return get_object_or_404(members, number=self.kwargs["number"])

    @property
    def page(self) -> str:
        return reverse("admin:member", args=[self.member.number])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        defaults = {
            "member": self.member,
            "explanation": self.explanation,
            "is_danger": self.is_danger,
            "back": self.page,
            "phone": phones.masked(self.member.phone),
            "email": masked_email(self.member.email),
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


class Adjust(MemberAction):
    """In two steps: the second shows what the first would do. Its reference makes it count once."""

    title = _("Adjust points")
    icon = "exposure"
    permission_required = "points.adjust_points"
    form_class = AdjustForm
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
        account = getattr(self.member, "account", None)
        balance = account.balance if account else 0
        try:
            expires_on = self._last_day() if adjustment > 0 else None
            spendable = points.spendable_points(self.member.pk, on=localdate())
            if -adjustment > spendable:
                raise points_operations.InsufficientPoints(
                    requested=-adjustment, spendable=spendable
                )
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.form_invalid(form)
        return self.render_to_response(
            self.get_context_data(
                form=form,
                preview={
                    "points": adjustment,
                    "before": balance,
                    "after": balance + adjustment,
                    "expires_on": None if expires_on == NEVER else expires_on,
                    "never": expires_on == NEVER,
                    "reason": AdjustmentReason(form.cleaned_data["reason"]).label,
                    "note": form.cleaned_data["note"],
                },
            )
        )

    def perform(self, form: Any) -> Any:
        member = self.member
        brand = partners.brand()
        assert brand is not None, "every installation has its brand (partners/migrations/0002)"
        posting = points_operations.adjust(
            member=Identity(member.pk, member.number, member.status),
            points=form.cleaned_data["points"],
            at=timezone.now(),
            expires_on=self._last_day(),
            reason=AdjustmentReason(form.cleaned_data["reason"]),
            note=form.cleaned_data["note"],
            reference=form.cleaned_data["reference"],
            issuer_id=brand.pk,
            by=self.request.user,
        )
        said = (
            gettext("This correction was made already; nothing changed. Balance: %(balance)s.")
            if posting.replayed
            else gettext("Corrected. Balance: %(balance)s.")
        )
        return said % {"balance": f"{posting.balance_after:,}"}

    def _last_day(self) -> Any:
        today = localdate()
        return programme.rulebook_on(today).policies.validity.last_day(today)


class EditProfile(MemberAction):
    title = _("Correct profile")
    icon = "edit"
    permission_required = "members.change_member"
    form_class = ProfileForm
    done = _("The profile is corrected.")

    def get_initial(self) -> dict[str, Any]:
        return ProfileForm.initial_of(self.member)

    def perform(self, form: Any) -> None:
        operations.update_profile(
            member_id=self.member.pk,
            changes=form.changes(),
            at=timezone.now(),
            by=self.request.user,
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
            by=self.request.user,
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
            member_id=self.member.pk, by=self.request.user, reason=form.cleaned_data["reason"]
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
            member_id=self.member.pk, by=self.request.user, reason=form.cleaned_data["reason"]
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
            by=self.request.user,
            reason=form.cleaned_data["reason"],
        )


class Reveal(MemberAction):
    """Shows personal data in full in the answer to the form, and nowhere else."""

    title = _("Show personal data")
    icon = "visibility"
    permission_required = "members.reveal_personal_data"
    statuses = tuple(MemberStatus.values)
    explanation = _("Phone, e-mail and ID number are shown once. Each look is recorded with its reason.")
    is_quiet = True

    def form_valid(self, form: Any) -> HttpResponse:
        revealed = operations.reveal(
            member_id=self.member.pk, by=self.request.user, reason=form.cleaned_data["reason"]
        )
        return self.render_to_response(self.get_context_data(form=form, revealed=revealed))


URLS: dict[str, tuple[str, Any]] = {
    "member": ("member/<str:number>/", MemberPage),
    "member-ledger": ("member/<str:number>/ledger/", LedgerPage),
    "member-records": ("member/<str:number>/records/", RecordsPage),
    "member-adjust": ("member/<str:number>/adjust/", Adjust),
    "member-profile": ("member/<str:number>/profile/", EditProfile),
    "member-activate": ("member/<str:number>/activate/", Activate),
    "member-freeze": ("member/<str:number>/freeze/", Freeze),
    "member-unfreeze": ("member/<str:number>/unfreeze/", Unfreeze),
    "member-close": ("member/<str:number>/close/", Close),
    "member-reveal": ("member/<str:number>/reveal/", Reveal),
}
