"""A clerk who taps twice at once takes points off a bill once."""

from datetime import date
from decimal import Decimal

import pytest

from points import operations, queries
from points.models import Entry
from tests.concurrency.racing import at_once
from tests.factories import identity, lot, rulebook, staff, store
from tests.factories.points import NOON

pytestmark = pytest.mark.concurrency


@pytest.fixture
def of(_committed):
    rulebook(bills={"share": 100}, valid_from="2020-01-01")
    one = identity()
    lot(one, 1000, expires_on=date(2027, 6, 30))
    return one


@pytest.fixture
def till(of):
    at = store()
    return operations.Till(by=staff(), store_id=at.pk, issuer_id=at.organization_id)


def held(of, till):
    # As many as there are: the second must find what the first took.
    return operations.hold_for_bill(
        member=of, points=None, bill=Decimal(500), reference="counter:1", at=NOON, till=till
    )


def test_points_are_set_aside_once(of, till):
    answers = at_once(*[lambda: held(of, till) for _ in range(4)])

    assert sorted(each.replayed for each in answers) == [False, True, True, True]
    assert Entry.objects.filter(kind="HOLD").count() == 1
    assert queries.balance(of.id) == 0


def test_they_are_spent_once_and_given_back_once(of, till):
    held(of, till)
    hold = queries.hold(issuer_id=till.issuer_id, reference="counter:1")

    paid = at_once(*[lambda: operations.pay_bill(held=hold, at=NOON, till=till)] * 4)
    back = at_once(*[lambda: operations.give_back_bill(held=hold, at=NOON, till=till)] * 4)

    assert sorted(each.replayed for each in paid) == [False, True, True, True]
    assert sorted(each.replayed for each in back) == [False, True, True, True]
    assert queries.balance(of.id) == 1000


def test_paid_and_dropped_at_once_one_of_them_happens(of, till):
    held(of, till)
    hold = queries.hold(issuer_id=till.issuer_id, reference="counter:1")

    answers = at_once(
        lambda: operations.pay_bill(held=hold, at=NOON, till=till),
        lambda: operations.drop_bill(held=hold, at=NOON, till=till),
    )

    assert sum(isinstance(each, operations.HoldEnded) for each in answers) == 1, answers
    assert queries.balance(of.id) in (0, 1000)
