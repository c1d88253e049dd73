"""The outbox: told with its cause, delivered at least once, given up only in the open."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from common import events
from common.models import OutboxEvent
from tests.factories import staff

pytestmark = pytest.mark.django_db

NOW = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def heard(monkeypatch):
    """Two subscribers of `thing.done`: one notes what it heard, one can be made to fail."""
    monkeypatch.setattr(events, "_subscribers", events.defaultdict(dict))
    heard = {"good": [], "bad": [], "failing": False}

    @events.subscribe("thing.done")
    def good(payload):
        heard["good"].append(payload)

    @events.subscribe("thing.done")
    def bad(payload):
        staff(username=f"half done {len(heard['bad'])}")
        heard["bad"].append(payload)
        if heard["failing"]:
            raise RuntimeError("no")

    return heard


def test_each_subscriber_hears_each_fact(heard):
    with transaction.atomic():
        events.publish("thing.done", {"n": 1}, {"n": 2})
        events.publish("thing.nobody_hears", {"n": 3})

    assert heard["good"] == []
    assert events.deliver_waiting(now=NOW) == 4
    assert heard["good"] == heard["bad"] == [{"n": 1}, {"n": 2}]
    assert events.deliver_waiting(now=NOW) == 0


@pytest.mark.django_db(transaction=True)
def test_what_was_rolled_back_was_never_told(heard):
    def refused():
        with transaction.atomic():
            events.publish("thing.done", {"n": 1})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        refused()

    assert not OutboxEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_fact_needs_a_cause_to_commit_with(heard):
    with pytest.raises(AssertionError, match="with its cause"):
        events.publish("thing.done", {"n": 1})


def test_who_fails_delays_nobody_else_and_leaves_nothing_behind(heard, caplog):
    from common.models import User

    heard["failing"] = True
    with transaction.atomic():
        events.publish("thing.done", {"n": 1})

    assert events.deliver_waiting(now=NOW) == 2

    assert heard["good"] == [{"n": 1}]
    assert not User.objects.filter(username__startswith="half done").exists()
    waiting = OutboxEvent.objects.get(delivered_at=None)
    assert (waiting.attempts, waiting.retry_at) == (1, NOW + timedelta(minutes=1))
    assert "Subscriber failed" in caplog.text


def test_waits_double_until_it_is_given_up(heard, caplog):
    heard["failing"] = True
    with transaction.atomic():
        events.publish("thing.done", {"n": 1})
    waits, now = [], NOW
    for _ in range(events.ATTEMPTS_MAX):
        events.deliver_waiting(now=now)
        event = OutboxEvent.objects.get(delivered_at=None)
        waits.append((event.retry_at - now) / timedelta(minutes=1))
        assert events.deliver_waiting(now=event.retry_at - timedelta(seconds=1)) == 0
        now = event.retry_at

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, *[1024] * 6]
    assert event.dead_at is not None
    assert events.deliver_waiting(now=now + timedelta(days=365)) == 0
    assert len(heard["bad"]) == events.ATTEMPTS_MAX


def test_healed_it_is_delivered(heard):
    heard["failing"] = True
    with transaction.atomic():
        events.publish("thing.done", {"n": 1})
    events.deliver_waiting(now=NOW)

    heard["failing"] = False
    assert events.deliver_waiting(now=NOW + timedelta(minutes=1)) == 1
    assert not OutboxEvent.objects.filter(delivered_at=None).exists()


def test_a_subscriber_that_is_no_more_is_a_failure_not_a_loss(heard, monkeypatch):
    with transaction.atomic():
        events.publish("thing.done", {"n": 1})
    monkeypatch.setattr(events, "_subscribers", events.defaultdict(dict))

    assert events.deliver_waiting(now=NOW) == 2
    assert OutboxEvent.objects.filter(delivered_at=None, attempts=1).count() == 2


def test_a_turn_takes_so_many_and_no_more(heard):
    with transaction.atomic():
        events.publish("thing.done", *({"n": n} for n in range(5)))

    assert events.deliver_waiting(now=NOW, limit=3) == 3
    assert events.deliver_waiting(now=NOW) == 7


def test_publishing_many_is_one_statement(heard, django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(1):
        events.publish("thing.done", *({"n": n} for n in range(50)))
