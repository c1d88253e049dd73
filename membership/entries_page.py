"""Entries of the ledger: found by name, member number or reference; one of them in full."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.http import Http404
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView

from membership import member_page, points_actions
from membership.console import ConsolePage
from partners.models import Organization
from points import queries, statements
from points.models import Entry, EntryKind
from programme.policies import NEVER

SHOWN_MAX = 50
TEXT_MAX = 100
# What staff do about an entry, by its kind.
ABOUT = {
    EntryKind.REDEEM: "cancel-redemption",
    EntryKind.EXPIRE: "reinstate",
    EntryKind.HOLD: "release",
}


class EntriesPage(ConsolePage, TemplateView):
    template_name = "console/entries.html"
    permission_required = "points.view_entry"
    title = _("Entries")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        text = self.request.GET.get("q", "").strip()
        asked = bool(text) and len(text) <= TEXT_MAX and "\0" not in text
        entries = []
        may_see_members = self.request.user.has_perm("members.view_member")
        if asked:
            found = member_page.with_origin(queries.entries_named(text)).order_by("-seq")
            entries = member_page.entry_rows(
                list(found[:SHOWN_MAX]), may_see_members=may_see_members
            )
        return super().get_context_data(
            q=text,
            entries=entries,
            shown_max=SHOWN_MAX,
            may_see_members=may_see_members,
            **context,
        )


@dataclass(frozen=True, slots=True)
class LotRow:
    """What the entry did to one lot."""

    entry: str
    came_on: date | None
    points: int
    last_day: date | None


class EntryPage(ConsolePage, TemplateView):
    """One entry with its lots, and whom it costs how much (P13)."""

    template_name = "console/entry.html"
    permission_required = "points.view_entry"

    @cached_property
    def entry(self) -> Entry:
        name = self.kwargs["name"]
        found = queries.entries_named(name) if queries.ENTRY_NAME.match(name) else None
        entry = member_page.with_origin(found).first() if found is not None else None
        if entry is None:
            raise Http404
        return entry

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        entry = self.entry
        told = statements.around([entry])
        costs = queries.costs_of([entry], lots=told.entries)[entry.pk]
        payers = Organization.objects.in_bulk(
            {cost.organization_id for cost in costs if cost.organization_id}
        )
        may_see_members = self.request.user.has_perm("members.view_member")
        (row,) = member_page.entry_rows([entry], told=told, may_see_members=may_see_members)
        return super().get_context_data(
            title=row.name,
            entry=row,
            lots=list(_lots(entry, told)),
            costs=list(_costs(costs, payers)),
            buttons=list(self._buttons(row.member_number)),
            may_see_members=may_see_members,
            **context,
        )

    def _buttons(self, number: str) -> Iterable[tuple[Any, str, str]]:
        """What can be done about this entry: label, icon and address of the form."""
        action = ABOUT.get(EntryKind(self.entry.kind))
        may = self.request.user.has_perms
        if action and may(["points.adjust_points", "members.view_member"]):
            view = points_actions.ACTIONS[action]
            page = reverse(f"admin:member-{action}", args=[number])
            yield view.title, view.icon, f"{page}?entry={self.entry.seq}"


def _lots(entry: Entry, told: statements.Around) -> Iterable[LotRow]:
    lots = zip(entry.lot_seq or (), entry.lot_points or (), entry.lot_expires_on or (), strict=True)
    for seq, points, last_day in lots:
        credit = told.entries.get((entry.member_id, seq))
        yield LotRow(
            entry=f"{entry.member.number}-{seq}",
            came_on=localdate(credit.effective_at) if credit else None,
            points=points,
            last_day=None if last_day == NEVER else last_day,
        )


def _costs(
    costs: Iterable[queries.Cost], payers: Mapping[int, Organization]
) -> Iterable[tuple[str, str, str]]:
    """What each payer bears, all lots together: payer, budget, points."""
    together: dict[tuple[int | None, str], Decimal] = {}
    for cost in costs:
        purse = (cost.organization_id, cost.budget)
        together[purse] = together.get(purse, Decimal(0)) + cost.points
    for (payer_id, budget), points in together.items():
        payer = payers.get(payer_id or 0)
        yield payer.name if payer else "", budget, _plain(points)


def _plain(number: Decimal) -> str:
    """1250.5000 → 1,250.5"""
    return f"{number:,.4f}".rstrip("0").rstrip(".")


URLS: dict[str, tuple[str, Any]] = {
    "entries": ("entries/", EntriesPage),
    "entry": ("entries/<str:name>/", EntryPage),
}
