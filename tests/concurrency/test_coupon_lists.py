"""A list of members that two begin, two work on, that meets a till, or whose worker is killed."""

import pytest
from django.db import IntegrityError, transaction

from benefits.models.coupon_lists import CouponList
from benefits.models.coupons import Coupon, CouponBatch, CouponRun
from benefits.operations import coupons
from benefits.operations.coupons import _lists, _making
from messaging.models import Message
from tests.benefits.coupon_plan import NOW, issued, listed, running
from tests.concurrency.processes import Process
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.factories import identity

pytestmark = pytest.mark.concurrency


@pytest.fixture
def people(_committed):
    return [identity() for _ in range(6)]


def list_of(people, **more):
    return listed(*(each.number for each in people), batch=running(**more))


def begin(of):
    return coupons.issue_to_list(list_id=of.pk, at=NOW, by=of.created_by)


def work(**how):
    return coupons.work(clock=lambda: NOW, **how)


def outcomes(of):
    return list(of.lines.order_by("number").values_list("outcome", flat=True))


@pytest.mark.parametrize("locked", [True, False])
def test_two_begin_the_same_list(people, locked, monkeypatch):
    of = list_of(people)
    if not locked:
        monkeypatch.setattr(_lists, "_held_list", lambda pk: CouponList.objects.get(pk=pk))
    second = Racer(lambda: begin(of))

    with transaction.atomic():
        first = begin(of)
        second.go()
        until_waiting(second)
    other = second.answer()

    # Unlocked, it saw the list not begun, and the first work has no list any more.
    assert CouponRun.objects.count() == (1 if locked else 2)
    assert (other == first) is locked
    if locked:
        at_once(*[work for _ in range(3)])
        assert Coupon.objects.count() == len(people)


@pytest.mark.parametrize("locked", [True, False])
def test_two_workers_on_one_list(people, locked, monkeypatch):
    of = list_of(people)
    run = begin(of)
    if not locked:
        monkeypatch.setattr(
            _making, "_next_run", lambda: CouponRun.objects.filter(finished_at=None).first()
        )
    second = Racer(work)

    with transaction.atomic():
        work(pieces=1)
        second.go()
        if not locked:
            until_waiting(second)
        else:
            # What somebody works on is left to them.
            assert second.answer() == 0
    if not locked:
        assert isinstance(second.answer(may_fail=True), IntegrityError)

    run.refresh_from_db()
    assert (run.done, Coupon.objects.count()) == (len(people), len(people))
    assert outcomes(of) == ["issued"] * len(people)


@pytest.mark.parametrize("locked", [True, False])
def test_a_list_and_a_till_for_the_last_coupon(people, locked, monkeypatch):
    one, other, *_rest = people
    of = list_of([one], total=1)
    begin(of)
    if not locked:
        monkeypatch.setattr(_lists, "held", lambda pk: CouponBatch.objects.get(pk=pk))
    second = Racer(work)

    with transaction.atomic():
        issued(of.batch, other)
        second.go()
        until_waiting(second)
    answer = second.answer()

    if locked:
        assert outcomes(of) == ["coupon_batch_exhausted"]
    else:
        # It had counted on one that was gone; only the count itself stops it.
        assert isinstance(answer, coupons.BatchExhausted), answer
        assert outcomes(of) == [""]
    assert Coupon.objects.get().member_id == other.id


@pytest.mark.parametrize("locked", [True, False])
def test_a_list_and_a_till_for_the_same_member(people, locked, monkeypatch):
    of = list_of(people[:1], per_member=1)
    begin(of)
    if not locked:
        monkeypatch.setattr(_lists.points, "lock_many", lambda _members: None)
    second = Racer(lambda: issued(of.batch, people[0]))

    with transaction.atomic():
        work(pieces=1)
        second.go()
        until_waiting(second)
    answer = second.answer()

    if locked:
        assert isinstance(answer, coupons.MemberLimitReached), answer
    else:
        assert isinstance(answer, Coupon), answer
    assert Coupon.objects.count() == (1 if locked else 2)


# Where a worker stands when it is killed: behind the nth call of whose function.
STAGES = {
    "the members are held": (_lists, "held", 1),
    "the coupons are made": (_lists, "give", 1),
    "what came of the rows is written": (_lists, "_write", 1),
    "a piece is committed": (_making, "_next_piece", 1),
    "the last but one is made": (_lists, "give", 2),
    "all is done, not committed": (_lists, "_write", 2),
}


def stopping(module, name, nth):
    def killed(stop):
        function, calls = getattr(module, name), []

        def stops(*args, **kwargs):
            result = function(*args, **kwargs)
            calls.append(name)
            if len(calls) == nth:
                stop()
            return result

        setattr(module, name, stops)
        work()

    return killed


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_any_stage_nobody_gets_two_and_nobody_none(people, stage, monkeypatch):
    monkeypatch.setattr(_lists, "PIECE", 2)
    of = list_of(people)
    run = begin(of)

    worker = Process(stopping(*STAGES[stage]))
    assert worker.stopped(), f"it never came to where {stage}"
    worker.kill()
    assert Coupon.objects.count() < len(people)
    work()

    run.refresh_from_db()
    assert (run.done, run.skipped) == (len(people), 0)
    assert run.finished_at == NOW
    assert outcomes(of) == ["issued"] * len(people)
    had = Coupon.objects.values_list("member_id", flat=True)
    assert sorted(had) == sorted(each.id for each in people)
    assert Message.objects.filter(template="benefits.coupon_issued").count() == len(people)
    assert CouponBatch.objects.get(pk=of.batch_id).issued == len(people)
