"""An application that two people end at once, and one that is made twice at once."""

from contextlib import suppress

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from members import operations
from members.models import Application, Member, RefusalReason
from members.operations import _applying
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.factories import consent_text, rulebook, staff
from tests.members.test_applications import PHONE, wish

pytestmark = pytest.mark.concurrency


@pytest.fixture(autouse=True)
def _asked(_committed):
    rulebook(joining="approved_by_brand", valid_from="1900-01-02")
    consent_text("SERVICE")


@pytest.fixture
def made():
    return operations.join(wish=wish(), at=timezone.now())


def approving(made):
    boss = staff()
    return lambda: operations.approve_application(
        application_id=made.pk, by=boss, at=timezone.now()
    )


def refusing(made):
    boss = staff()
    return lambda: operations.refuse_application(
        application_id=made.pk, reason=RefusalReason.OTHER, words="x", by=boss, at=timezone.now()
    )


def withdrawing(_made):
    return lambda: operations.withdraw_application(phone=PHONE, at=timezone.now())


ENDS = [
    (approving, approving, "APPROVED"),
    (approving, refusing, "APPROVED"),
    (refusing, approving, "REFUSED"),
    (approving, withdrawing, "APPROVED"),
    (withdrawing, approving, "WITHDRAWN"),
    (withdrawing, refusing, "WITHDRAWN"),
]


@pytest.mark.parametrize(("first", "second", "state"), ENDS)
def test_it_ends_once_and_the_second_is_told(made, first, second, state):
    late = Racer(second(made))
    with transaction.atomic():
        first(made)()
        until_waiting(late.go())

    assert isinstance(late.answer(), operations.ApplicationEnded)
    assert Application.objects.get().state == state
    assert Member.objects.count() == (state == "APPROVED")


@pytest.mark.parametrize(("first", "second", "state"), ENDS)
def test_without_the_lock_only_the_database_stands_between(made, first, second, state, monkeypatch):
    """The negative control: both find it waiting, and the second runs into a constraint."""
    monkeypatch.setattr(_applying, "_held", lambda pk: Application.objects.get(pk=pk))
    late = Racer(second(made))
    with transaction.atomic():
        first(made)()
        until_waiting(late.go())

    answer = late.answer(may_fail=True)
    assert isinstance(answer, DatabaseError | operations.PhoneTaken), answer
    assert Application.objects.get().state == state


def test_one_phone_at_once_is_one_application():
    answers = at_once(*[lambda: operations.join(wish=wish(), at=timezone.now()) for _ in range(4)])

    assert {answer.pk for answer in answers} == {Application.objects.get().pk}


def test_without_the_second_look_one_of_two_fails(monkeypatch):
    """The negative control: what was made meanwhile is not looked for again."""
    first_made = []

    def rehearse(_wish, _at):
        # Both have looked by now, and found nothing.
        if not first_made:
            first_made.append(True)
            with suppress(Exception):
                operations.apply(wish=wish(), at=timezone.now())

    monkeypatch.setattr(_applying, "_rehearse", rehearse)
    looks = []
    look = _applying._waiting_of
    monkeypatch.setattr(
        _applying, "_waiting_of", lambda phone: looks.append(1) or (None if len(looks) else look)
    )

    with pytest.raises(DatabaseError):
        operations.join(wish=wish(), at=timezone.now())

    assert Application.objects.count() == 1
