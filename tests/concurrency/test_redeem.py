"""Two tills and the same points."""

import threading
from collections import Counter

import pytest
from django.db import connection, transaction

from points import operations, queries
from points.models import Entry, Lot
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.factories import lot, source
from tests.factories.points import NOON

pytestmark = pytest.mark.concurrency


def spend(of, points, reference):
    origin = source()
    return lambda: operations.redeem(
        member=of, points=points, at=NOON, reference=reference, source=origin
    )


def test_two_tills_cannot_spend_the_same_points(of):
    lot(of, 100)

    answers = at_once(spend(of, 60, "A"), spend(of, 60, "B"))

    assert Counter(type(answer) for answer in answers) == {
        operations.Posting: 1,
        operations.InsufficientPoints: 1,
    }
    [refusal] = [a for a in answers if isinstance(a, operations.InsufficientPoints)]
    assert refusal.details == {"requested": 60, "spendable": 40}
    assert queries.balance(of.id) == 40


def test_many_tills_spend_what_there_is_and_no_more(of):
    for _ in range(4):
        lot(of, 25)

    answers = at_once(*(spend(of, 30, f"T{till}") for till in range(8)))

    assert Counter(type(answer) for answer in answers) == {
        operations.Posting: 3,
        operations.InsufficientPoints: 5,
    }
    assert queries.balance(of.id) == 10
    assert sorted(Entry.objects.filter(kind="REDEEM").values_list("balance_after", flat=True)) == [
        10,
        40,
        70,
    ]


# What the function must not become: one statement that locks, reads and writes.
ONE_STATEMENT = """
    WITH account AS (
        UPDATE points_account SET balance = balance - %(points)s, seq = seq + 1
        WHERE member_id = %(member)s AND balance >= %(points)s
        RETURNING member_id, seq, balance
    ), lot AS (
        SELECT l.member_id, l.expires_on, l.seq, l.remaining,
            sum(l.remaining) OVER (ORDER BY l.expires_on, l.seq) - l.remaining AS before
        FROM points_lot AS l JOIN account USING (member_id)
    ), taken AS (
        SELECT
            member_id, expires_on, seq, remaining, least(remaining, %(points)s - before) AS points
        FROM lot WHERE before < %(points)s
    ), emptied AS (
        DELETE FROM points_lot AS l USING taken AS t
        WHERE (l.member_id, l.expires_on, l.seq) = (t.member_id, t.expires_on, t.seq)
            AND t.points = t.remaining
    ), lowered AS (
        UPDATE points_lot AS l SET remaining = t.remaining - t.points FROM taken AS t
        WHERE (l.member_id, l.expires_on, l.seq) = (t.member_id, t.expires_on, t.seq)
            AND t.points < t.remaining
    )
    SELECT seq, balance FROM account
"""


@pytest.mark.parametrize("as_one_statement", [False, True])
def test_points_earned_while_a_till_waits_are_not_lost(of, as_one_statement, request):
    """
    The second till waits for the first one's commit, then reads the lots.

    As one statement it reads them as they were before it waited: it takes from a lot that has
    been emptied meanwhile, and the lots no longer add up to the balance. That is the control.
    """
    if as_one_statement:
        request.getfixturevalue("breaks_the_ledger")
    lot(of, 100)
    lot(of, 100)

    def second():
        if not as_one_statement:
            return spend(of, 100, "B")()
        with connection.cursor() as cursor:
            cursor.execute(ONE_STATEMENT, {"member": of.id, "points": 100})
            return cursor.fetchone()

    waiting = Racer(second)
    with transaction.atomic():
        spend(of, 100, "A")()
        waiting.go()
        until_waiting(waiting)
    waiting.answer()

    left = sum(Lot.objects.values_list("remaining", flat=True))
    assert queries.balance(of.id) == 0
    assert left == (100 if as_one_statement else 0)


@pytest.mark.parametrize("lock_is_taken", [True, False])
def test_only_the_lock_makes_a_till_wait(of, lock_is_taken, request):
    """Without the conditional UPDATE's lock both tills see enough, and one balance goes below."""
    lot(of, 100)
    both_looked = threading.Barrier(2, timeout=5)

    def look_then_spend(reference):
        def work():
            with transaction.atomic():
                if lock_is_taken:
                    return spend(of, 80, reference)()
                enough = queries.balance(of.id) >= 80
                both_looked.wait()
                return enough

        return work

    answers = at_once(look_then_spend("A"), look_then_spend("B"))

    if lock_is_taken:
        assert sorted(type(answer).__name__ for answer in answers) == [
            "InsufficientPoints",
            "Posting",
        ]
    else:
        assert answers == [True, True]
