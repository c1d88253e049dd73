"""The last prizes of a draw, and many who want them at once."""

from threading import Barrier

import pytest

from benefits.models.draws import Draw, DrawOutcome, DrawPrize
from benefits.operations import draws
from benefits.queries import draws as queries
from common.errors import DomainError
from points.queries import balance
from tests.benefits.draw_plan import certain, published
from tests.concurrency.racing import at_once
from tests.factories import identity, lot
from tests.factories.points import NOON

pytestmark = pytest.mark.concurrency

THREADS, TIMES = 20, 10


def drawing(draw, who, name, times=1):
    def work():
        return [
            draws.enter(member=who, draw_id=draw.pk, reference=f"{name}-{nth}", at=NOON)
            for nth in range(times)
        ]

    return work


def test_of_two_hundred_for_the_last_five_prizes_five_win():
    draw = published(certain(pieces=5))

    drawn = at_once(*(drawing(draw, identity(), f"T{nth}", TIMES) for nth in range(THREADS)))

    assert sum(each.prize is not None for some in drawn for each in some) == 5
    assert DrawPrize.objects.get().remaining == 0
    numbers = DrawOutcome.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(1, THREADS * TIMES + 1))
    assert list(queries.differences(Draw.objects.get())) == []


def test_without_the_lock_the_database_refuses_the_second(monkeypatch):
    """The negative control: both take the same number and the same last prize."""
    draw = published(certain(pieces=1))
    together = Barrier(2, timeout=10)

    def looked(draw_id):
        found = Draw.objects.get(pk=draw_id)
        together.wait()
        return found

    monkeypatch.setattr(draws, "_held", looked)
    answers = at_once(drawing(draw, identity(), "A"), drawing(draw, identity(), "B"), may_fail=True)

    [failed] = [each for each in answers if isinstance(each, Exception)]
    assert "benefits_drawoutcome_number_once" in str(failed) or "published" in str(failed)
    assert DrawOutcome.objects.count() == 1


def test_a_limit_holds_for_one_member_on_many_phones():
    who = identity()
    lot(who, 100)
    draw = published(certain(), entry_points=10, limit_count=1, limit_period="DAY")

    answers = at_once(*(drawing(draw, who, f"T{nth}") for nth in range(6)))

    assert [isinstance(each, DomainError) for each in answers].count(False) == 1
    assert balance(who.id) == 100 - 10 + 20
