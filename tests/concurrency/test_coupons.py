"""A coupon taken at two tills at once, the last of a batch, and a code two members claim."""

import pytest
from django.db import transaction

from benefits.models.coupons import Coupon, CouponBatch, CouponStep
from benefits.operations import Who, coupons
from benefits.operations.coupons import _issuing
from benefits.queries import coupons as queries
from tests.benefits.coupon_plan import NOW, bill, generated, issued, running
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.factories import identity, store

pytestmark = pytest.mark.concurrency


@pytest.fixture
def of(_committed):
    return identity()


def consume(coupon, place, receipt):
    return coupons.consume(
        code=coupon.code, at=NOW, who=Who(store_id=place.pk), receipt=receipt, lines=bill(100)
    )


@pytest.mark.parametrize("locked", [True, False])
def test_one_coupon_at_two_tills(of, locked, monkeypatch):
    coupon, here, there = issued(running(), of), store(), store()
    if not locked:
        monkeypatch.setattr(queries, "_HOLD", "")
    second = Racer(lambda: consume(coupon, there, "R2"))

    with transaction.atomic():
        consume(coupon, here, "R1")
        second.go()
        until_waiting(second)
    answer = second.answer(may_fail=not locked)

    if locked:
        assert isinstance(answer, coupons.CouponUsed), answer
    else:
        # It saw the coupon as it was before; only the number of its step stops it.
        assert "benefits_couponstep_one_after_another" in str(answer)
    assert CouponStep.objects.filter(kind="USED").count() == 1
    coupon.refresh_from_db()
    assert (coupon.store, coupon.receipt) == (here, "R1")


def uncounted(monkeypatch):
    """Look at what is left, then count: what a batch's own condition makes one."""

    def count(batch, count):
        present = CouponBatch.objects.get(pk=batch.pk)
        if present.issued + count > present.total:
            raise coupons.BatchExhausted(batch=str(batch))
        # Another issues meanwhile.
        at_once_barrier.wait(5)
        CouponBatch.objects.filter(pk=batch.pk).update(issued=present.issued + count)

    from threading import Barrier

    at_once_barrier = Barrier(2)
    monkeypatch.setattr(_issuing, "_count", count)


@pytest.mark.parametrize("counted", [True, False])
def test_the_last_of_a_total(of, counted, monkeypatch):
    batch, people = running(total=1), [of, identity()]
    if not counted:
        uncounted(monkeypatch)

    answers = at_once(
        *[lambda each=each: issued(batch, each, reference=f"r:{each.id}") for each in people]
    )

    refused = [each for each in answers if isinstance(each, coupons.BatchExhausted)]
    assert (len(refused), Coupon.objects.count()) == ((1, 1) if counted else (0, 2)), answers


@pytest.mark.parametrize("locked", [True, False])
def test_as_many_as_a_member_may_have(of, locked, monkeypatch):
    batch = running(per_member=1)
    if not locked:
        monkeypatch.setattr(_issuing.points, "lock", lambda _member_id: None)
    second = Racer(lambda: issued(batch, of, reference="b"))

    with transaction.atomic():
        issued(batch, of, reference="a")
        second.go()
        until_waiting(second)
    answer = second.answer(may_fail=not locked)

    if locked:
        assert isinstance(answer, coupons.MemberLimitReached), answer
    else:
        assert isinstance(answer, Coupon), answer
    assert Coupon.objects.count() == (1 if locked else 2)


@pytest.mark.parametrize("locked", [True, False])
def test_one_code_claimed_by_two_members(of, locked, monkeypatch):
    _batch, [code, *_rest] = generated(total=1)
    other = identity()
    if not locked:
        find = _issuing.find_by_code
        monkeypatch.setattr(_issuing, "find_by_code", lambda typed, **_how: find(typed, held=False))
    second = Racer(lambda: coupons.claim(typed=code, member=other, at=NOW))

    with transaction.atomic():
        coupons.claim(typed=code, member=of, at=NOW)
        second.go()
        until_waiting(second)
    answer = second.answer(may_fail=not locked)

    if locked:
        assert isinstance(answer, coupons.AlreadyClaimed), answer
        assert Coupon.objects.get().member_id == of.id
    else:
        assert "benefits_couponstep_one_after_another" in str(answer)


def test_a_pool_gives_each_code_once(of, tmp_path):
    from tests.factories import staff

    batch = running(codes_from="POOL", total=9)
    path = tmp_path / "pool.csv"
    path.write_text("code\nA-1\nA-2\nA-3\n")
    coupons.load_pool(batch_id=batch.pk, path=path, at=NOW, by=staff())
    people = [of, *(identity() for _ in range(4))]

    answers = at_once(
        *[lambda each=each: issued(batch, each, reference=f"r:{each.id}") for each in people]
    )

    given = [each.code for each in answers if isinstance(each, Coupon)]
    assert sorted(given) == ["A-1", "A-2", "A-3"], answers


def test_two_workers_generate_what_is_wanted(of, monkeypatch):
    monkeypatch.setattr("benefits.operations.coupons._making.PIECE", 7)
    batch = running(codes_from="GENERATED", total=100)

    at_once(*[lambda: coupons.work(clock=lambda: NOW) for _ in range(3)])
    coupons.work(clock=lambda: NOW)

    batch.refresh_from_db()
    assert (batch.issued, Coupon.objects.count()) == (100, 100)
