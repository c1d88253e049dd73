"""What this room knows of a person: what of it a member is handed, and what goes with them."""

from collections.abc import Mapping
from typing import Any

from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import personal
from tiers import queries

# What the member wrote, and what staff wrote beside it; a rejection must say why.
personal.table(
    "tiers_proposal",
    blank={
        "text": "''",
        "note": personal.Blank("CASE WHEN note = '' THEN '' ELSE '–' END", "note IN ('', '–')"),
    },
    keeps=["kind", "level", "state", "evidence"],
)
personal.table(
    "tiers_document",
    of="proposal_id IN (SELECT id FROM tiers_proposal WHERE member_id = ANY(%(members)s))",
)
personal.stays(
    "tiers_standing", "tiers_gathered", "tiers_decision", "tiers_downgradewarning",
    why="What a member number gathered and which tier it had, with the figures that decided it.",
)  # fmt: skip
personal.untold("tiers_gathered", why="Sums by day of the purchases and activities that are told.")
personal.untold("tiers_downgradewarning", why="The messages say the same.")


@personal.section(
    "tiers.standing",
    order=50,
    title=_("Tier"),
    labels={"level": _("tier"), "since": _("since"), "valid_until": _("valid until")},
    tables=["tiers_standing"],
)
def standing(member_id: int) -> Mapping[str, Any]:
    stand = queries.standing(member_id, localdate())
    if stand is None:
        return {}
    return {"level": stand.level.name, "since": stand.since, "valid_until": stand.valid_until}


@personal.section(
    "tiers.decisions",
    order=52,
    title=_("Decisions about my tier"),
    labels={
        "on": _("from the day"),
        "kind": _("kind"),
        "from": _("from"),
        "to": _("to"),
        "valid_until": _("valid until"),
        "reason": _("reason"),
        "evidence": _("evidence"),
    },
    tables=["tiers_decision"],
)
def decisions(member_id: int) -> list[dict[str, Any]]:
    return [
        {
            "on": each.effective_on,
            "kind": each.get_kind_display(),
            "from": each.from_level,
            "to": each.to_level,
            "valid_until": each.valid_until,
            "reason": each.reason,
            "evidence": each.evidence,
        }
        for each in queries.decisions(member_id)
    ]


@personal.section(
    "tiers.applications",
    order=54,
    title=_("What I applied for"),
    labels={
        "on": _("proposed on"),
        "level": _("tier"),
        "state": _("state"),
        "text": _("what the member says"),
        "documents": _("documents"),
    },
    tables=["tiers_proposal", "tiers_document"],
)
def applications(member_id: int) -> list[dict[str, Any]]:
    return [
        {
            "on": each.proposed_on,
            "level": each.level,
            "state": each.get_state_display(),
            "text": each.text,
            "documents": [document.name for document in each.documents.all()],
        }
        for each in queries.applications(member_id)
    ]
