"""A member's family and company on the own pages (M11)."""

import pytest
from django.test import Client
from django.utils import timezone

from members import groups, operations
from members.models import GroupMember, GroupRole
from tests.factories import identity, lot, member
from tests.factories.groups import family, offered

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return member(name="王大明")


@pytest.fixture
def child():
    return member(name="王小明")


def logged_in(who):
    client = Client()
    client.force_login(operations.login_for(member_id=who.pk))
    return client


def text_of(response):
    return response.content.decode()


def invite(group, owner, whom):
    return operations.invite_to_group(
        group_id=group.pk, by_member=owner.pk, whom=whom.number, at=timezone.now()
    )


class TestMyGroups:
    def test_founds_a_family(self, owner):
        offered()
        client = logged_in(owner)

        answer = client.post("/groups/", {"kind": "FAMILY", "name": "王家"})

        place = GroupMember.objects.get(member=owner)
        assert answer["Location"] == f"/groups/{place.group_id}/"
        assert "王家" in text_of(client.get("/groups/"))
        assert "COMPANY" in text_of(client.get("/groups/"))

    def test_offers_nothing_the_programme_has_not(self, owner):
        assert 'name="kind"' not in text_of(logged_in(owner).get("/groups/"))

    def test_an_invitation_names_who_asks_no_further_than_needed(self, owner, child):
        group = family(owner)
        invite(group, owner, child)

        page = text_of(logged_in(child).get("/groups/"))

        assert "王家" in page
        assert "王**" in page
        assert "王大明" not in page

    def test_accepting_leads_to_the_group_declining_does_not(self, owner, child):
        group = family(owner)
        client = logged_in(child)
        first = invite(group, owner, child)
        client.post(f"/groups/invitations/{first.pk}/", {"decline": "1"})
        assert not groups.places_of(child.pk).exists()

        second = invite(group, owner, child)
        answer = client.post(f"/groups/invitations/{second.pk}/", {"accept": "1"})

        assert answer["Location"] == f"/groups/{group.pk}/"
        assert client.get(answer["Location"]).status_code == 200

    def test_another_ones_invitation_is_not_there(self, owner, child):
        invitation = invite(family(owner), owner, child)

        answer = logged_in(member()).post(f"/groups/invitations/{invitation.pk}/", {"accept": "1"})

        assert answer.status_code == 404
        assert not groups.places_of(child.pk).exists()


class TestAGroup:
    def test_is_for_who_is_in_it(self, owner, child):
        group = family(owner)

        assert logged_in(child).get(f"/groups/{group.pk}/").status_code == 404
        assert logged_in(child).post(f"/groups/{group.pk}/leave/").status_code == 404
        assert Client().get(f"/groups/{group.pk}/").status_code == 302

    def test_shows_the_own_points_and_what_others_share(self, owner, child):
        group = family(owner, child)
        lot(identity(owner), 1200, expires_on=timezone.localdate().replace(year=2099))
        lot(identity(child), 3400, expires_on=timezone.localdate().replace(year=2099))

        page = text_of(logged_in(owner).get(f"/groups/{group.pk}/"))

        assert "1,200" in page
        assert "3,400" in page
        assert "王小明" in page

    def test_inviting_a_stranger_looks_like_inviting_a_member(self, owner, child):
        group = family(owner)
        client = logged_in(owner)

        pages = []
        for whom in (child.phone, "13900000009"):
            answer = client.post(f"/groups/{group.pk}/", {"whom": whom})
            assert answer["Location"] == f"/groups/{group.pk}/?invited"
            pages.append(groups.waiting(at=timezone.now()).last())
        assert pages[0].member == child
        assert pages[1].member is None
        page = text_of(client.get(f"/groups/{group.pk}/"))
        assert page.count(f"/groups/{group.pk}/invitations/") == 2

    def test_an_invitation_is_taken_back(self, owner, child):
        group = family(owner)
        invitation = invite(group, owner, child)

        logged_in(owner).post(f"/groups/{group.pk}/invitations/{invitation.pk}/")

        assert not groups.waiting(at=timezone.now()).exists()

    def test_sharing_is_switched_by_oneself_alone(self, owner, child):
        group = family(owner, child, shares=False)
        client = logged_in(child)

        client.post(f"/groups/{group.pk}/share/", {"shares": "on", "monthly_points": "500"})

        place = GroupMember.objects.get(member=child)
        assert (place.shares, place.monthly_points) == (True, 500)
        assert not GroupMember.objects.get(member=owner).shares
        client.post(f"/groups/{group.pk}/share/", {})
        place.refresh_from_db()
        assert (place.shares, place.monthly_points) == (False, None)

    def test_a_limit_that_is_none_is_refused(self, owner):
        group = family(owner, shares=False)

        answer = logged_in(owner).post(
            f"/groups/{group.pk}/share/", {"shares": "on", "monthly_points": "0"}
        )

        assert answer.status_code == 200
        assert not GroupMember.objects.get(member=owner).shares


class TestDeeds:
    def test_are_done_only_after_a_second_look(self, owner, child):
        group = family(owner, child)
        client = logged_in(child)

        assert client.get(f"/groups/{group.pk}/leave/").status_code == 200
        assert groups.places(group.pk).count() == 2
        assert client.post(f"/groups/{group.pk}/leave/")["Location"] == "/groups/"
        assert groups.places(group.pk).count() == 1

    def test_an_owner_who_leaves_others_is_told_to_hand_over(self, owner, child):
        group = family(owner, child)

        answer = logged_in(owner).post(f"/groups/{group.pk}/leave/")

        assert answer.status_code == 409
        assert groups.places(group.pk).count() == 2

    @pytest.mark.parametrize(
        ("deed", "role"),
        [("administrator", GroupRole.ADMIN), ("hand-over", GroupRole.OWNER)],
    )
    def test_the_owner_gives_roles(self, owner, child, deed, role):
        group = family(owner, child)

        answer = logged_in(owner).post(f"/groups/{group.pk}/{deed}/?whom={child.number}")

        assert answer.status_code == 302
        assert groups.place_in(group.pk, child.pk).role == role

    @pytest.mark.parametrize("deed", ["dissolve", "remove", "hand-over", "administrator"])
    def test_a_member_without_a_role_finds_none_of_them(self, owner, child, deed):
        group = family(owner, child)

        answer = logged_in(child).post(f"/groups/{group.pk}/{deed}/?whom={owner.number}")

        assert answer.status_code == 404
        assert groups.places(group.pk).first().member == owner

    def test_dissolving_ends_it_for_all(self, owner, child):
        group = family(owner, child)

        logged_in(owner).post(f"/groups/{group.pk}/dissolve/")

        assert not GroupMember.objects.filter(left_at=None).exists()

    def test_whoever_is_not_in_it_cannot_be_meant(self, owner):
        group = family(owner)

        for whom in (member().number, "M1", ""):
            answer = logged_in(owner).get(f"/groups/{group.pk}/remove/?whom={whom}")
            assert answer.status_code == 404
