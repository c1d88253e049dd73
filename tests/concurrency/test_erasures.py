"""Who takes an erasure back at the moment the night erases: the one or the other, never half."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from members import operations
from members.models import Erasure, Member
from tests.concurrency.racing import Racer, until_waiting
from tests.factories import member, staff

pytestmark = pytest.mark.concurrency


@pytest.fixture
def wanted(transactional_db):
    long_ago = timezone.now() - timedelta(days=20)
    return operations.request_erasure(
        member_id=member(name="王小明").pk, at=long_ago, by=staff(), reason=""
    )


def withdraw(wanted, clerk):
    return lambda: operations.withdraw_erasure(
        member_id=wanted.member_id, at=timezone.now(), by=clerk
    )


def night(wanted):
    one = wanted.member_id
    return lambda: operations.erase_due(low=one, high=one, day=wanted.due_on, at=timezone.now())


def test_the_night_was_first(wanted):
    second = Racer(withdraw(wanted, staff()))
    with transaction.atomic():
        assert night(wanted)() == 1
        until_waiting(second.go())
    assert isinstance(second.answer(), operations.NothingToTakeBack)
    assert Member.objects.get().name == ""


def test_the_member_was_first(wanted):
    second = Racer(night(wanted))
    with transaction.atomic():
        withdraw(wanted, staff())()
        until_waiting(second.go())
    assert second.answer() == 0
    assert Member.objects.get().name == "王小明"
    assert Erasure.objects.get().erased_at is None
