"""The page of one member in the console: what staff may know of them and of their points."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet
from django.db.models.functions import JSONObject
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.timezone import localdate
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView

from common.models import AuditRecord
from members import attributes, consents, groups, masking, phones
from members import queries as members
from members.admin import STATUS_LABELS
from members.models import ExternalNumber, GroupKind, GroupRole, Member, MemberStatus
from membership import (
    group_actions,
    member_actions,
    merge_actions,
    points_actions,
    privacy_actions,
    product_actions,
    right_actions,
    tier_actions,
)
from membership.console import ConsolePage
from membership.member_actions import EditTags, MemberAction, member_or_404
from messaging import queries as messaging
from messaging import wordings
from messaging.admin import STATE_LABELS as DELIVERY_LABELS
from messaging.models import DeliveryState, Message
from messaging.templates import Text
from points import queries as points
from points import statements
from points.forms import DayForm
from points.models import Entry
from programme import queries as programme
from programme.policies import NEVER

POINTS_ACTIONS = [
    view
    for view in points_actions.ACTIONS.values()
    if issubclass(view, points_actions.PointsAction)
]
ACTIONS: dict[str, type[MemberAction]] = (
    points_actions.ACTIONS
    | tier_actions.ACTIONS
    | right_actions.ACTIONS
    | product_actions.ACTIONS
    | group_actions.ACTIONS
    | member_actions.ACTIONS
    | merge_actions.ACTIONS
    | privacy_actions.ACTIONS
)
LATEST_ENTRIES = 10
ENTRIES_A_PAGE = 50
LOTS_SHOWN = 50
RECORDS_SHOWN = 50
MESSAGES_A_PAGE = 50


@dataclass(frozen=True, slots=True)
class Holding:
    """A member's points today: what can be spent, and what waits or is held beside it."""

    account: statements.OnAccount
    lots: list[statements.OpenLot]

    @property
    def balance(self) -> int:
        return self.account.balance

    @property
    def spendable(self) -> int:
        return sum(lot.remaining for lot in self.lots)

    @property
    def debt(self) -> int:
        return max(0, -self.balance)

    @property
    def aside(self) -> list[str]:
        return statements.aside(self.account)

    @property
    def expiring(self) -> statements.OpenLot | None:
        """The lot that lapses first, if any ever does."""
        return next((lot for lot in self.lots if lot.expires_on != NEVER), None)

    @property
    def expiring_points(self) -> int:
        """All that lapses on that day."""
        soonest = self.expiring
        same_day = (lot for lot in self.lots if soonest and lot.expires_on == soonest.expires_on)
        return sum(lot.remaining for lot in same_day)


def holding(member: Member) -> Holding:
    """In one query."""
    today = localdate()
    account = statements.on_account(member.pk, lots=True)
    return Holding(account, [lot for lot in account.lots if lot.expires_on >= today])


@dataclass(frozen=True, slots=True)
class LotRow:
    entry: str
    seq: int
    points: int
    remaining: int
    percent: int
    expires_on: Any


def lot_rows(member: Member, lots: Iterable[statements.OpenLot]) -> list[LotRow]:
    return [
        LotRow(
            entry=f"{member.number}-{lot.seq}",
            seq=lot.seq,
            points=lot.credit,
            remaining=lot.remaining,
            percent=max(1, 100 * lot.remaining // lot.credit),
            expires_on=None if lot.expires_on == NEVER else lot.expires_on,
        )
        for lot in lots
    ]


@dataclass(frozen=True, slots=True)
class AsideRow:
    """Points that wait or that a till holds. `release`: where a hold can be given back."""

    entry: str
    seq: int
    points: int
    line: str
    until: str
    release: str = ""


def aside_rows(
    member: Member, account: statements.OnAccount, *, may_release: bool
) -> list[AsideRow]:
    def row(of: statements.Waiting | statements.OpenHold, until: str, **more: str) -> AsideRow:
        line = of.line if isinstance(of, statements.Waiting) else ""
        return AsideRow(f"{member.number}-{of.seq}", of.seq, of.points, line, until, **more)

    release = reverse("admin:member-release", args=[member.number]) if may_release else ""
    waiting = [
        row(
            each,
            date_format(each.vests_on, "DATE_FORMAT") if each.vests_on else gettext("confirmed"),
        )
        for each in account.waiting
    ]
    holds = [
        row(
            hold,
            date_format(timezone.localtime(hold.until), "SHORT_DATETIME_FORMAT"),
            release=f"{release}?entry={hold.seq}" if release else "",
        )
        for hold in account.holds
    ]
    return [*holds, *waiting]


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A line of the statement as the member reads it, and what only staff see of it."""

    name: str
    member_number: str
    line: statements.Line
    activity_id: int | None
    facts: list[tuple[str, str]] = field(default_factory=list)
    # What it did to which lots.
    lots: str = ""


def entry_rows(
    entries: Sequence[Entry],
    *,
    told: statements.Around | None = None,
    may_see_members: bool = True,
) -> list[EntryRow]:
    """
    :param entries: with everything `with_origin` selects
    :param told: what `statements.around` read, if that was done already
    """
    told = told or statements.around(entries)
    reader = statements.Reader(currency=currency(), is_staff=may_see_members)
    return [
        EntryRow(
            name=f"{entry.member.number}-{entry.seq}",
            member_number=entry.member.number,
            line=statements.explain(entry, told, reader),
            activity_id=entry.activity_id,
            facts=list(_facts(entry, told)),
            lots=_lots(entry),
        )
        for entry in entries
    ]


def with_origin(entries: QuerySet[Entry]) -> QuerySet[Entry]:
    return entries.select_related(
        "member", "store", "activity", "actor", "issuer", "client", "version", "counterpart"
    )


def _facts(entry: Entry, told: statements.Around) -> Iterable[tuple[str, str]]:
    number = entry.member.number
    yield (
        gettext("Recorded at"),
        date_format(timezone.localtime(entry.recorded_at), "DATETIME_FORMAT"),
    )
    if entry.reference:
        yield gettext("Reference"), f"{entry.issuer} · {entry.reference}"
    if entry.line:
        yield gettext("Line of the document"), entry.line
    if entry.store:
        yield gettext("Store"), f"{entry.store.code} {entry.store.name}"
    if entry.client:
        yield gettext("API client"), str(entry.client)
    if entry.version:
        yield gettext("Rulebook version"), str(entry.version)
    if entry.type:
        yield gettext("Type of points"), entry.get_type_display()
    if entry.qualifying:
        yield gettext("Tier points"), f"{entry.qualifying:+,}"
    if entry.actor:
        yield gettext("By"), entry.actor.get_username()
    if entry.note:
        yield gettext("Note"), entry.note
    if entry.reverses:
        yield gettext("About the entry"), f"{number}-{entry.reverses}"
    if other := told.other(entry):
        seq = f"-{entry.counterpart_seq}" if entry.counterpart_seq else ""
        yield gettext("The other member"), f"{other.number}{seq}"


def _lots(entry: Entry) -> str:
    """“M0000000018-3: -40 (2027-06-30)”"""
    lots = zip(entry.lot_seq or (), entry.lot_points or (), entry.lot_expires_on or (), strict=True)
    return ", ".join(
        f"{entry.member.number}-{seq}: {count:+,}"
        + ("" if expires_on == NEVER else f" ({expires_on.isoformat()})")
        for seq, count, expires_on in lots
    )


class MemberPage(ConsolePage, TemplateView):
    """Profile, points and the latest entries."""

    template_name = "console/member/overview.html"
    permission_required: str | tuple[str, ...] = "members.view_member"
    tab = "overview"

    @cached_property
    def member(self) -> Any:
        """
        With `external`, the numbers other organizations know the member by, `tag_names`,
        `joined`, the numbers of those who were joined with the member, and `places_now`, the
        family and the company.
        """
        known_as = ExternalNumber.objects.filter(member_id=OuterRef("pk")).order_by("pk")
        joined = Member.objects.filter(merged_into=OuterRef("pk")).order_by("pk")
        told = known_as.values(told=JSONObject(by="organization__name", number="number"))
        places = groups.places_of(OuterRef("pk")).values(
            told=JSONObject(
                group="group_id", name="group__name", kind="kind", role="role", shares="shares"
            )
        )
        return member_or_404(
            self.kwargs["number"],
            external=ArraySubquery(told),
            tag_names=ArraySubquery(members.tags_of(OuterRef("pk"))),
            joined=ArraySubquery(joined.values("number")),
            places_now=ArraySubquery(places),
        )

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        member = self.member
        return super().get_context_data(
            member=member,
            title=f"{member.name} {member.number}".strip(),
            status_variant=STATUS_LABELS[MemberStatus(member.status)],
            tabs=self._tabs(),
            tab=self.tab,
            buttons=list(self._buttons()),
            ledger_url=reverse("admin:member-ledger", args=[member.number]),
            merged_into=self._merged_into(),
            **context,
            **self.content(),
        )

    def _merged_into(self) -> str:
        """The number of the member this one was joined with."""
        return self.member.merged_into.number if self.member.merged_into else ""

    def content(self) -> dict[str, Any]:
        member = self.member
        found: dict[str, Any] = {
            "phone": phones.masked(member.phone),
            "email": masking.email(member.email),
            "id_number": masking.tail(member.id_number),
            "attributes": self._attributes(),
            "tags": member.tag_names,
            "tags_page": next((page for *_told, page in self._offered([EditTags])), ""),
            "products": [
                (each, masking.product(each.identifier)) for each in member.products.order_by("-pk")
            ],
            "product_actions": self._offered(product_actions.ACTIONS.values()),
            "places": [
                place
                | {"kind": GroupKind(place["kind"]).label, "role": GroupRole(place["role"]).label}
                for place in member.places_now
            ],
            "group_actions": self._offered(group_actions.ACTIONS.values()),
            "external_numbers": member.external,
            "may_reveal": self.request.user.has_perm("members.reveal_personal_data"),
        }
        if not self.request.user.has_perm("points.view_entry"):
            return found
        held = holding(member)
        newest = with_origin(Entry.objects.filter(member=member)).order_by("-seq")
        entries = list(newest[:LATEST_ENTRIES])
        told = statements.around(entries, accounts=[held.account], announcements=False)
        return found | {
            "holding": held,
            "lots": lot_rows(member, held.lots[:5]),
            "more_lots": max(0, len(held.lots) - 5),
            "entries": entry_rows(entries, told=told),
        }

    def _attributes(self) -> list[tuple[str, Any]]:
        """What the brand asks besides; of what is personal only that it is there, if that."""
        if not self.member.attributes:
            return []
        asked = attributes.defined().values()
        told = attributes.told(
            self.member.attributes, [each for each in asked if not each.is_personal]
        )
        if not self.request.user.has_perm("members.reveal_personal_data"):
            return told
        hidden = [
            each for each in asked if each.is_personal and each.code in self.member.attributes
        ]
        return [*told, *((each.name, "***") for each in hidden)]

    def _tabs(self) -> list[tuple[str, str, str]]:
        number, may = self.member.number, self.request.user.has_perm
        tabs = [("overview", gettext("Overview"), reverse("admin:member", args=[number]))]
        if may("points.view_entry"):
            page = reverse("admin:member-ledger", args=[number])
            tabs.append(("ledger", gettext("Points and entries"), page))
        if may("tiers.view_standing"):
            tabs.append(("tier", gettext("Tier"), reverse("admin:member-tier", args=[number])))
        if may("benefits.view_right"):
            page = reverse("admin:member-benefits", args=[number])
            tabs.append(("benefits", gettext("Benefits"), page))
        if may("messaging.view_message"):
            page = reverse("admin:member-messages", args=[number])
            tabs.append(("messages", gettext("Messages"), page))
        if may("common.view_auditrecord") or may("members.change_member"):
            tabs.append(
                ("records", gettext("Records"), reverse("admin:member-records", args=[number]))
            )
        return tabs

    def _buttons(self) -> Iterable[tuple[Any, str, str]]:
        return self._offered(view for view in ACTIONS.values() if not view.is_quiet)

    def _offered(self, views: Iterable[type[MemberAction]]) -> Iterable[tuple[Any, str, str]]:
        """Those this login may use, with this member: label, icon and address."""
        names = {view: name for name, view in ACTIONS.items()}
        for view in views:
            allowed = self.request.user.has_perm(view.permission_required)
            if allowed and view.fits(self.member):
                page = reverse(f"admin:member-{names[view]}", args=[self.member.number])
                yield view.title, view.icon, page


class LedgerPage(MemberPage):
    """All open lots, all entries and the balance as of a day."""

    template_name = "console/member/ledger.html"
    permission_required = ("members.view_member", "points.view_entry")
    tab = "ledger"

    def content(self) -> dict[str, Any]:
        held = holding(self.member)
        form = DayForm(self.request.GET or None if "day" in self.request.GET else None)
        entries = with_origin(Entry.objects.filter(member=self.member)).order_by("-seq")
        before = self.request.GET.get("before", "")
        if before.isascii() and before.isdigit() and len(before) < 10:
            entries = entries.filter(seq__lt=int(before))
        found = list(entries[: ENTRIES_A_PAGE + 1])
        shown = found[:ENTRIES_A_PAGE]
        # A balance as of a day takes the place of what was announced: a page asks ten questions.
        told = statements.around(shown, accounts=[held.account], announcements=not form.is_bound)
        as_of = None
        if form.is_bound and form.is_valid():
            as_of = points.balance_as_of(self.member.pk, form.cleaned_data["day"])
        offered = [view for view in POINTS_ACTIONS if view.is_offered]
        return {
            "points_buttons": list(self._offered(offered)),
            "aside": aside_rows(
                self.member,
                held.account,
                may_release=self.request.user.has_perm("points.adjust_points"),
            )[:LOTS_SHOWN],
            "holding": held,
            "lots": lot_rows(self.member, held.lots[:LOTS_SHOWN]),
            "more_lots": max(0, len(held.lots) - LOTS_SHOWN),
            "entries": entry_rows(shown, told=told),
            "next_before": found[ENTRIES_A_PAGE - 1].seq if len(found) > ENTRIES_A_PAGE else None,
            "before": before,
            "form": form,
            "as_of": as_of,
            "today": localdate(),
        }


class MessagesPage(MemberPage):
    """What was said to the member, by which channels and with which result."""

    template_name = "console/member/messages.html"
    permission_required = ("members.view_member", "messaging.view_message")
    tab = "messages"

    def content(self) -> dict[str, Any]:
        before = self.request.GET.get("before", "")
        start = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
        said = messaging.inbox(self.member.pk, before=start).prefetch_related("deliveries")
        found = list(said[: MESSAGES_A_PAGE + 1])
        shown = found[:MESSAGES_A_PAGE]
        texts = wordings.in_the_inbox(shown)
        return {
            "rows": [_message_row(message, texts[message.pk]) for message in shown],
            "next_before": shown[-1].pk if len(found) > MESSAGES_A_PAGE else None,
            "before": before,
        }


def _message_row(message: Message, text: Text) -> dict[str, Any]:
    return {
        "message": message,
        "text": text,
        "deliveries": [
            (delivery, DELIVERY_LABELS[DeliveryState(delivery.state)])
            for delivery in sorted(message.deliveries.all(), key=lambda one: one.pk)
        ],
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
        erasure = members.open_erasure(self.member.pk)
        records = AuditRecord.objects.filter(target=self.member.number).select_related("actor")
        versions = list(
            self.member.history.select_related("history_user", "enrolling_store")[:RECORDS_SHOWN]
        )
        return {
            "records": records.order_by("-pk")[:RECORDS_SHOWN],
            "changes": list(_profile_changes(versions)),
            "consents": consents.standing(self.member.pk),
            "erasure": erasure,
            "privacy_actions": self._offered(privacy_actions.offered(erasure)),
        }


PROFILE_LABELS = {
    "status": _("Status"),
    "name": _("Name"),
    "sex": _("Sex"),
    "birthday": _("Birthday"),
    "phone": _("Phone"),
    "email": _("E-mail"),
    "id_number": _("ID number"),
    "province": _("Province"),
    "city": _("City"),
}


def _profile_changes(versions: list[Any]) -> Iterable[dict[str, Any]]:
    """Each change of the profile, newest first; personal data are masked here as everywhere."""
    for newer, older in zip(versions, [*versions[1:], None], strict=True):
        fields = [
            (PROFILE_LABELS[name], _shown(older, name), _shown(newer, name))
            for name in PROFILE_LABELS
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
        return masking.email(value) or "–"
    if name == "id_number":
        return masking.tail(value) or "–"
    if name in ("status", "sex"):
        return getattr(version, f"get_{name}_display")() or "–"
    return str(value or "–")


def currency() -> str:
    installed = programme.programme()
    return installed.currency if installed else "CNY"


URLS: dict[str, tuple[str, Any]] = {
    "member": ("member/<str:number>/", MemberPage),
    "member-ledger": ("member/<str:number>/ledger/", LedgerPage),
    "member-messages": ("member/<str:number>/messages/", MessagesPage),
    "member-records": ("member/<str:number>/records/", RecordsPage),
    **{f"member-{name}": (f"member/<str:number>/{name}/", view) for name, view in ACTIONS.items()},
}
