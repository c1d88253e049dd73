"""Orders that members collect, led by the stores' own systems over REST."""

import pytest
import time_machine

from benefits.models.orders import OrderStep
from members import cards
from tests import factories
from tests.benefits.buying import AT, HOME, at_store, collectable, order, rich
from tests.benefits.plan import publish
from tests.factories import store
from tests.till import Till, refused

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_july():
    publish()
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def place():
    return store(code="S1")


@pytest.fixture
def till(place):
    return Till(factories.api_client(place.organization))


@pytest.fixture
def item():
    return collectable(handovers=("STORE", "SHIP"), pieces=50)


@pytest.fixture
def of():
    return rich(name="王小明", points=90_000)


def numbers(answer):
    assert answer.status_code == 200, answer.content
    return [each["number"] for each in answer.json()["results"]]


def step(till, made, name, **said):
    return till.send(f"orders/{made.number}/{name}/", {"store": "S1"} | said)


def test_a_store_leads_an_order_to_its_member(till, place, item, of):
    made = order(of, item, 2, delivery=at_store(place))

    assert numbers(till.ask("orders/?state=PAID")) == [made.number]
    assert step(till, made, "pick").json()["state"] == "PICKED"
    answer = step(till, made, "ready")
    told = answer.json()
    assert (told["state"], told["member"], told["name"]) == ("READY", of.number, "王**")
    assert (told["quantity"], told["points"], told["cash"]) == (2, 2000, "0.00")
    assert told["store"] == "S1"
    assert told["due_at"].startswith("2026-08-04")
    assert "王小明" not in answer.content.decode()
    assert numbers(till.ask("orders/?state=PAID")) == []

    card = cards.code(of.id, at=AT)
    for _twice in range(2):
        assert step(till, made, "handover", card=card).json()["state"] == "RECEIVED"
    taken = OrderStep.objects.filter(order=made, taker="CLIENT").order_by("nth")
    assert [each.kind for each in taken] == ["PICKED", "READY", "RECEIVED"]
    assert till.ask(f"orders/{made.number}/").json()["state"] == "RECEIVED"


def test_only_in_this_order_and_only_to_the_member(till, place, item, of):
    made = order(of, item, delivery=at_store(place))

    refused(step(till, made, "ready"), 409, "wrong_order_state")
    card = cards.code(of.id, at=AT)
    refused(step(till, made, "handover", card=card), 409, "wrong_order_state")
    for _twice in range(2):
        assert step(till, made, "pick").status_code == 200
    step(till, made, "ready")
    refused(step(till, made, "pick"), 409, "wrong_order_state")
    other = cards.code(rich().id, at=AT)
    refused(step(till, made, "handover", card=other), 422, "another_members_code")
    refused(step(till, made, "handover", card="x"), 422, "invalid_card")


def test_other_stores_orders_are_not_there(till, place, item, of):
    theirs = order(of, item, delivery=at_store(store(code="S2")))
    sent = order(of, item, delivery=HOME)
    ours = order(of, item, delivery=at_store(place))

    assert numbers(till.ask("orders/")) == [ours.number]
    assert numbers(till.ask(f"members/{of.number}/orders/")) == [ours.number]
    for each in (theirs, sent):
        refused(till.ask(f"orders/{each.number}/"), 404, "unknown_order")
        refused(step(till, each, "pick"), 404, "unknown_order")
    refused(step(till, ours, "pick", store="S2"), 422, "unknown_store")
    refused(till.ask("orders/?store=S2"), 422, "unknown_store")
    for number in ("D1", "D00000000012", "M0000000018"):
        refused(till.ask(f"orders/{number}/"), 404, "unknown_order")


def test_a_client_of_one_store_sees_that_one_only(place, item, of):
    other = store(code="S3", organization=place.organization)
    there = order(of, item, delivery=at_store(other))
    here = order(of, item, delivery=at_store(place))
    till = Till(factories.api_client(place.organization, stores=[place]))

    assert numbers(till.ask("orders/")) == [here.number]
    refused(till.ask(f"orders/{there.number}/"), 404, "unknown_order")
    whole = Till(factories.api_client(place.organization))
    assert numbers(whole.ask("orders/")) == [there.number, here.number]
    assert numbers(whole.ask("orders/?store=S1")) == [here.number]


def test_page_by_page_in_few_questions(till, place, item, of, django_assert_max_num_queries):
    made = [order(of, item, delivery=at_store(place)).number for _ in range(5)]

    answer = till.ask("orders/?limit=2")
    assert numbers(answer) == made[:2]
    cursor = answer.json()["next_cursor"]
    with django_assert_max_num_queries(3):
        answer = till.ask(f"orders/?limit=3&cursor={cursor}")
    assert (numbers(answer), answer.json()["next_cursor"]) == (made[2:], None)
    assert till.ask("orders/?cursor=xx").status_code == 422


def test_each_call_needs_its_scope(place, item, of):
    made = order(of, item, delivery=at_store(place))
    reader = Till(factories.api_client(place.organization, scopes=["orders:read"]))

    assert reader.ask(f"orders/{made.number}/").status_code == 200
    refused(step(reader, made, "pick"), 403, "insufficient_scope")


def test_the_texts_members_agree_to_are_told_with_their_versions(till):
    earlier = factories.consent_text("MARKETING").version
    latest = factories.consent_text("MARKETING", 7).version

    told = {each["purpose"]: each for each in till.ask("consent-texts/").json()["results"]}
    assert latest == told["MARKETING"]["version"] > earlier
    assert told["MARKETING"]["texts"]["zh-hans"]


def test_a_time_with_an_offset_of_nearly_a_day_is_a_time(till, place, of):
    at = "2026-07-05T22:45:00+18:45"
    said = {"reference": "B-1", "member": of.number, "store": "S1", "points": 5, "at": at}

    assert till.send("redemptions/", said).status_code == 201
