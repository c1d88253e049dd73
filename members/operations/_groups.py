"""Families and companies: from the first member to the last (docs/decisions/0019)."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import audit, events
from common.errors import DomainError, Invalid, NotFound
from common.models import User
from members import groups
from members.models import Group, GroupKind, GroupMember, GroupRole, Member, MemberStatus, Product
from members.operations._products import ProductFacts, add_product
from members.operations._states import locked
from programme.policies import GroupTerms

NAME_MAX = 50


class GroupsNotOffered(DomainError):
    code = "groups_not_offered"
    message = _("This programme has no groups of this kind.")


class InGroupAlready(DomainError):
    code = "already_in_group"
    message = _("Nobody can be in two families, or in two companies, at once.")


class GroupFull(DomainError):
    code = "group_full"
    message = _("There is no place left; %(members)s is the most.")


class NotInGroup(NotFound):
    code = "not_in_group"
    message = _("The member is not in this family or company.")


class RoleNeeded(DomainError):
    code = "role_needed"
    message = _("Only the owner, or an administrator for members, can do this.")


class OwnerStays(DomainError):
    code = "owner_stays"
    message = _("The owner hands over before leaving.")


class CompaniesOnly(DomainError):
    code = "companies_only"
    message = _("Members join a family themselves; only companies are put together by staff.")


class SharingNotOffered(DomainError):
    code = "sharing_not_offered"
    message = _("This programme does not let groups of this kind share points.")


class SharesElsewhere(DomainError):
    code = "shares_elsewhere"
    message = _("Points are shared with one family or company at a time.")


class InvalidGroupName(Invalid):
    code = "invalid_group_name"
    message = _("A name has 1 to 50 printable characters.")


class InvalidMonthlyPoints(Invalid):
    code = "invalid_monthly_points"
    message = _("Points a month must be a whole number above 0.")


@transaction.atomic
def found_group(
    *,
    kind: GroupKind,
    name: str,
    owner_id: int,
    at: datetime,
    by: User | None = None,
    reason: str = "",
) -> Group:
    """
    Begin a family or a company.

    :raises GroupsNotOffered: :raises InGroupAlready: :raises InvalidGroupName: if so
    :raises WrongState: unless the owner is active
    """
    require_terms(kind, at)
    owner = locked(owner_id, MemberStatus.ACTIVE)
    group = Group.objects.create(kind=kind, name=_clean(name), founded_at=at)
    take_place(group, owner, GroupRole.OWNER, at)
    _record("group.founded", owner.number, group, by, reason, kind=kind)
    return group


@transaction.atomic
def rename_group(*, group_id: int, name: str, by_member: int | None, by: User | None) -> Group:
    """
    :param by_member: who does it; None: staff
    :raises UnknownGroup: :raises RoleNeeded: :raises InvalidGroupName: if so
    """
    group = held(group_id)
    require_lead(group, by_member)
    group.name = _clean(name)
    group.save(update_fields=["name"])
    _record("group.renamed", _owner(group).member.number, group, by)
    return group


@transaction.atomic
def add_to_company(
    *, group_id: int, member_id: int, at: datetime, by: User | None = None, reason: str = ""
) -> GroupMember:
    """
    Put a member into a company, as staff and dealers do. What they share, they say themselves.

    :raises CompaniesOnly: :raises GroupFull: :raises InGroupAlready: :raises UnknownGroup: if so
    :raises WrongState: unless the member is active or pre-registered
    """
    member = locked(member_id, MemberStatus.ACTIVE, MemberStatus.PRE_REGISTERED)
    group = held(group_id)
    if group.kind != GroupKind.COMPANY:
        raise CompaniesOnly
    place = join(group, member, at)
    _record("group.joined", member.number, group, by, reason)
    return place


@transaction.atomic
def add_vehicle(
    *, group_id: int, member_id: int, vehicle: ProductFacts, at: datetime, by: User, reason: str
) -> Product:
    """
    Note that a company's vehicle is driven by a member of it, who owns it for the programme.

    :raises CompaniesOnly: :raises NotInGroup: :raises UnknownGroup: if so; and as `add_product`
    """
    group = held(group_id)
    if group.kind != GroupKind.COMPANY:
        raise CompaniesOnly
    require_place(group, member_id)
    product = add_product(member_id=member_id, product=vehicle, bound_at=at, by=by, reason=reason)
    product.fleet = group
    product.save(update_fields=["fleet"])
    return product


@transaction.atomic
def set_group_role(
    *, group_id: int, member_id: int, role: GroupRole, by_member: int | None, by: User | None
) -> GroupMember:
    """
    Make a member an administrator, or a member again.

    :raises RoleNeeded: unless the owner does it, or staff; the owner stays one until `hand_over`
    :raises NotInGroup: :raises UnknownGroup: if so
    """
    assert role != GroupRole.OWNER, "a group is handed over"
    group = held(group_id)
    if by_member is not None and require_place(group, by_member).role != GroupRole.OWNER:
        raise RoleNeeded
    place = require_place(group, member_id)
    if place.role == GroupRole.OWNER:
        raise RoleNeeded
    place.role = role
    place.save(update_fields=["role"])
    _record("group.role_set", place.member.number, group, by, role=role)
    return place


@transaction.atomic
def hand_over_group(
    *, group_id: int, to_id: int, at: datetime, by_member: int | None, by: User | None
) -> GroupMember:
    """
    Make another member the owner; the one so far becomes an administrator.

    :raises RoleNeeded: unless the owner does it, or staff
    :raises WrongState: unless the other is active
    :raises NotInGroup: :raises UnknownGroup: if so
    """
    locked(to_id, MemberStatus.ACTIVE)
    group = held(group_id)
    owner = _owner(group)
    if by_member not in (None, owner.member_id):
        raise RoleNeeded
    successor = require_place(group, to_id)
    if successor == owner:
        return owner
    owner.role = GroupRole.ADMIN
    owner.save(update_fields=["role"])
    _crown(group, successor, at)
    _record("group.handed_over", successor.member.number, group, by)
    return successor


@transaction.atomic
def leave_group(*, group_id: int, member_id: int, at: datetime, by: User | None = None) -> None:
    """
    Leave. What was shared is the member's alone from this moment. The last one ends the group.

    :raises OwnerStays: if the owner leaves others behind
    :raises NotInGroup: :raises UnknownGroup: if so
    """
    group = held(group_id)
    place = require_place(group, member_id)
    if place.role == GroupRole.OWNER:
        if _places(group).exclude(pk=place.pk).exists():
            raise OwnerStays
        _end(group, at)
    else:
        _leave(group, place, at)
        events.publish("group.left", _told(group, member_id, at))
    _record("group.left", place.member.number, group, by)


@transaction.atomic
def remove_from_group(
    *,
    group_id: int,
    member_id: int,
    at: datetime,
    by_member: int | None,
    by: User | None,
    reason: str = "",
) -> None:
    """
    :raises RoleNeeded: unless the owner does it, an administrator with a member, or staff; the
        owner cannot be removed
    :raises NotInGroup: :raises UnknownGroup: if so
    """
    group = held(group_id)
    place = require_place(group, member_id)
    actor = require_lead(group, by_member)
    is_below = place.role == GroupRole.MEMBER or (
        place.role == GroupRole.ADMIN and (actor is None or actor.role == GroupRole.OWNER)
    )
    if not is_below:
        raise RoleNeeded
    _leave(group, place, at)
    events.publish("group.removed", _told(group, member_id, at))
    _record("group.removed", place.member.number, group, by, reason)


@transaction.atomic
def dissolve_group(
    *, group_id: int, at: datetime, by_member: int | None, by: User | None, reason: str = ""
) -> None:
    """
    End a group. Everybody keeps the own points.

    :raises RoleNeeded: unless the owner does it, or staff
    :raises UnknownGroup: if there is none, or it has ended
    """
    group = held(group_id)
    owner = _owner(group)
    if by_member not in (None, owner.member_id):
        raise RoleNeeded
    _end(group, at)
    _record("group.dissolved", owner.member.number, group, by, reason=reason)


@transaction.atomic
def share_points(
    *,
    group_id: int,
    member_id: int,
    shares: bool,
    monthly_points: int | None,
    at: datetime,
    by: User | None = None,
) -> GroupMember:
    """
    Let others of a group spend one's points, or stop that at once.

    :param monthly_points: how many a month at most; None: all there are
    :raises SharingNotOffered: :raises SharesElsewhere: :raises InvalidMonthlyPoints: if so
    :raises NotInGroup: :raises UnknownGroup: if so
    """
    group = held(group_id)
    place = require_place(group, member_id)
    if monthly_points is not None and monthly_points < 1:
        raise InvalidMonthlyPoints
    if shares and not require_terms(group.kind, at).spenders:
        raise SharingNotOffered
    place.shares, place.monthly_points = shares, monthly_points if shares else None
    try:
        with transaction.atomic():
            place.save(update_fields=["shares", "monthly_points"])
    except IntegrityError as error:
        raise SharesElsewhere from error
    _record(
        "group.shared" if shares else "group.unshared",
        place.member.number,
        group,
        by,
        monthly_points=place.monthly_points,
    )
    return place


def depart(member_id: int, at: datetime) -> None:
    """
    End the places of a member whose membership ends, in the caller's transaction. Who was longest
    an administrator, else longest a member, follows an owner; without anybody the group ends.
    """
    for place in groups.places_of(member_id):
        group = held(place.group_id)
        if place.role != GroupRole.OWNER:
            _leave(group, place, at)
            events.publish("group.left", _told(group, member_id, at))
            continue
        admins_first = Case(
            When(role=GroupRole.ADMIN, then=Value(0)),
            default=Value(1),
            output_field=IntegerField(),
        )
        others = _places(group).exclude(pk=place.pk).select_related("member")
        successor = others.order_by(admins_first, "joined_at", "pk").first()
        if successor is None:
            _end(group, at)
            continue
        place.role = GroupRole.MEMBER
        place.save(update_fields=["role"])
        _crown(group, successor, at)
        _leave(group, place, at)
        _record("group.handed_over", successor.member.number, group, None)


def held(group_id: int) -> Group:
    """
    A group's row, held: joining, leaving, and spending what is shared wait for each other.

    :raises UnknownGroup: if there is none, or it has ended
    """
    group = Group.objects.select_for_update(no_key=True).filter(pk=group_id, ended_at=None).first()
    if group is None:
        raise groups.UnknownGroup
    return group


def join(group: Group, member: Member, at: datetime) -> GroupMember:
    """
    Give a member a place in a group that is held.

    :raises GroupFull: :raises InGroupAlready: :raises GroupsNotOffered: if so
    """
    most = require_terms(group.kind, at).members
    if _places(group).count() >= most:
        raise GroupFull(members=most)
    place = take_place(group, member, GroupRole.MEMBER, at)
    events.publish("group.joined", _told(group, member.pk, at))
    return place


def take_place(group: Group, member: Member, role: GroupRole, at: datetime) -> GroupMember:
    try:
        with transaction.atomic():
            return GroupMember.objects.create(
                group=group, member=member, kind=group.kind, role=role, joined_at=at
            )
    except IntegrityError as error:
        raise InGroupAlready from error


def require_terms(kind: str, at: datetime) -> GroupTerms:
    terms = groups.terms(kind, at=at)
    if terms is None:
        raise GroupsNotOffered
    return terms


def require_place(group: Group, member_id: int) -> GroupMember:
    place = _places(group).filter(member_id=member_id).select_related("member").first()
    if place is None:
        raise NotInGroup
    return place


def require_lead(group: Group, by_member: int | None) -> GroupMember | None:
    """:returns: the place of who acts; None for staff"""
    if by_member is None:
        return None
    place = require_place(group, by_member)
    if place.role not in groups.LEADS:
        raise RoleNeeded
    return place


def _places(group: Group) -> QuerySet[GroupMember]:
    return GroupMember.objects.filter(group=group, left_at=None)


def _owner(group: Group) -> GroupMember:
    return _places(group).select_related("member").get(role=GroupRole.OWNER)


def _crown(group: Group, successor: GroupMember, at: datetime) -> None:
    successor.role = GroupRole.OWNER
    successor.save(update_fields=["role"])
    events.publish("group.handed_over", _told(group, successor.member_id, at))


def _leave(group: Group, place: GroupMember, at: datetime) -> None:
    place.left_at, place.shares = at, False
    place.save(update_fields=["left_at", "shares"])
    _vehicles_to_owner(group, place.member_id, at)


def _vehicles_to_owner(group: Group, member_id: int, at: datetime) -> None:
    driven = Product.objects.filter(fleet=group, member_id=member_id, owned_until=None)
    for vehicle in driven.order_by("pk"):
        Product.objects.filter(pk=vehicle.pk).update(owned_until=localdate(at))
        vehicle.pk, vehicle.member_id = None, _owner(group).member_id
        vehicle.save(force_insert=True)


def _end(group: Group, at: datetime) -> None:
    members = list(_places(group).values_list("member_id", flat=True))
    _places(group).update(left_at=at, shares=False)
    Product.objects.filter(fleet=group, owned_until=None).update(fleet=None)
    group.invitations.filter(answered_at=None).update(answered_at=at)
    group.ended_at, group.name = at, ""
    group.save(update_fields=["ended_at", "name"])
    events.publish(
        "group.ended", {"group_id": group.pk, "member_ids": members, "at": at.isoformat()}
    )


def _told(group: Group, member_id: int, at: datetime) -> dict[str, object]:
    return {"group_id": group.pk, "member_id": member_id, "at": at.isoformat()}


def _record(
    action: str, number: str, group: Group, by: User | None, reason: str = "", **details: object
) -> None:
    audit.record(
        action=action, target=number, by=by, reason=reason, details={"group": group.pk, **details}
    )


def _clean(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= NAME_MAX or not name.isprintable():
        raise InvalidGroupName
    return name
