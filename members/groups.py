"""Families and companies: who is in them, who may do what, what the rulebook allows."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, IntegerField, OuterRef, Q, QuerySet, Value, When
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common.errors import NotFound
from members import masking
from members.models import (
    Group,
    GroupInvitation,
    GroupKind,
    GroupMember,
    GroupRole,
    Member,
)
from programme import queries as programme
from programme.policies import GroupTerms

# Whoever leads a group: invites, removes, names administrators.
LEADS = (GroupRole.OWNER, GroupRole.ADMIN)


class UnknownGroup(NotFound):
    code = "unknown_group"
    message = _("There is no such family or company.")


def terms(kind: str, *, at: datetime) -> GroupTerms | None:
    """What the rulebook of a day says of groups of a kind; None: there are none."""
    return offered(at=at).get(GroupKind(kind))


def offered(*, at: datetime) -> dict[GroupKind, GroupTerms]:
    """Which kinds there are on a day."""
    try:
        policies = programme.rulebook_on(localdate(at)).policies
    except programme.NoRulebook:
        return {}
    return {GroupKind(kind): terms for kind, terms in policies.groups.items()}


def open_group(group_id: int) -> Group:
    """:raises UnknownGroup: if there is none, or it has ended"""
    group = Group.objects.filter(pk=group_id, ended_at=None).first()
    if group is None:
        raise UnknownGroup
    return group


def places(group_id: int) -> QuerySet[GroupMember]:
    """The owner, administrators, then the others, the longest first."""
    rank = Case(
        When(role=GroupRole.OWNER, then=Value(0)),
        When(role=GroupRole.ADMIN, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    found = GroupMember.objects.filter(group_id=group_id, left_at=None)
    return found.select_related("member").order_by(rank, "joined_at", "pk")


def places_of(member_id: int | OuterRef) -> QuerySet[GroupMember]:
    """Where a member is now: a family, a company, both or neither."""
    found = GroupMember.objects.filter(member_id=member_id, left_at=None)
    return found.select_related("group").order_by("-kind")


def place_in(group_id: int, member_id: int) -> GroupMember | None:
    return places_of(member_id).filter(group_id=group_id).first()


def leaders(group_id: int) -> list[int]:
    found = GroupMember.objects.filter(group_id=group_id, left_at=None, role__in=LEADS)
    return list(found.order_by("pk").values_list("member_id", flat=True))


def waiting(*, at: datetime) -> QuerySet[GroupInvitation]:
    """Invitations that can still be accepted."""
    open_ones = Q(answered_at=None, lapses_at__gt=at, group__ended_at=None)
    return GroupInvitation.objects.filter(open_ones).select_related("group").order_by("pk")


@dataclass(frozen=True, slots=True)
class Pool:
    """Whose points a member may spend: the others of one group who share."""

    group_id: int
    others: tuple[int, ...]


def pool_of(member_id: int, *, at: datetime) -> Pool | None:
    """What a member can draw on; None unless the member shares, and the role may spend."""
    place = GroupMember.objects.filter(member_id=member_id, shares=True).first()
    if place is None:
        return None
    allowed = terms(place.kind, at=at)
    if allowed is None or place.role not in allowed.spenders:
        return None
    others = GroupMember.objects.filter(group_id=place.group_id, shares=True)
    ids = others.exclude(member_id=member_id).order_by("member_id")
    return Pool(place.group_id, tuple(ids.values_list("member_id", flat=True)))


def named(group_ids: Collection[int]) -> dict[int, str]:
    """Names by id, in one query."""
    return {group.pk: str(group) for group in Group.objects.filter(pk__in=group_ids)}


def called(member_id: int) -> str:
    """What others of a group call a member by, without telling more than a clerk sees."""
    member = Member.objects.only("name", "number").get(pk=member_id)
    return masking.name(member.name) or masking.tail(member.number)


def called_owner(group_id: int) -> str:
    owner = GroupMember.objects.get(group_id=group_id, left_at=None, role=GroupRole.OWNER)
    return called(owner.member_id)


def invitation(invitation_id: int) -> GroupInvitation:
    return GroupInvitation.objects.select_related("group").get(pk=invitation_id)
