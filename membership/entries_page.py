"""Entries of the ledger, found by their name, a member number or a reference."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView

from membership import member_page
from membership.console import ConsolePage
from points import queries

SHOWN_MAX = 50
TEXT_MAX = 100


class EntriesPage(ConsolePage, TemplateView):
    template_name = "console/entries.html"
    permission_required = "points.view_entry"
    title = _("Entries")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        text = self.request.GET.get("q", "").strip()
        asked = bool(text) and len(text) <= TEXT_MAX and "\0" not in text
        entries = []
        if asked:
            found = member_page.with_origin(queries.entries_named(text)).order_by("-seq")
            entries = member_page.entry_rows(found[:SHOWN_MAX], currency=member_page.currency())
        return super().get_context_data(
            q=text,
            entries=entries,
            shown_max=SHOWN_MAX,
            may_see_members=self.request.user.has_perm("members.view_member"),
            **context,
        )


URLS: dict[str, tuple[str, Any]] = {"entries": ("entries/", EntriesPage)}
