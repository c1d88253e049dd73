"""What this room knows of a person: what of it a member is handed, and what goes with them."""

from collections.abc import Mapping
from typing import Any

from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import personal
from members.models import Member
from points import queries, statements
from points.models import Activity

# What somebody typed into a file; the ledger itself names numbers, documents and goods only.
personal.table(
    "points_grantrow",
    blank={"cells": "'{}'", "details": "'{}'"},
    keeps=["outcome"],
)
personal.table("points_merge", blank={"note": "''"})
LEDGER = "The ledger of a member number: entries, documents and goods, and no word of who it is."
personal.stays(
    "points_account", "points_lot", "points_pending", "points_hold", "points_entry",
    "points_activity", "points_funding", why=LEDGER,
)  # fmt: skip
personal.stays("points_notice", why="That a member number was told in time which points lapse.")
personal.stays("points_grantbatch", why="The name of a file and its sums; its rows are erased.")
personal.untold("points_grantrow", why="What staff handed in of it stands in the statement.")
personal.untold("points_notice", why="The messages say the same.")
personal.untold("points_merge", why="The statement says it, from both sides.")


@personal.section(
    "points.account",
    order=60,
    title=_("Points"),
    labels={
        "balance": _("Points balance"),
        "spendable": _("Points you can use"),
        "pending": _("Pending points"),
        "held": _("Held"),
    },
    tables=["points_account", "points_pending", "points_hold"],
)
def account(member_id: int) -> Mapping[str, Any]:
    held = statements.on_account(member_id)
    return {
        "balance": held.balance,
        "spendable": queries.spendable_points(member_id, on=localdate()),
        "pending": held.pending,
        "held": held.held,
    }


@personal.section(
    "points.lots",
    order=62,
    title=_("Open lots"),
    labels={
        "entry": _("entry"),
        "remaining": _("remaining"),
        "credit": _("points"),
        "expires_on": _("last day"),
    },
    tables=["points_lot"],
)
def lots(member_id: int) -> list[dict[str, Any]]:
    number = Member.objects.values_list("number", flat=True).get(pk=member_id)
    return [
        {
            "entry": f"{number}-{lot.seq}",
            "remaining": lot.remaining,
            "credit": lot.credit,
            "expires_on": lot.expires_on,
        }
        for lot in statements.on_account(member_id, lots=True).lots
    ]


@personal.section(
    "points.entries",
    order=64,
    title=_("Statement"),
    labels={
        "entry": _("entry"),
        "at": _("when"),
        "title": _("what"),
        "points": _("points"),
        "balance_after": _("Points balance"),
        "expires_on": _("last day"),
        "store": _("store"),
        "document": _("document"),
        "why": _("why"),
    },
    tables=["points_entry"],
)
def entries(member_id: int) -> list[dict[str, Any]]:
    member = Member.objects.get(pk=member_id)
    found = list(queries.statement(member_id))
    return [
        {
            "entry": f"{member.number}-{line.seq}",
            "at": line.at,
            "title": line.title,
            "points": line.points,
            "balance_after": line.balance_after,
            "expires_on": line.expires_on,
            "store": line.store,
            "document": line.document,
            "why": list(line.sentences),
        }
        for line in statements.lines(found, member=member)
    ]


@personal.section(
    "points.activities",
    order=66,
    title=_("Purchases and activities"),
    labels={
        "at": _("when"),
        "kind": _("what"),
        "reference": _("reference"),
        "store": _("store"),
        "amount": _("amount"),
        "points": _("points"),
        "lines": _("lines"),
    },
    tables=["points_activity"],
)
def activities(member_id: int) -> list[dict[str, Any]]:
    done = Activity.objects.filter(member_id=member_id).select_related("store")
    return [
        {
            "at": each.occurred_at,
            "kind": each.code or each.get_kind_display(),
            "reference": each.reference,
            "store": each.store.name if each.store else "",
            "amount": str(each.amount),
            "points": each.points,
            "lines": each.lines,
        }
        for each in done.order_by("-occurred_at", "-pk")
    ]
