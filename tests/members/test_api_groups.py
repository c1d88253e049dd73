"""Families and companies over REST (M11)."""

import pytest

from members import groups, operations
from members.models import GroupKind
from tests import factories
from tests.factories.groups import family, offered
from tests.factories.members import JOINED
from tests.till import Till, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    return factories.store(code="S1")


@pytest.fixture
def till(shop):
    return Till(factories.api_client(shop.organization))


def company(owner):
    offered()
    return operations.found_group(
        kind=GroupKind.COMPANY, name="远程物流", owner_id=owner.pk, at=JOINED
    )


def test_tells_where_a_member_is_but_not_what_a_family_calls_itself(till):
    of = factories.member()
    house, firm = family(of), company(of)

    found = till.ask(f"members/{of.number}/groups/").json()["results"]

    assert [(each["group"], each["kind"], each["name"], each["shares"]) for each in found] == [
        (house.pk, "FAMILY", None, True),
        (firm.pk, "COMPANY", "远程物流", False),
    ]


def test_puts_a_driver_into_a_company_once(till, shop):
    firm, driver = company(factories.member(store=shop)), factories.member(store=shop)

    first = till.send(f"companies/{firm.pk}/members/", {"member": driver.number})
    again = till.send(f"companies/{firm.pk}/members/", {"member": driver.number})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert groups.places(firm.pk).count() == 2


def test_puts_nobody_into_a_family(till, shop):
    house, other = family(factories.member(store=shop)), factories.member(store=shop)

    answer = till.send(f"companies/{house.pk}/members/", {"member": other.number})

    refused(answer, 409, "companies_only")
    assert groups.places(house.pk).count() == 1


class TestWhoseTheyAre:
    """A dealer puts its own members into its own customers' companies."""

    def put(self, till, firm, driver):
        return till.send(f"companies/{firm.pk}/members/", {"member": driver.number})

    def test_another_dealers_member_is_refused(self, till, shop):
        elsewhere = factories.store(code="S2", organization=factories.dealer(code="other"))
        firm = company(factories.member(store=shop))

        for stranger in (factories.member(store=elsewhere), factories.member()):
            refused(self.put(till, firm, stranger), 403, "not_your_member")

        assert groups.places(firm.pk).count() == 1

    def test_another_dealers_company_is_not_there(self, till, shop):
        firm = company(factories.member())
        house = family(factories.member())
        driver = factories.member(store=shop)

        refused(self.put(till, firm, driver), 404, "unknown_group")
        refused(self.put(till, house, driver), 404, "unknown_group")

        assert groups.places(firm.pk).count() == 1

    def test_who_is_in_it_already_is_told_to_their_dealer_alone(self, till, shop):
        firm = company(owner := factories.member())

        refused(self.put(till, firm, owner), 403, "not_your_member")

    def test_who_bought_at_the_dealer_is_the_dealers_too(self, till, shop):
        firm, driver = company(factories.member(store=shop)), factories.member()
        operations.add_product(
            member_id=driver.pk,
            product=operations.ProductFacts(
                identifier="LSVAM4187C2184841", selling_organization_id=shop.organization_id
            ),
            bound_at=JOINED,
        )

        assert self.put(till, firm, driver).status_code == 201

    def test_the_brand_may_with_everybody(self):
        brand = Till(factories.api_client(factories.brand()))

        assert self.put(brand, company(factories.member()), factories.member()).status_code == 201


def test_what_is_not_there_is_not_found(till, shop):
    of = factories.member(store=shop)

    for answer in (
        till.send("companies/999999/members/", {"member": of.number}),
        till.ask("members/M0000000019/groups/"),
    ):
        assert answer.status_code == 404
