"""Two who decide at once."""

from collections import Counter
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, connection, transaction

from common import approvals
from common.models import Approval, AuditRecord
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.factories import staff
from tests.factories.points import NOON
from tests.wishes import OutOfReach, wish

pytestmark = [pytest.mark.concurrency, pytest.mark.usefixtures("wishing")]


def deciding(verb, approval, **said):
    by = staff()
    return lambda: verb(approval_id=approval.pk, by=by, at=NOON, **said)


def granted() -> int:
    return AuditRecord.objects.filter(action="wish.granted").count()


def test_of_many_who_approve_at_once_one_performs():
    approval = wish()

    answers = at_once(*(deciding(approvals.approve, approval) for _ in range(8)))

    assert Counter(map(type, answers)) == {Approval: 1, approvals.AlreadyDecided: 7}
    assert granted() == 1
    assert AuditRecord.objects.filter(action="approval.approved").count() == 1


@contextmanager
def without_the_trigger():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE common_approval DISABLE TRIGGER decided_once")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE common_approval ENABLE TRIGGER decided_once")


def look_without_a_lock(approval_id):
    found = Approval.objects.get(pk=approval_id)
    assert found.state == "PENDING"
    return found


def second_of_two_approvals():
    """What the second gets that comes while the first is at work, and how often it was done."""
    approval = wish()
    second = Racer(deciding(approvals.approve, approval))
    with transaction.atomic():
        deciding(approvals.approve, approval)()
        second.go()
        until_waiting(second)
    return second.answer(may_fail=True), granted()


def test_the_second_waits_and_finds_it_decided():
    answer, times = second_of_two_approvals()

    assert isinstance(answer, approvals.AlreadyDecided)
    assert times == 1


def test_without_the_lock_the_database_still_refuses_the_second(monkeypatch):
    monkeypatch.setattr(approvals, "_waiting", look_without_a_lock)

    answer, times = second_of_two_approvals()

    assert isinstance(answer, IntegrityError)
    assert "is decided and cannot be changed" in str(answer)
    assert times == 1


def test_without_lock_and_trigger_it_would_be_done_twice(monkeypatch):
    """The control of the tests before."""
    monkeypatch.setattr(approvals, "_waiting", look_without_a_lock)

    with without_the_trigger():
        answer, times = second_of_two_approvals()

    assert isinstance(answer, Approval)
    assert times == 2


def test_after_a_refusal_the_one_who_waited_may_decide():
    approval = wish(payload={"what": "the moon"})
    second = Racer(deciding(approvals.reject, approval, note="太远"))

    def refused():
        with transaction.atomic():
            approvals._waiting(approval.pk)
            second.go()
            until_waiting(second)
            deciding(approvals.approve, approval)()

    with pytest.raises(OutOfReach):
        refused()

    assert second.answer().state == "REJECTED"
    assert granted() == 0


def test_withdrawn_while_somebody_approves_is_one_or_the_other():
    by = staff()
    approval = wish(by=by)

    answers = at_once(
        lambda: approvals.withdraw(approval_id=approval.pk, by=by, at=NOON),
        deciding(approvals.approve, approval),
    )

    assert Counter(map(type, answers)) == {Approval: 1, approvals.AlreadyDecided: 1}
    approval.refresh_from_db()
    assert granted() == (1 if approval.state == "APPROVED" else 0)


def test_a_form_sent_many_times_at_once_asks_once():
    by = staff()

    answers = at_once(*[lambda: wish(by=by)] * 6)

    assert {type(answer) for answer in answers} == {Approval}
    assert len({answer.pk for answer in answers}) == 1
    assert AuditRecord.objects.filter(action="approval.requested").count() == 1


def test_a_login_switched_off_meanwhile_lets_nothing_happen():
    """The one who waited is looked at when their turn comes."""
    leaving = staff()
    approval = wish()
    second = Racer(lambda: approvals.approve(approval_id=approval.pk, by=leaving, at=NOON))

    with transaction.atomic():
        approvals._waiting(approval.pk)
        second.go()
        until_waiting(second)
        type(leaving).objects.filter(pk=leaving.pk).update(is_active=False)

    assert isinstance(second.answer(), approvals.NotOnTheStaff)
    assert granted() == 0
