"""A member's benefits over REST: what is left, delivering and undoing."""

from datetime import timedelta

import pytest
import time_machine

from benefits.models import Right, Step
from members import cards
from tests import factories
from tests.benefits.plan import always, deliver, discount, night, noon, on, publish, service
from tests.till import Till, refused

pytestmark = pytest.mark.django_db

NOW = noon("2026-07-05")


@pytest.fixture(autouse=True)
def _in_july():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def of():
    publish(
        service("wash", t1=2),
        always("tow", "t1"),
        discount("off", categories=["labour"], days_of_month=[8], t1="85"),
    )
    one = on("t1")
    night("2026-07-01")
    return one


@pytest.fixture
def store():
    return factories.store(code="S1")


@pytest.fixture
def till(store):
    return Till(factories.api_client(store.organization))


def delivery(of, **more):
    return {"member": of.number, "store": "S1", "benefit": "wash"} | more


class TestBenefits:
    def test_tells_what_is_left_and_until_when(self, till, of):
        answer = till.ask(f"members/{of.number}/benefits/")

        assert answer.status_code == 200
        wash, tow, off = answer.json()["benefits"]
        ids = list(Right.objects.order_by("ordinal").values_list("pk", flat=True))
        assert wash == {
            "code": "wash",
            "names": {"zh-hans": "wash", "en": "Wash"},
            "descriptions": {},
            "source": "own",
            "kind": "service",
            "per": "month",
            "times": 2,
            "pays": None,
            "categories": [],
            "today": True,
            "left": 2,
            "rights": [
                {
                    "id": each, "state": "GRANTED", "last_on": "2026-07-31", "booked_for": None,
                    "store": None,
                }
                for each in ids
            ],
        }  # fmt: skip
        assert (tow["per"], tow["times"], tow["left"]) == ("always", None, None)
        assert (off["pays"], off["categories"], off["today"]) == ("85", ["labour"], False)

    def test_nobody_unknown_and_not_without_the_scope(self, till, of, store):
        refused(till.ask("members/M0000000000/benefits/"), 404, "unknown_member")
        other = Till(factories.api_client(store.organization), scopes=["points:read"])
        refused(other.ask(f"members/{of.number}/benefits/"), 403, "insufficient_scope")


class TestDelivering:
    def test_uses_up_one(self, till, of, store):
        answer = till.send("deliveries/", delivery(of, note="ok"))

        assert answer.status_code == 201, answer.content
        right = Right.objects.get(state="DELIVERED")
        assert answer.json() == {
            "id": right.pk,
            "member": of.number,
            "benefit": "wash",
            "store": "S1",
            "state": "DELIVERED",
            "delivered_at": "2026-07-05T12:00:00+08:00",
            "left": 1,
        }
        step = Step.objects.get(kind="DELIVERED")
        assert (step.proof, step.store, step.client.organization) == (
            "STORE", store, store.organization,
        )  # fmt: skip

    def test_a_repeat_with_its_key_delivers_nothing_more(self, till, of):
        first = till.send("deliveries/", delivery(of), key="k-1")
        again = till.send("deliveries/", delivery(of), key="k-1")

        assert (again.status_code, again.content) == (201, first.content)
        assert Right.objects.filter(state="DELIVERED").count() == 1

    def test_with_the_members_code(self, till, of):
        answer = till.send("deliveries/", delivery(of, card=cards.code(of.id, at=NOW)))

        assert answer.status_code == 201
        assert Step.objects.get(kind="DELIVERED").proof == "CARD"

    def test_refusals(self, till, of):
        other = cards.code(factories.identity().id, at=NOW)
        refused(till.send("deliveries/", delivery(of, card=other)), 422, "another_members_code")
        refused(till.send("deliveries/", delivery(of, card="x")), 422, "invalid_card")
        refused(till.send("deliveries/", delivery(of, benefit="no")), 404, "unknown_benefit")
        refused(till.send("deliveries/", delivery(of, benefit="off")), 409, "not_counted")
        refused(till.send("deliveries/", delivery(of, store="S9")), 422, "unknown_store")
        till.send("deliveries/", delivery(of))
        till.send("deliveries/", delivery(of))
        refused(till.send("deliveries/", delivery(of)), 409, "nothing_left")
        assert Step.objects.filter(kind="DELIVERED").count() == 2


class TestUndoing:
    def test_gives_it_back(self, till, of):
        right = till.send("deliveries/", delivery(of)).json()["id"]

        answer = till.send(f"deliveries/{right}/undo/", {"store": "S1"})

        assert answer.status_code == 200, answer.content
        assert (answer.json()["state"], answer.json()["left"]) == ("GRANTED", 2)
        refused(till.send(f"deliveries/{right}/undo/", {"store": "S1"}), 404, "unknown_right")

    def test_in_time(self, till, of):
        right = till.send("deliveries/", delivery(of)).json()["id"]

        with time_machine.travel(NOW + timedelta(minutes=16), tick=False):
            late = till.send(f"deliveries/{right}/undo/", {"store": "S1"})
        refused(late, 409, "too_late_to_undo")

    def test_of_another_store_nothing_is_told(self, of):
        right = deliver(of, "wash").pk
        factories.store(code="S2")
        other = Till(factories.api_client(factories.store(code="S3").organization))

        for asked in (right, 2**70):
            answer = other.send(f"deliveries/{asked}/undo/", {"store": "S3"})
            refused(answer, 404, "unknown_right")
