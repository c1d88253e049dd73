"""What this room knows of a person: what of it a member is handed, and what goes with them."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from campaigns.models import BroughtMember, Invitation, SegmentMember
from common import personal

# A file that brought somebody is forgotten with them: one row cannot be taken out of a sealed file,
# and after the waiting period nobody corrects its refused rows any more.
THEIR_FILES = """(
    SELECT id FROM campaigns_memberimport WHERE state = 'DONE' AND id IN (
        SELECT run_id FROM campaigns_broughtmember WHERE member_id = ANY(%(members)s)
        UNION ALL
        SELECT run_id FROM campaigns_broughtproduct WHERE product_id IN (
            SELECT id FROM members_product WHERE member_id = ANY(%(members)s)
        )
    )
)"""
personal.table(
    "campaigns_memberimport",
    of=f"id IN {THEIR_FILES}",
    blank={"is_kept": "false"},
    keeps=["name", "state", "encoding", "mapping", "tags", "digest", "report"],
)
personal.table("campaigns_memberimportpart", of=f"run_id IN {THEIR_FILES}")
personal.table("campaigns_memberimportproblem", of=f"run_id IN {THEIR_FILES}")

personal.stays(
    "campaigns_broughtmember",
    "campaigns_broughtproduct",
    why="Which row of which file brought a member number: a row that comes again brings nobody.",
)
personal.untold("campaigns_broughtproduct", why="The products are told themselves.")
personal.stays("campaigns_invitation", why="That a member number was invited, and until when.")
personal.stays(
    "campaigns_segmentmember",
    why="A list that was kept stays as it was; it holds member numbers, not what they are.",
)
personal.stays(
    "campaigns_segment",
    "campaigns_evaluation",
    why="Conditions and words of staff about many members, of nobody in particular.",
)


@personal.section(
    "campaigns.beginning",
    order=22,
    title=_("How my membership began"),
    labels={
        "at": _("when"),
        "what": _("what"),
        "organization": _("organization"),
        "last_day": _("good until"),
        "used_at": _("used at"),
    },
    tables=["campaigns_broughtmember", "campaigns_invitation"],
)
def beginning(member_id: int) -> list[dict[str, Any]]:
    brought = BroughtMember.objects.filter(member_id=member_id).select_related("run__organization")
    invited = Invitation.objects.filter(member_id=member_id).select_related("round")
    return [
        {
            "at": each.run.started_at,
            "what": _("Taken over from a file"),
            "organization": each.run.organization.name,
        }
        for each in brought
    ] + [
        {
            "at": each.round.created_at,
            "what": _("Invitation"),
            "last_day": each.last_day,
            "used_at": each.used_at,
        }
        for each in invited.order_by("nth")
    ]


@personal.section(
    "campaigns.segments",
    order=24,
    title=_("Lists of members I am on"),
    labels={"name": _("name"), "at": _("when")},
    tables=["campaigns_segmentmember"],
)
def segments(member_id: int) -> list[dict[str, Any]]:
    found = SegmentMember.objects.filter(member_id=member_id).select_related("segment")
    return [
        {"name": each.segment.name, "at": each.segment.kept_at}
        for each in found.order_by("segment_id")
    ]
