"""A batch beside itself, the night and a till; and one that is broken off in the middle."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import count

import pytest
from django.db import transaction

from campaigns import batches
from campaigns import operations as campaigns
from common.postgres import races
from points import operations, queries
from points.models import Activity, Entry
from tests.concurrency.processes import Process
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.factories import identity, lot, source
from tests.factories.points import NOON

pytestmark = pytest.mark.concurrency

LAPSED, DAY = date(2026, 6, 30), date(2026, 7, 1)


def purchase(of, reference, amount="100.00"):
    return batches.PurchaseDocument(
        member=of.number,
        reference=reference,
        at=NOON,
        at_was_given=True,
        amount=Decimal(amount),
        lines=(),
        store_id=source().store_id,
    )


def redemption(of, reference, points):
    return batches.RedemptionDocument(
        member=of.number,
        reference=reference,
        at=NOON,
        points=points,
        note="",
        store_id=source().store_id,
    )


def give_back(of_purchase, reference, amount):
    return batches.ReturnDocument(
        purchase=of_purchase, reference=reference, at=NOON, amount=Decimal(amount), lines=()
    )


def post(documents):
    sender = batches.Sender(issuer_id=source().issuer_id, client_id=None, only_stores=None)
    return batches.post(documents=documents, sender=sender, now=NOON)


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(batches, "CHUNK", 10)


def a_days_documents(people):
    """Each buys twice, gives something back and spends what is left."""
    return [
        *(purchase(of, f"P-{of.id}") for of in people),
        *(purchase(of, f"Q-{of.id}", "50.00") for of in reversed(people)),
        *(give_back(f"P-{of.id}", f"B-{of.id}", "50.00") for of in people),
        *(redemption(of, f"X-{of.id}", 10) for of in people),
    ]


def test_the_same_batch_from_four_connections_is_posted_once(small_chunks):
    people = [identity() for _ in range(25)]
    documents = a_days_documents(people)

    answers = at_once(*[lambda: post(documents)] * 4)

    for of_one in zip(*answers, strict=True):
        first = [outcome for outcome in of_one if not outcome.replayed]
        assert len(first) == 1
        # All four were told the same entry and the same balance.
        assert len({replace(each.posting, replayed=True) for each in of_one}) == 1
    assert Activity.objects.count() == 75
    assert Entry.objects.count() == 100
    assert {queries.balance(of.id) for of in people} == {0}


def test_two_batches_in_opposite_order_wait_for_each_other(small_chunks):
    people = [identity() for _ in range(40)]
    there = [purchase(of, f"P-{of.id}") for of in people]
    back = [purchase(of, f"Q-{of.id}") for of in reversed(people)]

    answers = at_once(lambda: post(there), lambda: post(back))

    assert all(isinstance(each, batches.Posted) for answer in answers for each in answer)
    assert {queries.balance(of.id) for of in people} == {20}


def test_a_batch_beside_the_night_loses_nothing():
    people = [identity() for _ in range(30)]
    for of in people:
        lot(of, 7, expires_on=LAPSED)
    documents = [purchase(of, f"P-{of.id}") for of in reversed(people)]
    low, high = people[0].id, people[-1].id

    posted, (members, _lots, expired) = at_once(
        lambda: post(documents), lambda: operations.expire(low=low, high=high, on=DAY)
    )

    assert all(isinstance(each, batches.Posted) for each in posted)
    assert (members, expired) == (30, 210)
    assert {queries.balance(of.id) for of in people} == {10}


def test_a_till_with_a_document_of_the_batch_is_one_of_two_not_a_third(small_chunks):
    people = [identity() for _ in range(30)]
    documents = [purchase(of, f"P-{of.id}") for of in people]

    def till():
        answers = []
        for of in reversed(people):
            asked = campaigns.Purchase(
                member=of, reference=f"P-{of.id}", at=NOON, amount=Decimal(100), source=source()
            )
            # Who lost a deadlock is told to try again (503), and does.
            post_it = partial(campaigns.post_purchase, purchase=asked, now=NOON)
            answers.append(races.until_won(post_it))
        return answers

    batch, single = at_once(lambda: post(documents), till)

    assert [one.replayed for one in batch] == [not other.replayed for other in reversed(single)]
    assert Entry.objects.count() == 30
    assert {queries.balance(of.id) for of in people} == {10}


@pytest.mark.parametrize(("attempts", "status"), [(races.ATTEMPTS_MAX, 0), (1, 503)])
def test_a_chunk_that_lost_a_deadlock_is_tried_again(monkeypatch, attempts, status):
    monkeypatch.setattr(races, "ATTEMPTS_MAX", attempts)
    first, second = identity(), identity()
    batch = Racer(lambda: post([purchase(first, "P-1"), purchase(second, "P-2")]))

    with transaction.atomic():
        lot(second, 1)
        batch.go()
        until_waiting(batch)
        # The batch holds the first and waits for the second. It began to wait first, so it is the
        # one to find the deadlock, and it gives way.
        lot(first, 1)

    outcomes = batch.answer()
    assert [getattr(each, "status", 0) for each in outcomes] == [status] * 2
    for of in (first, second):
        assert queries.balance(of.id) == (1 if status else 11)


@pytest.mark.parametrize("reached", [0, 1, 2])
def test_killed_in_the_middle_and_sent_again_it_posts_the_rest(small_chunks, monkeypatch, reached):
    people = [identity() for _ in range(30)]
    documents = [purchase(of, f"P-{of.id}") for of in people]
    documents += [redemption(of, f"X-{of.id}", 10) for of in people]
    real = operations.post_purchases

    def work(stop):
        calls = count()

        def posting(*, purchases):
            answers = real(purchases=purchases)
            if next(calls) == reached:
                stop()
            return answers

        monkeypatch.setattr(batches.points, "post_purchases", posting)
        post(documents)

    batch = Process(work)
    assert batch.stopped()
    batch.kill()

    assert Activity.objects.count() == Entry.objects.count() == 10 * reached
    again = post(documents)
    assert [each.replayed for each in again] == [True] * 10 * reached + [False] * (
        60 - 10 * reached
    )
    assert {queries.balance(of.id) for of in people} == {0}
    assert all(each.replayed for each in post(documents))
    assert (Activity.objects.count(), Entry.objects.count()) == (30, 60)
