"""What staff do about families and companies, and what they see of them (M11)."""

import pytest
from django.urls import reverse

from common.models import AuditRecord
from members import groups, operations, queries
from members.models import GroupKind, GroupRole
from tests.factories import member
from tests.factories.groups import family, offered
from tests.factories.members import JOINED
from tests.membership.test_product_actions import page

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss_of_firm():
    return member(name="王大明")


def press(client, of, action, **content):
    return client.post(page(action, of), {"reason": "电话要求"} | content)


def company(owner):
    offered()
    return operations.found_group(
        kind=GroupKind.COMPANY, name="远程物流", owner_id=owner.pk, at=JOINED
    )


def test_care_founds_a_company(at_work, boss_of_firm):
    offered()

    press(at_work("customer care"), boss_of_firm, "group-found", name="远程物流")

    place = groups.places_of(boss_of_firm.pk).get()
    assert (str(place.group), place.role) == ("远程物流", GroupRole.OWNER)
    record = AuditRecord.objects.get(action="group.founded")
    assert (record.target, record.reason) == (boss_of_firm.number, "电话要求")


def test_care_puts_a_driver_and_a_vehicle_into_it(at_work, boss_of_firm):
    group, driver, care = company(boss_of_firm), member(), at_work("customer care")

    press(care, driver, "group-join", company=group.pk)
    press(care, driver, "group-vehicle", identifier="TRUCK-1", name="解放J7", purchased_on="")

    assert queries.by_product("TRUCK-1") == driver
    page = care.get(reverse("admin:members_group_change", args=[group.pk])).content.decode()
    assert driver.number in page
    assert "解放J7" in page


def test_a_family_is_joined_by_its_members_alone(at_work, boss_of_firm):
    group, driver = family(boss_of_firm), member()

    answer = press(at_work("customer care"), driver, "group-join", company=group.pk)

    assert answer.status_code == 200
    assert not groups.places_of(driver.pk).exists()


def test_care_takes_somebody_out(at_work, boss_of_firm):
    child = member()
    group = family(boss_of_firm, child)

    press(at_work("customer care"), child, "group-remove", place=group.pk)

    assert not groups.places_of(child.pk).exists()


def test_a_member_s_page_tells_where_they_are(at_work, boss_of_firm):
    family(boss_of_firm)

    page = at_work("auditor").get(reverse("admin:member", args=[boss_of_firm.number]))

    assert "王家" in page.content.decode()
