"""After a change of phone no points leave the account for two days (takeover by a phone number)."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from common.models import AuditRecord
from members import operations as members
from members import queries
from members.queries import SpendingStopped
from points import operations
from points.queries import balance
from tests import factories
from tests.benefits.buying import order, rich
from tests.benefits.plan import publish
from tests.benefits.shop import listed
from tests.factories.points import NOON
from tests.till import Till, refused

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
NEW = "+8613900139000"


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def of():
    factories.rulebook(transfers={"limits": [{"days": 1, "count": 9}]})
    of = factories.identity(factories.member(phone="+8613800138000"))
    factories.lot(of, 100)
    return of


@pytest.fixture
def till(of):
    return Till(factories.api_client(factories.store(code="S1").organization))


def move(of, at=NOON):
    members.update_profile(
        member_id=of.id, changes={"phone": NEW}, at=at, by=factories.staff(), reason="来电"
    )


def bill(of, **more):
    return {"reference": "B-1", "member": of.number, "store": "S1", "points": 9} | more


def transfer(of, other):
    return {"reference": "G-1", "giver": of.number, "receiver": other.number, "points": 9}


def test_redemptions_holds_and_transfers_are_refused_and_say_until_when(of, till):
    other = factories.identity()
    move(of)

    for call, said in [
        ("redemptions/", bill(of)), ("holds/", bill(of)), ("transfers/", transfer(of, other)),
    ]:  # fmt: skip
        problem = refused(till.send(call, said), 409, "spending_stopped")
        assert problem["details"] == {"number": of.number, "until": "2026-06-17T12:00:00+08:00"}
    assert balance(of.id) == 100
    with override("en"), pytest.raises(SpendingStopped, match=r"06/17/2026"):
        queries.identify(of.number).require_can_spend(NOON)


def test_after_two_days_and_by_whoever_receives_they_are_taken(of, till, clock):
    other = factories.identity()
    factories.lot(other, 50)
    move(of)

    assert till.send("transfers/", transfer(other, of)).status_code == 201
    clock.shift(48 * HOUR - timedelta(seconds=1))
    till = Till(factories.api_client(factories.store(code="S2").organization))
    refused(till.send("redemptions/", bill(of, store="S2")), 409, "spending_stopped")
    clock.shift(timedelta(seconds=1))
    assert till.send("redemptions/", bill(of, store="S2")).status_code == 201


def test_what_was_spent_before_is_told_later_and_repeated(of, till, clock):
    assert till.send("redemptions/", bill(of)).status_code == 201
    before = (NOON - HOUR).isoformat()
    move(of)

    assert till.send("redemptions/", bill(of)).status_code == 200
    late = till.send("redemptions/", bill(of, reference="B-2", at=before))
    assert late.status_code == 201, late.content


def test_who_had_no_phone_before_is_not_stopped(till):
    of = factories.identity(factories.member(phone=""))
    factories.lot(of, 100)
    move(of)

    assert till.send("redemptions/", bill(of)).status_code == 201


def test_another_field_stops_nothing(of, till):
    members.update_profile(
        member_id=of.id, changes={"city": "上海"}, at=NOON, by=factories.staff(), reason="来电"
    )

    assert till.send("redemptions/", bill(of)).status_code == 201


def test_staff_release_it_with_a_reason(of, till):
    move(of)
    by = factories.staff()
    members.release_spending(member_id=of.id, by=by, reason="本人到店", at=NOON)

    assert till.send("redemptions/", bill(of)).status_code == 201
    record = AuditRecord.objects.get(action="member.spending_released")
    assert (record.target, record.reason) == (of.number, "本人到店")
    with pytest.raises(members.NotStopped):
        members.release_spending(member_id=of.id, by=by, reason="又一次", at=NOON)


def test_an_order_is_refused_too_and_the_pages_say_so():
    publish()
    of = rich(phone="+8613800138000")
    item = listed(pieces=1)
    move(of)

    with pytest.raises(SpendingStopped):
        order(queries.identity_of(of.id), item, at=NOON)
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(members.login_for(member_id=of.id))
    for page in (reverse("home"), reverse("benefits:order_item", args=[item.code])):
        assert "06/17/2026" in client.get(page).content.decode()


@pytest.mark.parametrize("find", [
    lambda of: queries.identify(of.number),
    lambda of: queries.identify_many([of.number])[of.number],
    lambda of: queries.survivors([of.id])[of.id],
    lambda of: queries.identity_of(of.id),
    lambda of: queries.identities_of([of.id])[of.id],
])  # fmt: skip
def test_however_a_member_is_found(of, find):
    move(of)

    found = find(of)
    assert found.named_id is None
    with pytest.raises(SpendingStopped):
        operations.redeem(member=found, points=1, at=NOON, reference="X", source=factories.source())
