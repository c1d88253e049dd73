"""A budget is spent to its last point, and by nobody beyond it."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Sum

from campaigns import budgets
from campaigns.budgets import SLICES
from campaigns.models import BudgetPurse, BudgetSlice
from points.models import Account, Activity
from tests.factories import dealer, identity, store
from tests.factories.activities import do, kind, named, rewarding
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db

EVENT = kind("event", 50)


def budget(code, *of, **fields):
    return named(code, of=list(of)) | fields


def left(code="spring"):
    return BudgetSlice.objects.filter(purse_id=code).aggregate(left=Sum("remaining"))["left"]


class TestABudget:
    def test_is_spent_to_the_last_point_and_then_nothing_is_given(self):
        rewarding(kinds=[EVENT], budgets=[budget("spring", "event", points=120)])

        granted = [do(identity(), "event") for _ in range(4)]

        assert [each.posted.points for each in granted] == [50, 50, 20, 0]
        assert granted[2].explanation["cut"] == [{"by": "spring", "reason": "budget", "points": 30}]
        assert granted[2].explanation["budgets"] == {"spring": 20}
        assert left() == 0

    def test_lies_in_slices_that_add_up_to_it(self):
        rewarding(kinds=[EVENT], budgets=[budget("spring", "event", points=1003)])
        do(identity(), "event")

        slices = list(BudgetSlice.objects.values_list("remaining", flat=True))
        assert len(slices) == SLICES
        assert sum(slices) == 1003 - 50

    def test_in_money_is_what_it_buys_in_points(self):
        rewarding(kinds=[EVENT], budgets=[budget("spring", "event", money="12.05")])

        granted = [do(identity(), "event").posted.points for _ in range(4)]

        # 10 points are 1 yuan in this programme; half a point buys nothing.
        assert granted == [50, 50, 20, 0]

    def test_of_a_dealer_pays_for_what_that_dealer_reports(self):
        one, other = store(dealer(code="ONE")), store(dealer(code="TWO"))
        rewarding(
            kinds=[EVENT],
            budgets=[
                budget("one", "event", points=60, dealer="ONE"),
                budget("two", "event", points=10, dealer="TWO"),
            ],
        )

        assert do(identity(), "event", store=one).posted.points == 50
        assert do(identity(), "event", store=one).posted.points == 10
        assert do(identity(), "event", store=other).posted.points == 10
        assert do(identity(), "event").posted.points == 50  # the brand has none

    def test_holds_from_its_first_to_its_last_day(self):
        rewarding(
            kinds=[EVENT],
            budgets=[
                budget(
                    "spring", "event", points=10, **{"from": "2026-03-01", "until": "2026-05-31"}
                )
            ],
        )
        before = datetime(2026, 2, 28, 15, 59, tzinfo=UTC)
        last = datetime(2026, 5, 31, 15, 59, tzinfo=UTC)

        assert do(identity(), "event", at=before).posted.points == 50
        assert do(identity(), "event", at=last).posted.points == 10
        assert do(identity(), "event", at=NOON).posted.points == 50

    def test_of_two_the_poorer_decides_and_the_other_keeps_the_rest(self):
        rewarding(
            kinds=[EVENT],
            budgets=[
                budget("all", "activities", points=1000),
                budget("spring", "event", points=30),
            ],
        )

        granted = do(identity(), "event")

        assert granted.posted.points == 30
        assert granted.explanation["budgets"] == {"all": 30, "spring": 30}
        assert (left("all"), left("spring")) == (970, 0)

    def test_is_not_touched_by_a_repeat(self):
        rewarding(kinds=[EVENT], budgets=[budget("spring", "event", points=120)])
        of = identity()
        do(of, "event", reference="E-1")

        do(of, "event", reference="E-1")

        assert left() == 70

    def test_goes_on_under_a_newer_version_which_may_raise_it(self):
        rewarding(kinds=[EVENT], budgets=[budget("spring", "event", points=60)])
        do(identity(), "event")
        rewarding(
            kinds=[EVENT],
            budgets=[budget("spring", "event", points=100)],
            valid_from="2026-06-15",
        )

        assert do(identity(), "event").posted.points == 50
        assert do(identity(), "event").posted.points == 0
        assert BudgetPurse.objects.get().points == 100

    def test_cannot_be_lowered_below_what_is_spent(self):
        rewarding(kinds=[EVENT], budgets=[budget("spring", "event", points=100)])
        do(identity(), "event")
        rewarding(
            kinds=[EVENT],
            budgets=[budget("spring", "event", points=10)],
            valid_from="2026-06-15",
        )

        assert do(identity(), "event").posted.points == 0
        assert BudgetPurse.objects.get().points == 50

    def test_of_an_older_version_does_not_undo_what_a_newer_one_says(self):
        rewarding(kinds=[EVENT], budgets=[budget("spring", "event", points=60)])
        rewarding(
            kinds=[EVENT],
            budgets=[budget("spring", "event", points=1000)],
            valid_from="2026-06-15",
        )
        do(identity(), "event")
        yesterday = datetime(2026, 6, 14, 4, tzinfo=UTC)

        do(identity(), "event", at=yesterday)

        assert BudgetPurse.objects.get().points == 1000
        assert left() == 900

    def test_is_what_the_journal_says_was_paid(self):
        rewarding(kinds=[EVENT], budgets=[budget("spring", "event", points=120)])
        for _ in range(4):
            do(identity(), "event")

        paid = sum(
            each.explanation.get("budgets", {}).get("spring", 0) for each in Activity.objects.all()
        )
        assert paid == 120 - left() == sum(each.balance for each in Account.objects.all())

    def test_gets_back_what_is_given_back(self):
        rewarding(kinds=[EVENT], budgets=[budget("spring", "event", points=50)])
        do(identity(), "event")

        budgets.give_back(code="spring", points=20)

        assert do(identity(), "event").posted.points == 20

    def test_cannot_be_overspent_whatever_the_code_does(self):
        rewarding(kinds=[EVENT], budgets=[budget("spring", "event", points=50)])
        do(identity(), "event")

        with pytest.raises(IntegrityError, match="not_overspent"), transaction.atomic():
            BudgetSlice.objects.filter(nth=0).update(remaining=-1)
