"""Attractiveness × feasibility × partner cost, and who comes first (B7): by hand, and exact."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benefits import scoring
from benefits.scoring import Scored, Weights, ranked

EVEN = Weights(1, 1, 1)


def scored(pk, *scores):
    return Scored(pk, *(None if each is None else Decimal(each) for each in scores))


def test_what_all_choose_is_best_and_what_none_chooses_worst():
    assert scoring.of_choice(chosen=8, answers=8) == 5
    assert scoring.of_choice(chosen=0, answers=8) == 1
    assert scoring.of_choice(chosen=2, answers=8) == 2


def test_stars_are_the_mean():
    assert scoring.of_stars(total=21, answers=6) == Fraction(7, 2)


def test_the_first_place_is_best_and_the_last_worst():
    assert scoring.of_order(total=5, answers=5, options=3) == 5
    assert scoring.of_order(total=15, answers=5, options=3) == 1
    assert scoring.of_order(total=10, answers=5, options=3) == 3


def test_the_total_is_the_mean_by_weight():
    one = scored(1, "4.50", "2.00", "3.25")

    assert one.total(EVEN) == Decimal("3.25")
    # (4.5 × 50 + 2 × 30 + 3.25 × 20) ÷ 100
    assert one.total(Weights(50, 30, 20)) == Decimal("3.50")
    assert one.total(Weights(5, 3, 2)) == Decimal("3.50")
    assert one.total(Weights(0, 1, 0)) == Decimal("2.00")


def test_what_is_not_known_and_weighs_something_makes_the_total_unknown():
    assert scored(1, None, "2.00", "3.00").total(EVEN) is None
    assert scored(1, None, "2.00", "3.00").total(Weights(0, 1, 1)) == Decimal("2.50")


def test_the_best_comes_first_and_ties_are_told_apart_and_explained():
    found = ranked(
        [
            scored(1, "3.00", "3.00", "3.00"),
            scored(2, "5.00", "5.00", "5.00"),
            scored(3, "3.00", "2.00", "4.00"),
            scored(4, "4.00", "1.00", "4.00"),
            scored(5, "3.00", "3.00", "3.00"),
            scored(6, None, "5.00", "5.00"),
        ],
        EVEN,
    )

    assert [(each.scored.candidate_id, each.place, each.by) for each in found] == [
        (2, 1, ""),
        (4, 2, "total"),
        (1, 3, "attractiveness"),
        (5, 3, "nothing"),
        (3, 5, "feasibility"),
        (6, None, ""),
    ]


SCORE = st.integers(100, 500).map(lambda cents: Decimal(cents) / 100)
ROW = st.tuples(SCORE, SCORE, SCORE)
WEIGHT = st.integers(0, 100)


@given(st.lists(ROW, min_size=1, max_size=8), st.tuples(WEIGHT, WEIGHT, WEIGHT).filter(any))
def test_the_order_given_does_not_matter_and_nobody_is_lost(rows, weights):
    candidates = [Scored(pk, *row) for pk, row in enumerate(rows)]

    forth = ranked(candidates, Weights(*weights))
    back = ranked(reversed(candidates), Weights(*weights))

    assert forth == back
    assert sorted(each.scored.candidate_id for each in forth) == list(range(len(rows)))
    totals = [each.total for each in forth]
    assert totals == sorted(totals, reverse=True)
    assert all(1 <= total <= 5 for total in totals)


@pytest.mark.parametrize(("exact", "told"), [("1/3", "0.33"), ("2/3", "0.67"), ("13/8", "1.63")])
def test_scores_are_shown_with_two_digits(exact, told):
    assert scoring.shown(Fraction(exact)) == Decimal(told)
