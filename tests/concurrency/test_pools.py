"""
Two of a family at once (M11): the same shared points, leaving and spending, the last place.

Each with its negative control: without the lock that matters, the same scenario goes wrong.
"""

import re
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from members import operations as members
from members.models import GroupMember
from members.operations import _group_invitations
from points import operations
from points.models import Account
from tests.concurrency.racing import Racer, until_waiting
from tests.concurrency.unlocked import without_locks
from tests.factories import identity, lot, member, source
from tests.factories.groups import family
from tests.factories.points import NOON

pytestmark = pytest.mark.concurrency


@pytest.fixture
def house():
    people = [member() for _ in range(3)]
    return family(*people), people, [identity(each) for each in people]


def spend(of, points, reference):
    origin = source()
    return lambda: operations.redeem(
        member=of, points=points, at=NOON, reference=reference, source=origin, pooled=True
    )


def leave(group, of):
    return lambda: members.leave_group(group_id=group.pk, member_id=of.id, at=NOON)


def first_then(first, second, *, may_fail=False):
    """The first has done its work, the second waits for its commit."""
    racer = Racer(second)
    with transaction.atomic():
        first()
        racer.go()
        until_waiting(racer)
    return racer.answer(may_fail=may_fail)


def balance(of):
    return Account.objects.get(pk=of.id).balance


def test_two_of_a_family_do_not_spend_the_same_points(house):
    _group, _people, (a, b, c) = house
    lot(c, 100)

    answer = first_then(spend(a, 80, "A"), spend(b, 80, "B"))

    assert isinstance(answer, operations.InsufficientPoints), answer
    assert answer.details == {"requested": 80, "spendable": 20}
    assert balance(c) == 20


@pytest.mark.usefixtures("breaks_the_ledger")
def test_without_the_lock_of_accounts_they_would(house):
    _group, _people, (a, b, c) = house
    for each, points in ((a, 1), (b, 1), (c, 100)):
        lot(each, points)

    with without_locks("points_spend_pooled", "points_debit"):
        answer = first_then(spend(a, 81, "A"), spend(b, 81, "B"), may_fail=True)

    # They run into the ledger's own checks, or have both spent them.
    assert isinstance(answer, DatabaseError | operations.Posting), answer


def test_both_ways_at_once_nobody_waits_for_ever(house):
    _group, _people, (a, b, _c) = house
    lot(a, 100)
    lot(b, 100)

    racers = [Racer(spend(a, 150, "A")), Racer(spend(b, 150, "B"))]
    answers = [racer.go() for racer in racers] and [racer.answer() for racer in racers]

    kinds = sorted(type(answer).__name__ for answer in answers)
    assert kinds == ["InsufficientPoints", "Posting"], answers
    assert balance(a) + balance(b) == 50


def test_who_has_left_gives_nothing_though_the_till_was_on_its_way(house):
    group, _people, (a, b, _c) = house
    lot(b, 100)

    answer = first_then(leave(group, b), spend(a, 80, "A"))

    assert isinstance(answer, operations.InsufficientPoints), answer
    assert balance(b) == 100


def test_who_leaves_waits_for_a_till_that_is_spending(house):
    group, _people, (a, b, _c) = house
    lot(b, 100)

    answer = first_then(spend(a, 80, "A"), leave(group, b))

    assert answer is None, answer
    assert balance(b) == 20


def test_without_the_groups_lock_points_of_who_has_left_are_spent(house):
    group, _people, (a, b, _c) = house
    lot(b, 100)
    racer = Racer(spend(a, 80, "A"))

    with _without_the_groups_lock(), transaction.atomic():
        leave(group, b)()
        racer.go()
        # It does not wait, and sees the group as it was.
        assert isinstance(racer.answer(), operations.Posting)

    assert balance(b) == 20


def test_the_last_place_goes_to_one(house):
    group, people, _ids = house
    for _ in range(2):
        _join(group, people[0], member())
    one, other = member(), member()

    answer = first_then(_accepting(group, people[0], one), _accepting(group, people[0], other))

    assert isinstance(answer, members.GroupFull), answer
    assert GroupMember.objects.filter(group=group, left_at=None).count() == 6


def test_without_the_groups_lock_there_are_too_many(house, monkeypatch):
    group, people, _ids = house
    for _ in range(2):
        _join(group, people[0], member())
    first = _accepting(group, people[0], member())
    racer = Racer(_accepting(group, people[0], member()))
    monkeypatch.setattr(_group_invitations, "held", lambda pk: type(group).objects.get(pk=pk))

    with transaction.atomic():
        first()
        racer.go()
        racer.answer()

    assert GroupMember.objects.filter(group=group, left_at=None).count() == 7


def _join(group, owner, whom):
    _accepting(group, owner, whom)()


def _accepting(group, owner, whom):
    invitation = members.invite_to_group(
        group_id=group.pk, by_member=owner.pk, whom=whom.number, at=NOON
    )
    return lambda: members.accept_invitation(
        invitation_id=invitation.pk, member_id=whom.pk, at=NOON + timedelta(hours=1)
    )


@contextmanager
def _without_the_groups_lock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef('points_spend_pooled'::regproc)")
        [original] = cursor.fetchone()
        copy = re.sub(r"\s+FOR SHARE OF g", "", original)
        assert copy != original, "there was no lock to take away"
        cursor.execute(copy.replace("%", "%%"), [])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(original.replace("%", "%%"), [])
