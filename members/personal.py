"""What this room knows of a person: what of it a member is handed, and what goes with them."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common import personal
from common.models import AuditRecord
from common.personal import Blank
from members import attributes, consents, queries
from members.models import Application, Erasure, GroupMember, Member, Product

# Numbers the ledger and organizations go by, life cycle, and what came of it.
personal.table(
    "members_member",
    of="id = ANY(%(members)s)",
    blank={
        "name": "''",
        "name_spelled": "NULL",
        "name_parts": "'{}'",
        "sex": "''",
        "birthday": "NULL",
        "phone": "''",
        "email": "''",
        "id_number": "''",
        "province": "''",
        "city": "''",
        "attributes": "'{}'",
    },
    keeps=["number", "status"],
)
personal.table(
    "members_historicalmember",
    of="id = ANY(%(members)s)",
    blank={
        "name": "''",
        "sex": "''",
        "birthday": "NULL",
        "phone": "''",
        "email": "''",
        "id_number": "''",
        "province": "''",
        "city": "''",
        "attributes": "'{}'",
        "history_change_reason": "NULL",
    },
    keeps=["number", "status", "history_type"],
)
personal.table("members_phonedirectory")
personal.table("members_emaildirectory")
personal.table("members_externalnumber")
personal.table("members_tagging")
personal.table("members_fingerprint")
personal.table("members_duplicate", of="one_id = ANY(%(members)s) OR other_id = ANY(%(members)s)")
personal.table(
    "members_product",
    blank={
        # Not a hash: there are too few VINs to hide one in.
        "identifier": Blank(
            "'ERASED-' || upper(gen_random_uuid()::text)", "identifier LIKE 'ERASED-%%'"
        ),
        "name": "''",
        "owned_until": Blank("coalesce(owned_until, CURRENT_DATE)", "owned_until IS NOT NULL"),
    },
)
personal.table("members_groupmember", blank={"monthly_points": "NULL"}, keeps=["kind", "role"])
personal.table("members_groupinvitation")
personal.table(
    "members_application",
    blank={"phone": "''", "phone_index": "NULL", "told": "''", "words": "''"},
    keeps=["state", "channel", "reason"],
)
personal.table(
    "members_replaced",
    of=(
        "merge_id IN (SELECT id FROM members_merge"
        " WHERE member_id = ANY(%(members)s) OR into_id = ANY(%(members)s))"
    ),
)
personal.table("members_merge", blank={"reason": "''"}, keeps=["status_before"])
personal.table("members_erasure", blank={"reason": "''"})
personal.table("members_dataexport")
personal.table(
    "common_user",
    of="id IN (SELECT user_id FROM members_member WHERE id = ANY(%(members)s))",
    blank={
        # As an unusable password begins.
        "password": Blank("'!' || gen_random_uuid()::text", "password LIKE '!%%'"),
        "first_name": "''",
        "last_name": "''",
        "email": "''",
        "is_active": "false",
        "last_login": "NULL",
    },
    # The member's number.
    keeps=["username"],
)
personal.table(
    "common_session",
    of="user_id IN (SELECT user_id FROM members_member WHERE id = ANY(%(members)s))",
)
personal.untold("common_session", why="Which browsers are logged in: a key, and nothing else.")
personal.stays(
    "members_group",
    why="What a family calls itself is the others' too; it goes when the group ends.",
)
personal.stays(
    "members_consent", why="Which text a member number agreed to, and when: the proof of it."
)
personal.stays(
    "common_auditrecord",
    why="Who did what to a member number and why; no reason may hold a phone, an e-mail or an ID.",
)
personal.untold(
    "members_phonedirectory", "members_emaildirectory", "members_fingerprint",
    why="Hashes of what is told, to find it by.",
)  # fmt: skip
personal.untold("members_groupinvitation", why="The messages say the same, until it is answered.")
personal.untold("members_duplicate", why="It is about somebody else as well.")
personal.untold(
    "members_merge", "members_replaced",
    why="That staff joined two members the member is told; the file holds both of them.",
)  # fmt: skip
personal.stays("members_mergepart", why="Keys of rows that changed hands with a member number.")
personal.untold("members_mergepart", why="Keys of our rows; what they are is told.")
personal.untold("members_dataexport", why="These are the files themselves.")
personal.untold("common_user", why="The member's number, and a hash of the password.")


@personal.section(
    "members.identity",
    order=10,
    title=_("Who I am"),
    labels={
        "number": _("Member number"),
        "status": _("Status"),
        "name": _("Name"),
        "sex": _("Sex"),
        "birthday": _("Birthday"),
        "phone": _("Phone"),
        "email": _("E-mail"),
        "id_number": _("ID number"),
        "province": _("Province"),
        "city": _("City"),
        "store": _("enrolling store"),
        "joined_at": _("joined at"),
        "activated_at": _("activated at"),
        "closed_at": _("closed at"),
    },
    tables=["members_member"],
)
def identity(member_id: int) -> Mapping[str, Any]:
    member = Member.objects.select_related("enrolling_store").get(pk=member_id)
    return {
        "number": member.number,
        "status": member.get_status_display(),
        "name": member.name,
        "sex": member.get_sex_display(),
        "birthday": member.birthday,
        "phone": member.phone,
        "email": member.email,
        "id_number": member.id_number,
        "province": member.province,
        "city": member.city,
        "store": member.enrolling_store.name if member.enrolling_store else "",
        "joined_at": member.joined_at,
        "activated_at": member.activated_at,
        "closed_at": member.closed_at,
    }


@personal.section(
    "members.attributes",
    order=12,
    title=_("More about me"),
    labels={"attribute": _("attribute"), "value": _("Value")},
)
def more(member_id: int) -> list[dict[str, Any]]:
    known = Member.objects.values_list("attributes", flat=True).get(pk=member_id)
    told = attributes.told(known, list(attributes.defined().values()))
    return [{"attribute": name, "value": value} for name, value in told]


@personal.section(
    "members.tags",
    order=14,
    title=_("Tags"),
    labels={"tag": _("tag")},
    tables=["members_tagging"],
)
def tags(member_id: int) -> list[dict[str, Any]]:
    return [{"tag": name} for name in queries.tags_of(member_id)]


@personal.section(
    "members.products",
    order=16,
    title=_("Products"),
    labels={
        "identifier": _("identifier"),
        "name": _("product"),
        "purchased_on": _("purchase date"),
        "owned_until": _("owned until"),
    },
    tables=["members_product"],
)
def products(member_id: int) -> list[dict[str, Any]]:
    owned = Product.objects.filter(member_id=member_id).order_by("pk")
    return [dict(row) for row in owned.values("identifier", "name", "purchased_on", "owned_until")]


@personal.section(
    "members.groups",
    order=17,
    title=_("Families and companies"),
    labels={
        "group": _("group"),
        "kind": _("kind"),
        "role": _("role"),
        "joined_at": _("joined at"),
        "left_at": _("left at"),
        "shares": _("shares points"),
        "monthly_points": _("points a month at most"),
    },
    tables=["members_groupmember", "members_group"],
)
def in_groups(member_id: int) -> list[dict[str, Any]]:
    places = GroupMember.objects.filter(member_id=member_id).select_related("group").order_by("pk")
    return [
        {
            "group": str(place.group),
            "kind": place.get_kind_display(),
            "role": place.get_role_display(),
            "joined_at": place.joined_at,
            "left_at": place.left_at,
            "shares": place.shares,
            "monthly_points": place.monthly_points,
        }
        for place in places
    ]


@personal.section(
    "members.external_numbers",
    order=18,
    title=_("Numbers others know me by"),
    labels={"organization": _("organization"), "number": _("external number")},
    tables=["members_externalnumber"],
)
def external_numbers(member_id: int) -> list[dict[str, Any]]:
    member = Member.objects.get(pk=member_id)
    found = member.external_numbers.select_related("organization").order_by("pk")
    return [{"organization": each.organization.name, "number": each.number} for each in found]


@personal.section(
    "members.applications",
    order=19,
    title=_("My applications for the membership"),
    labels={
        "number": _("Number"),
        "at": _("when"),
        "state": _("state"),
        "reason": _("reason"),
        "words": _("words to the applicant"),
    },
    tables=["members_application"],
)
def applied(member_id: int) -> list[dict[str, Any]]:
    return [
        {
            "number": each.number,
            "at": each.applied_at,
            "state": each.get_state_display(),
            "reason": each.get_reason_display(),
            "words": each.words,
        }
        for each in Application.objects.filter(member_id=member_id).order_by("pk")
    ]


@personal.section(
    "members.consents",
    order=20,
    title=_("What I agreed to"),
    labels={
        "purpose": _("purpose"),
        "partner": _("partner"),
        "agreed": _("agreed"),
        "at": _("when"),
        "channel": _("channel"),
        "text_version": _("version"),
        "text": _("text"),
    },
    tables=["members_consent"],
)
def agreed(member_id: int) -> list[dict[str, Any]]:
    return [
        {
            "purpose": word.get_purpose_display(),
            "partner": word.partner.name if word.partner else "",
            "agreed": word.is_given,
            "at": word.at,
            "channel": word.get_channel_display(),
            "text_version": word.text.version,
            "text": word.text.text,
        }
        for word in consents.history(member_id)
    ]


@personal.section(
    "members.history",
    order=90,
    title=_("What was known of me before"),
    labels={
        "at": _("when"),
        "name": _("Name"),
        "sex": _("Sex"),
        "birthday": _("Birthday"),
        "phone": _("Phone"),
        "email": _("E-mail"),
        "id_number": _("ID number"),
        "province": _("Province"),
        "city": _("City"),
    },
    tables=["members_historicalmember"],
)
def history(member_id: int) -> list[dict[str, Any]]:
    return [
        {
            "at": each.history_date,
            "name": each.name,
            "sex": each.get_sex_display(),
            "birthday": each.birthday,
            "phone": each.phone,
            "email": each.email,
            "id_number": each.id_number,
            "province": each.province,
            "city": each.city,
        }
        for each in Member.objects.get(pk=member_id).history.order_by("-history_id")
    ]


@personal.section(
    "members.deeds",
    order=92,
    title=_("What was done about me"),
    labels={"at": _("when"), "what": _("what")},
    tables=["common_auditrecord"],
)
def deeds(member_id: int) -> list[dict[str, Any]]:
    """When and what; not by whom: that is somebody else."""
    number = Member.objects.values_list("number", flat=True).get(pk=member_id)
    records = AuditRecord.objects.filter(target=number).order_by("-pk")
    return [{"at": each.at, "what": gettext(each.action)} for each in records]


@personal.section(
    "members.erasures",
    order=94,
    title=_("My wishes to be forgotten"),
    labels={
        "asked_at": _("asked at"),
        "due_on": _("due on"),
        "withdrawn_at": _("taken back at"),
        "reason": _("reason"),
    },
    tables=["members_erasure"],
)
def erasures(member_id: int) -> list[dict[str, Any]]:
    asked = Erasure.objects.filter(member_id=member_id).order_by("-pk")
    return [dict(row) for row in asked.values("asked_at", "due_on", "withdrawn_at", "reason")]
