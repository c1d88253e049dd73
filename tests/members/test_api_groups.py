"""Families and companies over REST (M11)."""

import pytest

from members import groups, operations
from members.models import GroupKind
from tests import factories
from tests.factories.groups import family, offered
from tests.factories.members import JOINED
from tests.till import Till

pytestmark = pytest.mark.django_db


@pytest.fixture
def till():
    return Till(factories.api_client(factories.store(code="S1").organization))


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


def test_puts_a_driver_into_a_company_once(till):
    firm, driver = company(factories.member()), factories.member()

    first = till.send(f"companies/{firm.pk}/members/", {"member": driver.number})
    again = till.send(f"companies/{firm.pk}/members/", {"member": driver.number})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert groups.places(firm.pk).count() == 2


def test_puts_nobody_into_a_family(till):
    house, other = family(factories.member()), factories.member()

    answer = till.send(f"companies/{house.pk}/members/", {"member": other.number})

    assert (answer.status_code, answer.json()["code"]) == (409, "companies_only")
    assert groups.places(house.pk).count() == 1


def test_what_is_not_there_is_not_found(till):
    of = factories.member()

    for answer in (
        till.send("companies/999999/members/", {"member": of.number}),
        till.ask("members/M0000000019/groups/"),
    ):
        assert answer.status_code == 404
