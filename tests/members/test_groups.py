"""Families and companies (M11): who is in them, and who may do what."""

from datetime import timedelta

import pytest

from common.models import AuditRecord, OutboxEvent
from members import groups, operations, queries
from members.models import GroupInvitation, GroupKind, GroupMember, GroupRole, Product
from members.operations import ProductFacts
from tests.factories import member, rulebook, staff
from tests.factories.groups import FAMILIES, family, let_in, offered, share
from tests.factories.members import JOINED

pytestmark = pytest.mark.django_db
LATER = JOINED + timedelta(days=1)


@pytest.fixture
def owner():
    return member(name="王大明")


@pytest.fixture
def child():
    return member(name="王小明")


def roles(group):
    return [(place.member, place.role) for place in groups.places(group.pk)]


def told():
    return list(OutboxEvent.objects.order_by("pk").values_list("name", "payload"))


def company(owner):
    offered()
    return operations.found_group(
        kind=GroupKind.COMPANY, name="远程物流", owner_id=owner.pk, at=JOINED
    )


def invite(group, by, whom, at=LATER):
    return operations.invite_to_group(group_id=group.pk, by_member=by.pk, whom=whom, at=at)


def accept(invitation, who, at=LATER):
    return operations.accept_invitation(invitation_id=invitation.pk, member_id=who.pk, at=at)


class TestFounding:
    def test_makes_the_founder_the_owner(self, owner):
        group = family(owner)

        assert roles(group) == [(owner, GroupRole.OWNER)]
        assert AuditRecord.objects.filter(action="group.founded", target=owner.number).exists()

    def test_is_refused_where_the_rulebook_has_no_groups(self, owner):
        rulebook()

        with pytest.raises(operations.GroupsNotOffered):
            operations.found_group(kind=GroupKind.FAMILY, name="王家", owner_id=owner.pk, at=JOINED)

    def test_one_family_and_one_company_at_most(self, owner):
        family(owner)
        company(owner)

        with pytest.raises(operations.InGroupAlready):
            operations.found_group(kind=GroupKind.FAMILY, name="李家", owner_id=owner.pk, at=JOINED)
        assert groups.places_of(owner.pk).count() == 2

    @pytest.mark.parametrize("name", ["", "  ", "家" * 51, "a\x00b"])
    def test_a_name_that_is_none_is_refused(self, owner, name):
        rulebook(groups=FAMILIES)

        with pytest.raises(operations.InvalidGroupName):
            operations.found_group(kind=GroupKind.FAMILY, name=name, owner_id=owner.pk, at=JOINED)

    def test_a_frozen_member_founds_none(self, owner):
        rulebook(groups=FAMILIES)
        operations.freeze(member_id=owner.pk, by=staff(), reason="")

        with pytest.raises(operations.WrongState):
            operations.found_group(kind=GroupKind.FAMILY, name="王家", owner_id=owner.pk, at=JOINED)


class TestInviting:
    def test_by_phone_reaches_who_has_it_and_shows_no_phone(self, owner, child):
        group = family(owner)

        invitation = invite(group, owner, child.phone)

        assert invitation.member == child
        assert child.phone[-8:-4] not in invitation.asked
        assert ("group.invited", {"invitation_id": invitation.pk, "at": LATER.isoformat()}) in (
            told()
        )

    def test_a_stranger_is_answered_the_same_and_nobody_is_told(self, owner):
        group = family(owner)

        invitation = invite(group, owner, "13900000001")

        assert invitation.member is None
        assert invitation.asked.startswith("139") or invitation.asked.startswith("+86")
        assert groups.waiting(at=LATER).get() == invitation
        assert "group.invited" not in dict(told())

    def test_only_who_leads_invites(self, owner, child):
        group = family(owner, child)

        with pytest.raises(operations.RoleNeeded):
            invite(group, child, member().number)

        operations.set_group_role(
            group_id=group.pk, member_id=child.pk, role=GroupRole.ADMIN, by_member=owner.pk, by=None
        )
        assert invite(group, child, member().number)

    def test_a_stranger_to_the_group_invites_nobody(self, owner, child):
        with pytest.raises(operations.NotInGroup):
            invite(family(owner), child, member().number)

    def test_twice_is_refused_until_the_first_has_lapsed(self, owner, child):
        group = family(owner)
        first = invite(group, owner, child.number)

        with pytest.raises(operations.InvitedAlready):
            invite(group, owner, child.number)

        again = invite(group, owner, child.number, at=first.lapses_at)
        assert list(groups.waiting(at=first.lapses_at)) == [again]

    def test_who_is_in_already_is_not_asked(self, owner, child):
        group = family(owner, child)

        with pytest.raises(operations.InGroupAlready):
            invite(group, owner, child.number)

    def test_a_member_number_with_a_wrong_digit_and_no_phone_is_refused(self, owner):
        from members.phones import InvalidPhone

        with pytest.raises(InvalidPhone):
            invite(family(owner), owner, "M0000000019")


class TestAnswering:
    def test_an_accepted_invitation_gives_a_place_that_shares_nothing(self, owner, child):
        group = family(owner)

        place = accept(invite(group, owner, child.number), child)

        assert (place.role, place.shares) == (GroupRole.MEMBER, False)
        assert roles(group) == [(owner, GroupRole.OWNER), (child, GroupRole.MEMBER)]
        assert told()[-1][0] == "group.joined"

    def test_is_answered_once_and_by_nobody_else(self, owner, child):
        group = family(owner)
        invitation = invite(group, owner, child.number)

        with pytest.raises(operations.InvitationOver):
            accept(invitation, member())
        operations.decline_invitation(invitation_id=invitation.pk, member_id=child.pk, at=LATER)
        with pytest.raises(operations.InvitationOver):
            accept(invitation, child)

    def test_lapses(self, owner, child):
        invitation = invite(family(owner), owner, child.number)

        with pytest.raises(operations.InvitationOver):
            accept(invitation, child, at=invitation.lapses_at)

    def test_can_be_taken_back(self, owner, child):
        group = family(owner)
        invitation = invite(group, owner, child.number)

        operations.withdraw_invitation(
            invitation_id=invitation.pk, group_id=group.pk, by_member=owner.pk, at=LATER
        )

        with pytest.raises(operations.InvitationOver):
            accept(invitation, child)

    def test_a_full_group_has_no_place(self, owner, child):
        group = family(owner, *(member() for _ in range(4)))
        invitation, late = invite(group, owner, child.number), member()
        other = invite(group, owner, late.number)
        accept(invitation, child)

        with pytest.raises(operations.GroupFull) as refusal:
            accept(other, late)

        assert refusal.value.details == {"members": 6}
        assert groups.waiting(at=LATER).get() == other

    def test_who_is_in_another_family_leaves_that_first(self, owner, child):
        family(child)
        invitation = invite(family(owner), owner, child.number)

        with pytest.raises(operations.InGroupAlready):
            accept(invitation, child)


class TestLeaving:
    def test_ends_sharing_at_once(self, owner, child):
        group = family(owner, child)

        operations.leave_group(group_id=group.pk, member_id=child.pk, at=LATER)

        place = GroupMember.objects.get(member=child)
        assert (place.left_at, place.shares) == (LATER, False)
        assert groups.pool_of(owner.pk, at=LATER).others == ()

    def test_an_owner_hands_over_first(self, owner, child):
        group = family(owner, child)

        with pytest.raises(operations.OwnerStays):
            operations.leave_group(group_id=group.pk, member_id=owner.pk, at=LATER)

        operations.hand_over_group(
            group_id=group.pk, to_id=child.pk, at=LATER, by_member=owner.pk, by=None
        )
        operations.leave_group(group_id=group.pk, member_id=owner.pk, at=LATER)
        assert roles(group) == [(child, GroupRole.OWNER)]

    def test_the_last_one_ends_the_group_and_its_name(self, owner):
        group = family(owner)
        invitation = invite(group, owner, member().number)

        operations.leave_group(group_id=group.pk, member_id=owner.pk, at=LATER)

        group.refresh_from_db()
        assert (group.ended_at, group.name) == (LATER, "")
        with pytest.raises(operations.InvitationOver):
            accept(invitation, invitation.member)

    def test_who_left_may_come_back(self, owner, child):
        group = family(owner, child)
        operations.leave_group(group_id=group.pk, member_id=child.pk, at=LATER)

        let_in(group, owner, child, at=LATER)

        assert len(roles(group)) == 2


class TestRemoving:
    def remove(self, group, whom, by):
        operations.remove_from_group(
            group_id=group.pk, member_id=whom.pk, at=LATER, by_member=by and by.pk, by=None
        )

    def test_members_by_who_leads_administrators_by_the_owner(self, owner, child):
        aunt = member()
        group = family(owner, child, aunt)
        for each in (child, aunt):
            operations.set_group_role(
                group_id=group.pk,
                member_id=each.pk,
                role=GroupRole.ADMIN,
                by_member=owner.pk,
                by=None,
            )

        with pytest.raises(operations.RoleNeeded):
            self.remove(group, aunt, by=child)
        with pytest.raises(operations.RoleNeeded):
            self.remove(group, owner, by=child)
        self.remove(group, aunt, by=owner)

        assert roles(group) == [(owner, GroupRole.OWNER), (child, GroupRole.ADMIN)]
        assert told()[-1][0] == "group.removed"

    def test_nobody_removes_the_owner_not_even_staff(self, owner, child):
        group = family(owner, child)

        with pytest.raises(operations.RoleNeeded):
            self.remove(group, owner, by=None)

    def test_staff_remove_an_administrator(self, owner, child):
        group = family(owner, child)
        operations.set_group_role(
            group_id=group.pk, member_id=child.pk, role=GroupRole.ADMIN, by_member=None, by=None
        )

        self.remove(group, child, by=None)

        assert len(roles(group)) == 1


class TestTheOwnersEnd:
    def test_the_longest_serving_administrator_follows(self, owner, child):
        aunt = member()
        group = family(owner, child, aunt)
        operations.set_group_role(
            group_id=group.pk, member_id=aunt.pk, role=GroupRole.ADMIN, by_member=None, by=None
        )

        operations.close(member_id=owner.pk, closed_at=LATER, by=None, reason="")

        assert roles(group) == [(aunt, GroupRole.OWNER), (child, GroupRole.MEMBER)]
        assert not GroupMember.objects.filter(member=owner, left_at=None).exists()

    def test_without_anybody_the_group_ends(self, owner):
        group = family(owner)

        operations.close(member_id=owner.pk, closed_at=LATER, by=None, reason="")

        with pytest.raises(groups.UnknownGroup):
            groups.open_group(group.pk)

    def test_erasing_leaves_the_group_to_the_others(self, owner, child):
        group = family(owner, child)
        operations.request_erasure(member_id=owner.pk, at=JOINED, by=staff())

        operations.erase_due(
            low=owner.pk, high=owner.pk, day=(JOINED + timedelta(days=20)).date(), at=LATER
        )

        assert roles(group) == [(child, GroupRole.OWNER)]
        assert not GroupInvitation.objects.filter(member=owner).exists()


class TestCompanies:
    def test_are_put_together_by_staff_families_are_not(self, owner, child):
        group = company(owner)

        operations.add_to_company(group_id=group.pk, member_id=child.pk, at=LATER, by=staff())

        assert roles(group) == [(owner, GroupRole.OWNER), (child, GroupRole.MEMBER)]
        with pytest.raises(operations.CompaniesOnly):
            operations.add_to_company(group_id=family(owner).pk, member_id=child.pk, at=LATER)

    def test_a_vehicle_goes_to_the_owner_when_its_driver_leaves(self, owner, child):
        group = company(owner)
        operations.add_to_company(group_id=group.pk, member_id=child.pk, at=LATER)
        operations.add_vehicle(
            group_id=group.pk,
            member_id=child.pk,
            vehicle=ProductFacts(identifier="TRUCK-1"),
            at=LATER,
            by=staff(),
            reason="",
        )
        assert queries.by_product("TRUCK-1") == child

        operations.leave_group(group_id=group.pk, member_id=child.pk, at=LATER)

        assert queries.by_product("TRUCK-1") == owner
        assert group.vehicles.get(owned_until=None).member == owner
        assert Product.objects.filter(identifier="TRUCK-1").count() == 2

    def test_without_spenders_nothing_is_shared(self, owner):
        group = company(owner)

        with pytest.raises(operations.SharingNotOffered):
            share(group, owner)


class TestSharing:
    def test_with_one_group_at_a_time(self, owner, child):
        family(owner)
        terms = {"members": 5, "spenders": ["owner"]}
        rulebook(groups=FAMILIES | {"company": terms}, valid_from="1950-01-01")
        firm = operations.found_group(
            kind=GroupKind.COMPANY, name="远程", owner_id=owner.pk, at=JOINED
        )

        with pytest.raises(operations.SharesElsewhere):
            share(firm, owner)

    def test_who_does_not_share_has_no_pool(self, owner, child):
        group = family(owner, child)
        assert groups.pool_of(child.pk, at=LATER).others == (owner.pk,)

        operations.share_points(
            group_id=group.pk, member_id=child.pk, shares=False, monthly_points=None, at=LATER
        )

        assert groups.pool_of(child.pk, at=LATER) is None
        assert groups.pool_of(owner.pk, at=LATER).others == ()

    def test_only_roles_that_may_spend_have_one(self, owner, child):
        family(owner, child)
        rulebook(groups={"family": {"members": 6, "spenders": ["owner"]}}, valid_from="1950-01-01")

        assert groups.pool_of(owner.pk, at=LATER).others == (child.pk,)
        assert groups.pool_of(child.pk, at=LATER) is None
