"""An account is given up while others use it."""

import threading

import pytest
from django.db import transaction

from points import operations, queries
from points.models import Activity, Entry
from tests import factories
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.factories import identity, lot, source, staff
from tests.factories.points import NOON
from tests.till import Till, refused

pytestmark = pytest.mark.concurrency


@pytest.fixture
def into():
    return identity()


def merging(of, into):
    by, origin = staff(), source()
    return lambda: operations.merge_accounts(
        member=of, into=into, at=NOON, source=origin, by=by, note=""
    )


class Merge:
    """A merge on its own connection that is done but not committed until it is let go."""

    def __init__(self, of, into):
        self._merged, self._commit = threading.Event(), threading.Event()
        merge = merging(of, into)

        def work():
            with transaction.atomic():
                merge()
                self._merged.set()
                assert self._commit.wait(20)

        self._racer = Racer(work).go()
        assert self._merged.wait(20)

    def commit(self):
        self._commit.set()
        assert self._racer.answer() is None


@pytest.mark.parametrize("key", [None, "k"])
def test_a_purchase_that_waited_for_a_merge_is_asked_to_try_again(of, into, key):
    client = factories.api_client(factories.store(code="S1").organization)
    till = Till(client)
    lot(of, 5)
    document = {"reference": "P", "member": of.number, "store": "S1", "amount": "100.00"}
    merge = Merge(of, into)
    purchase = Racer(lambda: till.send("purchases/", document, key=key)).go()
    until_waiting(purchase)

    merge.commit()

    answer = purchase.answer()
    refused(answer, 503, "account_moved")
    assert answer["Retry-After"] == "1"
    assert not Activity.objects.exists()
    refused(till.send("purchases/", document, key=key), 409, "account_merged")
    assert queries.balance(into.id) == 5


def test_points_spent_while_they_are_merged_away_are_spent_once(of, into):
    lot(of, 100)
    origin = source()
    merge = Merge(of, into)
    spend = Racer(
        lambda: operations.redeem(member=of, points=60, at=NOON, reference="R", source=origin)
    ).go()
    until_waiting(spend)

    merge.commit()

    assert isinstance(spend.answer(), operations.AccountMerged)
    assert (queries.balance(of.id), queries.balance(into.id)) == (0, 100)


def test_each_into_the_other_at_once_leaves_one_account(of, into):
    lot(of, 100)
    lot(into, 7)

    answers = at_once(merging(of, into), merging(into, of))

    assert sorted(type(answer).__name__ for answer in answers) == ["AccountMerged", "Posting"]
    assert {queries.balance(of.id), queries.balance(into.id)} == {0, 107}


def test_two_members_of_staff_merge_once(of, into):
    lot(of, 100)

    answers = at_once(merging(of, into), merging(of, into))

    assert sorted(type(answer).__name__ for answer in answers) == ["AccountMerged", "Posting"]
    assert Entry.objects.filter(kind="MERGE_OUT").count() == 1
    assert queries.balance(into.id) == 100
