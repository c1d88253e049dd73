"""A till that does not hear the answer asks again, and its other half does too."""

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from campaigns import operations as campaigns
from campaigns.operations import _returns
from points import operations, queries
from points.models import Account, Activity, Entry
from tests.concurrency.racing import at_once
from tests.factories import identity, lot, main_store, source
from tests.factories.points import NOON

pytestmark = pytest.mark.concurrency

TILLS = 8


def purchase(of, reference="P1", amount="100.00"):
    return campaigns.Purchase(
        member=of, reference=reference, at=NOON, amount=Decimal(amount), source=source()
    )


def test_one_purchase_from_eight_connections_has_one_effect_and_one_answer(of):
    asked = purchase(of)

    answers = at_once(*[lambda: campaigns.post_purchase(purchase=asked, now=NOON)] * TILLS)

    [first] = [answer for answer in answers if not answer.replayed]
    again = replace(first, posting=replace(first.posting, replayed=True), replayed=True)
    assert Counter(answers) == {first: 1, again: TILLS - 1}
    assert queries.balance(of.id) == 10
    assert Activity.objects.count() == Entry.objects.count() == 1


@pytest.mark.parametrize("left", [100, 30])
def test_one_redemption_from_eight_connections_has_one_effect_and_one_answer(of, left):
    """Also when it takes all there is, so that the others find too little."""
    lot(of, left)
    origin = source()

    answers = at_once(
        *[lambda: operations.redeem(member=of, points=30, at=NOON, reference="R1", source=origin)]
        * TILLS
    )

    first = operations.Posting(2, left - 30)
    assert Counter(answers) == {first: 1, replace(first, replayed=True): TILLS - 1}
    assert queries.balance(of.id) == left - 30


def test_one_document_for_two_members_credits_one(of):
    """Both pass every look beforehand; the unique index decides."""
    other = identity()
    asked = [purchase(of), purchase(other)] * 2

    answers = at_once(*[lambda p=p: campaigns.post_purchase(purchase=p, now=NOON) for p in asked])

    assert sorted(type(answer).__name__ for answer in answers) == [
        "PostedActivity",
        "PostedActivity",
        "ReferenceReused",
        "ReferenceReused",
    ]
    assert sorted([queries.balance(of.id), queries.balance(other.id)]) == [0, 10]


def test_the_first_points_of_a_member_come_twice_at_once(of):
    """No account to lock yet: one makes it, the other finds it."""
    answers = at_once(
        *[
            lambda p=p: campaigns.post_purchase(purchase=p, now=NOON)
            for p in (purchase(of, "A"), purchase(of, "B"), purchase(of, "C"))
        ]
    )

    assert sorted(answer.posting.balance_after for answer in answers) == [10, 20, 30]
    assert Account.objects.get().seq == 3


def bought_and(of, *returns, amount="100.00"):
    """Buy, and give back what calls of (reference, amount) to come."""
    campaigns.post_purchase(purchase=purchase(of, amount=amount), now=NOON)
    bought = campaigns.find_purchase(issuer_id=main_store().organization_id, reference="P1")
    return [
        lambda reference=reference, amount=amount: campaigns.post_return(
            returned=campaigns.Return(
                purchase=bought,
                member=of,
                reference=reference,
                at=NOON + timedelta(minutes=1),
                amount=Decimal(amount),
                source=source(),
            ),
            now=NOON + timedelta(minutes=1),
        )
        for reference, amount in returns
    ]


def test_one_return_from_eight_connections_takes_back_once(of):
    answers = at_once(*bought_and(of, *[("B1", "100.00")] * TILLS))

    assert Counter(answer.replayed for answer in answers) == {False: 1, True: TILLS - 1}
    assert queries.balance(of.id) == 0
    assert Activity.objects.filter(kind="RETURN").count() == 1


@pytest.mark.parametrize("amount", ["100.00", "9.00"])
def test_two_returns_cannot_give_back_the_same_goods(of, amount):
    """Also of a purchase that earned nothing: there is an account to hold all the same."""
    answers = at_once(*bought_and(of, ("B1", amount), ("B2", amount), amount=amount))

    assert sorted(type(answer).__name__ for answer in answers) == [
        "PostedActivity",
        "ReturnExceedsPurchase",
    ]
    assert queries.balance(of.id) == 0


def test_without_the_account_held_two_returns_give_back_the_same_goods(of, monkeypatch):
    """The control of the test before: both judge what is left before either writes."""
    both_judged = threading.Barrier(2, timeout=5)
    monkeypatch.setattr(operations, "lock", lambda member_id: None)
    judge = _returns._returned_lines
    monkeypatch.setattr(
        _returns, "_returned_lines", lambda returned: (judge(returned), both_judged.wait())[0]
    )

    answers = at_once(*bought_and(of, ("B1", "100.00"), ("B2", "100.00")))

    assert [type(answer).__name__ for answer in answers] == ["PostedActivity"] * 2
    # The ledger itself took the points back only once; the goods came back twice.
    assert Activity.objects.filter(kind="RETURN").count() == 2
    assert queries.balance(of.id) == 0
