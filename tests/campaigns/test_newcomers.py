"""Who comes with a file of purchases gets the gifts and tasks of those who join by other ways."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common import events
from common.models import OutboxEvent
from members import operations as members
from members.models import ExternalNumber
from points.models import Account, Activity, Entry
from tests.factories import main_store, member, staff
from tests.factories.activities import named, rewarding
from tests.factories.plans import campaigning, plan
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db

WELCOME = named("welcome", when="joined", points="100")
HELLO = named("hello", when="activated", points="30")
JOIN, GO = named("join", when="joined", points="5"), named("go", when="activated", points="7")
ROWS = ["A-1,C1,100.00,2026-06-02", "A-2,C1,100.00,2026-06-01", "A-3,C2,50.00,2026-06-03"]


def deliver():
    events.deliver_waiting(now=datetime(2100, 1, 1, tzinfo=UTC))


@pytest.fixture
def imported(tmp_path):
    def imported(*rows):
        path = tmp_path / "purchases.csv"
        path.write_text("\n".join(["reference,member,amount,at", *rows, ""]))
        call_command(
            "import_purchases", str(path), "--store", "MAIN", "--enroll", stdout=StringIO()
        )

    return imported


def balances():
    listed = ExternalNumber.objects.values_list("number", "member_id")
    found = dict(Account.objects.values_list("member_id", "balance"))
    return {number: found.get(member_id, 0) for number, member_id in listed}


def enroll(count, at=NOON):
    return members.enroll_many(
        newcomers=[members.Newcomer(external_number=f"N{n}", joined_at=at) for n in range(count)],
        organization_id=main_store().organization_id,
        store_id=main_store().pk,
    )


def test_gifts_and_tasks_come_as_to_those_who_join_by_themselves(imported):
    rewarding(gifts=[WELCOME, HELLO], tasks=[JOIN, GO])

    imported(*ROWS)
    assert balances() == {"C1": 20, "C2": 5}
    deliver()

    by_itself = member(joined_at=NOON)
    deliver()
    assert Account.objects.get(pk=by_itself.pk).balance == 142
    assert balances() == {"C1": 162, "C2": 147}
    first = ExternalNumber.objects.get(number="C1").member
    gift = Entry.objects.get(reference=f"gift:welcome:{first.number}")
    # The day of the earliest purchase in the file.
    assert gift.effective_at == first.joined_at == datetime(2026, 5, 31, 16, tzinfo=UTC)


def test_nothing_comes_twice(imported):
    rewarding(gifts=[WELCOME], tasks=[JOIN])
    imported(*ROWS)
    deliver()
    before = balances()

    OutboxEvent.objects.filter(name="members.joined").update(delivered_at=None)
    deliver()
    imported(*ROWS, "A-4,C1,10.00,2026-06-04")
    deliver()

    assert balances() == {"C1": before["C1"] + 1, "C2": before["C2"]}


def test_nobody_who_was_a_member_before_is_welcomed_again(imported):
    of = member()
    deliver()
    rewarding(gifts=[WELCOME])

    imported(f"A-1,{of.number},100.00,2026-06-02")
    deliver()

    assert Account.objects.get(pk=of.pk).balance == 10
    assert not OutboxEvent.objects.filter(name="members.joined").exists()


def test_who_is_frozen_meanwhile_gets_nothing_and_harms_none_of_the_others():
    rewarding(gifts=[WELCOME], tasks=[JOIN])
    frozen = enroll(3)["N1"]
    members.freeze(member_id=frozen.id, by=staff(), reason="查询中")

    deliver()

    assert balances() == {"N0": 105, "N1": 0, "N2": 105}
    joined = OutboxEvent.objects.filter(name="members.joined").order_by("subscriber")
    assert [(event.subscriber, event.delivered_at is None) for event in joined] == [
        ("benefits.subscribers.rights.welcome_many", False),
        ("campaigns.subscribers.welcome_many", False),
    ]


def test_each_is_judged_by_the_day_they_joined():
    campaigning(plan("spring", "welcome"), gifts=[WELCOME])
    enroll(1, at=datetime(2026, 6, 30, 15, tzinfo=UTC))
    members.enroll_many(
        newcomers=[
            members.Newcomer(external_number="late", joined_at=datetime(2026, 7, 1, tzinfo=UTC))
        ],
        organization_id=main_store().organization_id,
        store_id=main_store().pk,
    )

    deliver()

    assert balances() == {"N0": 100, "late": 0}


def test_gifts_cost_the_same_however_many_they_are():
    rewarding(gifts=[WELCOME, HELLO])

    def queries(count):
        numbers = [f"{count}-{n}" for n in range(count)]
        members.enroll_many(
            newcomers=[members.Newcomer(external_number=n, joined_at=NOON) for n in numbers],
            organization_id=main_store().organization_id,
            store_id=main_store().pk,
        )
        with CaptureQueriesContext(connection) as done:
            deliver()
        return len(done)

    queries(1)
    assert queries(100) == queries(2)


def test_without_gifts_or_tasks_nothing_is_asked_of_anybody():
    rewarding()
    enroll(50)

    deliver()

    assert not Account.objects.exists()
    assert not Activity.objects.exists()
