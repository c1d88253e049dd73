"""Two tills at once: only one purchase is the first, and a cap holds; without the lock, neither."""

import pytest
from django.db import transaction

from points import operations as points
from points.models import Account
from tests.concurrency.racing import Racer, until_waiting
from tests.factories import buy, rulebook
from tests.factories.activities import cap

pytestmark = pytest.mark.concurrency

BASE = {"code": "base", "points": "1", "per_amount": "10"}
FIRST = {"code": "first", "gives": {"points": "50"}, "when": {"first_purchase": True}}
CAPPED = {
    "kinds": [],
    "gifts": [],
    "tasks": [],
    "budgets": [],
    "caps": [cap("y", "base", points=15)],
}
# The rulebook, what the second of two purchases is worth, and what it must not be worth.
CONTEXTS = {
    "first purchase": ({"boosts": [FIRST]}, 60, 10, 60),
    "cap": ({"sections": {"activities": CAPPED}}, 10, 5, 10),
}


def two_at_once(of, first_worth):
    with transaction.atomic():
        assert buy(of, "100.00", reference="A").points == first_worth
        other = Racer(lambda: buy(of, "100.00", reference="B")).go()
        until_waiting(other)
    return other.answer()


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_the_second_knows_of_the_first(of, context):
    book, first, second, _wrong = context
    rulebook(valid_from="2020-01-01", rules=[BASE], **book)

    assert two_at_once(of, first).points == second
    assert Account.objects.get(pk=of.id).balance == first + second


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_without_the_lock_it_does_not(of, context, monkeypatch):
    book, first, _second, wrong = context
    rulebook(valid_from="2020-01-01", rules=[BASE], **book)
    monkeypatch.setattr(points, "lock", lambda member_id: None)

    assert two_at_once(of, first).points == wrong
