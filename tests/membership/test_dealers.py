"""Staff of a dealer see and act on that dealer's members, and on nobody else's (M12)."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone

from members import operations, reach
from members.models import Application, Member, Product
from membership import dealers
from partners.models import Placement
from points.models import Entry
from tests.factories import application, dealer, identity, lot, member, rulebook, staff, store
from tests.factories.points import NOON
from tests.membership.conftest import console
from tests.membership.test_console import text_of

pytestmark = pytest.mark.django_db
VIN = "LSVAM4187C2184841"


@pytest.fixture(autouse=True)
def _rules():
    rulebook(joining="approved_by_dealer")


@pytest.fixture
def shop():
    return store()


def placed(organization=None, *, role="", everything=False):
    """A browser of somebody who works for a dealer."""
    user = staff(is_superuser=False)
    if everything:
        user.user_permissions.set(Permission.objects.all())
    if role:
        user.groups.add(Group.objects.get(name=role))
    if organization:
        Placement.objects.create(user=user, organization=organization)
    client = console(user)
    client.user = user
    return client


@pytest.fixture
def own(shop):
    one = member(store=shop, name="诸葛孔明")
    lot(identity(one), 100)
    return one


def of_member():
    """Every page of the console about one member."""
    return [
        name
        for name in admin.site.urls[0]
        if isinstance(name, URLPattern) and "<str:number>" in str(name.pattern)
    ]


def pages(one):
    entry = Entry.objects.get(member=one)
    names = [each.name for each in of_member() if each.name not in dealers.CLOSED]
    found = {name: reverse(f"admin:{name}", args=[one.number]) for name in names}
    return found | {
        "entry": reverse("admin:entry", args=[f"{one.number}-{entry.seq}"]),
        "change": reverse("admin:members_member_change", args=[one.pk]),
    }


class TestOneMember:
    def test_every_page_is_closed_to_another_dealers_staff_and_open_to_their_own(self, own, shop):
        theirs = placed(shop.organization, everything=True)
        others = placed(store().organization, everything=True)
        nobodys = placed(role="store clerk")
        found = pages(own)

        assert len(found) > 15
        assert {name: theirs.get(path).status_code for name, path in found.items()} == {
            name: 302 if name == "change" else 200 for name in found
        }
        for client in (others, nobodys):
            for name, path in found.items():
                for answer in (client.get(path), client.post(path, {"reason": "x"})):
                    assert answer.status_code in (302, 403, 404), name
                    assert "诸葛孔明" not in answer.content.decode(), name
                    if answer.status_code == 302:
                        # Django's own way to say that there is no such row.
                        assert own.number not in answer["Location"], name
        own.refresh_from_db()
        assert own.status == "ACTIVE"
        assert Entry.objects.count() == 1

    def test_what_shows_more_or_names_a_second_member_is_closed_to_all_dealers(self, own, shop):
        client = placed(shop.organization, everything=True)

        for name in dealers.CLOSED:
            path = reverse(f"admin:{name}", args=[own.number])
            assert client.get(path).status_code == 403, name
            assert client.post(path, {"reason": "x"}).status_code == 403, name

    def test_a_buyers_dealer_is_theirs_too_until_the_product_is_gone(self, own):
        seller = dealer()
        client = placed(seller, role="store clerk")
        page = reverse("admin:member", args=[own.number])
        assert client.get(page).status_code == 404

        operations.add_product(
            member_id=own.pk,
            product=operations.ProductFacts(identifier=VIN, selling_organization_id=seller.pk),
            bound_at=NOON,
        )
        assert client.get(page).status_code == 200
        Product.objects.update(owned_until="2026-06-01")
        assert client.get(page).status_code == 404

    def test_staff_of_the_brand_see_all(self, own):
        client = placed(role="customer care")

        assert client.get(reverse("admin:member", args=[own.number])).status_code == 200


class TestTheRest:
    def test_every_other_page_is_closed_whatever_the_permissions(self, shop):
        client = placed(shop.organization, everything=True)
        answers = {}
        for pattern in get_resolver().url_patterns:
            if str(pattern.pattern) != "console/":
                continue
            for name, path in self.others(pattern):
                answers[name] = client.get(path).status_code

        assert len(answers) > 60
        assert {name for name, status in answers.items() if status not in (403, 404)} == set()

    def others(self, console_urls, prefix="/console/"):
        for each in console_urls.url_patterns:
            if not isinstance(each, URLPattern):
                yield from self.others(each, prefix + str(each.pattern))
                continue
            name = each.name or ""
            if name in dealers.OPEN or name == "member" or name.startswith("member-"):
                continue
            path = prefix + str(each.pattern)
            for kind, value in (("<int:", "1"), ("<str:", "x"), ("<path:", "1"), ("<", "1")):
                while kind in path:
                    start = path.index(kind)
                    path = path[:start] + value + path[path.index(">", start) + 1 :]
            if "^" not in path and "(" not in path:
                yield name or path, path

    def test_lists_and_searches_find_only_their_own(self, own, shop):
        stranger = member(name="司马懿")
        client = placed(shop.organization, role="store clerk")
        page = reverse("admin:members_member_changelist")

        for asked in ({}, {"q": stranger.number}, {"q": "司马"}, {"q": stranger.phone[3:]}):
            seen = text_of(client.get(page, asked))
            assert "司马懿" not in seen
        assert own.number in text_of(client.get(page))
        assert own.number in text_of(client.get(page, {"q": own.number}))

    def test_the_first_page_tells_no_figures_of_all_dealers(self, own, shop):
        client = placed(shop.organization, everything=True)

        context = client.get(reverse("admin:index")).context

        assert not {"activities", "audit_records", "backlog", "nights"} & set(context.keys())

    def test_a_role_of_dealers_without_a_dealer_sees_nobody(self, own):
        client = placed(role="dealer manager")

        assert own.number not in text_of(client.get(reverse("admin:members_member_changelist")))
        assert list(reach.of(client.user).members()) == []

    def test_a_placement_without_a_dealer_limits_no_other_role(self):
        client = placed(role="customer care")
        Placement.objects.create(user=client.user)

        assert not reach.of(client.user).is_limited

    def test_in_few_queries(self, own, shop, django_assert_max_num_queries):
        client = placed(shop.organization, role="dealer manager")
        page = reverse("admin:member", args=[own.number])

        with django_assert_max_num_queries(12):
            assert client.get(page).status_code == 200


class TestApplications:
    @pytest.fixture
    def made(self, shop):
        return application("+8613800138000", store=shop)

    def path(self, made, name="change"):
        return reverse(f"admin:members_application_{name}", args=[made.pk])

    def test_are_decided_by_the_dealers_own_staff(self, made, shop):
        client = placed(shop.organization, role="dealer manager")
        assert made.number in text_of(client.get(reverse("admin:members_application_changelist")))
        assert self.path(made, "approve") in client.get(self.path(made)).content.decode()

        client.post(self.path(made, "approve"))

        assert Member.objects.get().enrolling_store == shop

    def test_are_not_there_for_another_dealers(self, made):
        client = placed(dealer(), role="dealer manager")
        assert made.number not in text_of(
            client.get(reverse("admin:members_application_changelist"))
        )
        for name in ("change", "approve", "refuse"):
            assert client.get(self.path(made, name)).status_code == 404
            assert client.post(self.path(made, name)).status_code == 404
        client.post(
            reverse("admin:members_application_changelist"),
            {"action": "approve_chosen", "_selected_action": [made.pk], "confirmed": "yes"},
        )

        assert Application.objects.get().is_waiting

    def test_are_the_brands_to_decide_where_the_rulebook_says_so(self, made, shop):
        rulebook(valid_from="1900-01-02", joining="approved_by_brand")
        client = placed(shop.organization, role="dealer manager")
        assert client.get(self.path(made)).status_code == 200
        assert self.path(made, "approve") not in client.get(self.path(made)).content.decode()

        assert client.post(self.path(made, "approve")).status_code == 403
        client.post(
            reverse("admin:members_application_changelist"),
            {"action": "approve_chosen", "_selected_action": [made.pk], "confirmed": "yes"},
        )
        with pytest.raises(operations.NotYoursToDecide):
            operations.approve_application(
                application_id=made.pk, by=client.user, at=timezone.now()
            )

        assert Application.objects.get().is_waiting

    def test_a_clerk_decides_none(self, made, shop):
        client = placed(shop.organization, role="store clerk")

        assert client.get(self.path(made)).status_code == 200
        assert client.post(self.path(made, "approve")).status_code == 403
