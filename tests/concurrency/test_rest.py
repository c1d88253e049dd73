"""Tills that ask over REST at the same moment, on connections of their own."""

from collections import Counter
from threading import Event

import pytest
from django.db import close_old_connections, connection, transaction

from common.api import idempotency
from common.models import IdempotencyRecord
from members.models import Member
from points import queries
from points.models import Account, Activity
from tests import factories
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.till import Till, refused

pytestmark = pytest.mark.concurrency

TILLS = 8


@pytest.fixture
def client():
    return factories.api_client(factories.store(code="S1").organization)


def purchase(of, reference="P1"):
    return {"reference": reference, "member": of.number, "store": "S1", "amount": "100.00"}


def asking(client, path, document, **options):
    """A call that a thread can make, by a till of its own."""
    till = Till(client)
    return lambda: till.send(path, document, **options)


def test_one_purchase_at_eight_tills_is_created_once(client, of):
    answers = at_once(*[asking(client, "purchases/", purchase(of)) for _ in range(TILLS)])

    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: TILLS - 1}
    assert len({answer.content for answer in answers}) == 1
    assert queries.balance(of.id) == 10
    assert Activity.objects.count() == 1


def test_one_key_at_eight_tills_is_answered_once(client):
    document = {"phone": "13800138000", "name": "王", "store": "S1", "activate": True}

    answers = at_once(*[asking(client, "members/", document, key="k") for _ in range(TILLS)])

    found = Counter(answer.status_code for answer in answers)
    assert set(found) <= {201, 409}
    assert found[201] >= 1
    for answer in answers:
        if answer.status_code == 409:
            refused(answer, 409, "idempotency_in_flight")
            assert answer["Retry-After"] == "1"
    assert Member.objects.count() == 1
    assert asking(client, "members/", document, key="k")().status_code == 201


def test_while_the_first_is_worked_on_the_second_does_not_wait(client, of, monkeypatch):
    reached, go_on = Event(), Event()
    store = idempotency._store

    def slowly(*arguments):
        reached.set()
        assert go_on.wait(20)
        store(*arguments)

    monkeypatch.setattr(idempotency, "_store", slowly)
    first = Racer(asking(client, "purchases/", purchase(of), key="k")).go()
    assert reached.wait(20)

    second = asking(client, "purchases/", purchase(of), key="k")()
    go_on.set()

    refused(second, 409, "idempotency_in_flight")
    assert first.answer().status_code == 201
    assert asking(client, "purchases/", purchase(of), key="k")()["Idempotent-Replayed"] == "true"


def test_without_the_lock_the_index_still_keeps_one_answer(client, of, monkeypatch):
    """The negative control: both pass the look, and the second's deed is undone with its answer."""
    monkeypatch.setattr(
        idempotency,
        "LOCK_AND_LOOK",
        idempotency.LOCK_AND_LOOK.replace("pg_try_advisory_xact_lock(%s)", "%s IS NOT NULL"),
    )
    reached, go_on = Event(), Event()
    look = idempotency._lock_and_look

    def looking(*arguments):
        earlier = look(*arguments)
        if not reached.is_set():
            reached.set()
            assert go_on.wait(20)
        return earlier

    monkeypatch.setattr(idempotency, "_lock_and_look", looking)
    slow = Racer(asking(client, "purchases/", purchase(of, "P1"), key="k")).go()
    assert reached.wait(20)
    quick = asking(client, "purchases/", purchase(of, "P1"), key="k")()
    go_on.set()

    assert quick.status_code == 201
    refused(slow.answer(), 409, "idempotency_in_flight")
    assert IdempotencyRecord.objects.count() == Activity.objects.count() == 1
    assert queries.balance(of.id) == 10


def test_an_account_held_too_long_means_later(client, of):
    factories.lot(of, 1)
    till = Till(client)

    def impatiently():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 50")
        return till.send("purchases/", purchase(of), key="k")

    with transaction.atomic():
        Account.objects.select_for_update().get(pk=of.id)
        impatient = Racer(impatiently).go()
        answer = impatient.answer()

    refused(answer, 503, "try_again_later")
    assert answer["Retry-After"] == "2"
    assert not Activity.objects.exists()
    assert till.send("purchases/", purchase(of), key="k").status_code == 201


def test_a_connection_the_server_ended_is_replaced_before_the_next_request(client, of):
    """Without a round trip to ask: the closed socket tells."""
    till = Till(client)
    first_was_answered, ended = Event(), Event()

    def twice():
        first = till.send("quotes/", {"store": "S1", "member": of.number, "amount": 10})
        first_was_answered.set()
        assert ended.wait(20)
        close_old_connections()  # what the server's `request_started` does, and the client's not
        return first, till.send("purchases/", purchase(of))

    racer = Racer(twice).go()
    assert first_was_answered.wait(20)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [racer.backend])
    ended.set()

    first, second = racer.answer()
    assert (first.status_code, second.status_code) == (200, 201)


def test_a_purchase_waits_for_its_member_only(client, of):
    other = factories.identity()
    factories.lot(of, 1)
    first = Racer(asking(client, "purchases/", purchase(of)))
    second = Racer(asking(client, "purchases/", purchase(other, "P2")))

    with transaction.atomic():
        Account.objects.select_for_update().get(pk=of.id)
        until_waiting(first.go())
        answer = second.go().answer()
        assert answer.status_code == 201

    assert first.answer().status_code == 201
