"""Two stores that deliver a member's last right at once deliver it once."""

from datetime import date

import pytest
from django.db import transaction

from benefits import operations
from benefits.models import Right, Step
from benefits.operations import _using
from tests.benefits.plan import always, deliver, night, noon, on, publish, rights, service
from tests.concurrency.racing import Racer, at_once, until_waiting

pytestmark = pytest.mark.concurrency


@pytest.fixture
def of(_committed):
    publish(service("wash", t1=1), service("check", t1=3), always("tow", "t1"))
    one = on("t1")
    night("2026-07-01")
    return one


def unlocked(monkeypatch):
    """Look at what is left without holding it."""

    def found(member, benefit, *, day):
        open_ones = _using.queries.rights(member.id).filter(benefit=benefit)
        return list(_using.queries.usable(open_ones, day))

    monkeypatch.setattr(_using, "_locked", found)


@pytest.mark.parametrize("locked", [True, False])
def test_the_last_one_is_delivered_once(of, locked, monkeypatch):
    if not locked:
        unlocked(monkeypatch)
    second = Racer(lambda: deliver(of, "wash"))

    with transaction.atomic():
        deliver(of, "wash")
        second.go()
        until_waiting(second)
    answer = second.answer(may_fail=not locked)

    delivered = Step.objects.filter(kind="DELIVERED").count()
    if locked:
        assert isinstance(answer, operations.NothingLeft), answer
    else:
        # It saw the right as it was before; only the number of its step stops it.
        assert "benefits_step_one_after_another" in str(answer)
    assert delivered == 1
    assert Right.objects.get(benefit="wash").steps == 2


def test_who_waits_for_a_right_gets_the_next(of):
    answers = at_once(*[lambda: deliver(of, "check") for _ in range(5)])

    refused = [each for each in answers if isinstance(each, operations.NothingLeft)]
    assert len(refused) == 2, answers
    assert [state for benefit, *_rest, state in rights(of) if benefit == "check"] == [
        "DELIVERED"
    ] * 3


def test_what_is_not_counted_is_numbered_one_after_the_other(of):
    answers = at_once(*[lambda: deliver(of, "tow") for _ in range(5)])

    assert sorted(each.ordinal for each in answers) == [1, 2, 3, 4, 5]


def test_the_night_and_a_tier_won_grant_once(of):
    day = date(2026, 8, 1)

    def of_the_night():
        return operations.grant_by_range(low=of.id, high=of.id, day=day, at=noon(day))

    granted = at_once(
        of_the_night, lambda: operations.grant(member_ids=[of.id], day=day, at=noon(day))
    )

    assert sum(granted) == 4, granted
    assert Right.objects.filter(period="2026-08").count() == 4


@pytest.mark.parametrize("benefit", ["check", "tow"])
@pytest.mark.parametrize("looks", [True, False])
def test_a_form_sent_twice_at_once_delivers_once(of, benefit, looks, monkeypatch):
    if not looks:
        monkeypatch.setattr(_using, "taken_before", lambda *_asked: None)

    tries = [lambda: deliver(of, benefit, reference="counter:1") for _ in range(4)]
    answers = at_once(*tries, may_fail=not looks)

    delivered = [each for each in answers if isinstance(each, Right)]
    if looks:
        assert {each.pk for each in delivered} == {delivered[0].pk}
        assert len(delivered) == 4, answers
    else:
        # Who does not look is stopped by the index, and asks in vain.
        assert len(delivered) == 1
        assert "benefits_step_reference_once" in str(answers)
    assert Step.objects.filter(kind="DELIVERED").count() == 1
