"""The arithmetic of earning: exact until the one place where it is rounded."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns import earning
from campaigns.earning import Line, Rule
from programme.policies import Rounding


def rule(code="base", points="1", per="10", *categories):
    return Rule(code, frozenset(categories), Decimal(points), Decimal(per))


def lines(*amounts):
    return [Line(str(n), "", Decimal(amount)) for n, amount in enumerate(amounts, 1)]


def judge(rules, bought, mode="down", per="document"):
    return earning.judge(rules=rules, rounding=Rounding(mode, per), lines=bought, version=7)


@pytest.mark.parametrize(
    ("mode", "per", "points"),
    [
        ("down", "document", 5),
        ("half_up", "document", 6),
        ("up", "document", 6),
        ("down", "line", 4),
        ("half_up", "line", 6),
        ("up", "line", 7),
    ],
)
def test_rounds_as_the_policy_says(mode, per, points):
    # 1.5, 2.9 and 1.1 points.
    assert judge([rule()], lines("15.00", "29.00", "11.00"), mode, per).points == points


@pytest.mark.parametrize(
    ("exact", "down", "half_up", "up"),
    [
        (Fraction(0), 0, 0, 0),
        (Fraction(1, 3), 0, 0, 1),
        (Fraction(1, 2), 0, 1, 1),
        (Fraction(5, 2), 2, 3, 3),
        (Fraction(7, 1), 7, 7, 7),
        (Fraction(10**30 + 1, 2), 5 * 10**29, 5 * 10**29 + 1, 5 * 10**29 + 1),
    ],
)
def test_whole_points(exact, down, half_up, up):
    assert Rounding("down", "line").whole(exact) == down
    assert Rounding("half_up", "line").whole(exact) == half_up
    assert Rounding("up", "line").whole(exact) == up


def test_three_thirds_are_one():
    """Decimals add up to 0.999…9, and rounding down would give nothing for them."""
    bought = lines("1.00", "1.00", "1.00")

    judgement = judge([rule(per="3")], bought)

    assert judgement.points == 1
    assert judgement.explanation["exact"] == "1"
    assert [line["exact"] for line in judgement.explanation["lines"]] == ["0.333333"] * 3


def test_the_first_rule_that_takes_a_line_counts():
    rules = [rule("parts", "2", "10", "parts", "tyres"), rule("labour", "1", "5", "labour")]
    bought = [
        Line("1", "parts", Decimal("10.00")),
        Line("2", "labour", Decimal("10.00")),
        Line("3", "coffee", Decimal("10.00")),
        Line("4", "", Decimal("10.00")),
    ]

    judgement = judge([*rules, rule("tyres", "9", "1", "tyres")], bought)

    assert judgement.points == 4
    assert [line["rule"] for line in judgement.explanation["lines"]] == [
        "parts",
        "labour",
        None,
        None,
    ]
    assert judgement.explanation["not_applied"] == [
        {"rule": "tyres", "reason": "no_line_of_its_categories"}
    ]


def test_says_why():
    judgement = judge([rule(points="1.5"), rule("later")], [Line("1", "parts", Decimal("26.80"))])

    assert judgement.explanation == {
        "version": 7,
        "lines": [
            {
                "line": "1",
                "category": "parts",
                "amount": "26.80",
                "rule": "base",
                "points": "1.5",
                "per_amount": "10",
                "exact": "4.02",
            }
        ],
        "exact": "4.02",
        "rounding": {"mode": "down", "per": "document"},
        "points": 4,
        "not_applied": [{"rule": "later", "reason": "an_earlier_rule_took_the_line"}],
    }


def test_amounts_are_told_as_money_however_they_were_written():
    judgement = judge([rule()], [Line("1", "", Decimal("1E+2")), Line("2", "", Decimal("0.5"))])

    assert [line["amount"] for line in judgement.explanation["lines"]] == ["100.00", "0.50"]


def test_no_rule_no_points():
    judgement = judge([], lines("100.00"))

    assert (judgement.points, judgement.explanation["exact"]) == (0, "0")


amounts = st.integers(0, 10**14 - 1).map(lambda cents: Decimal(cents) / 100)
rates = st.integers(0, 10**12 - 1).map(lambda n: Decimal(n) / 10_000)
pers = st.integers(1, 10**14 - 1).map(lambda n: Decimal(n) / 100)


@settings(derandomize=True, deadline=None)
@given(st.lists(amounts, min_size=1, max_size=5), rates, pers)
def test_is_exact_for_whatever_amounts(bought, points, per):
    """Against integers only: cents, ten-thousandths of points, cents."""
    judgement = judge([rule(points=points, per=per)], lines(*bought))

    cents = sum(int(amount * 100) for amount in bought)
    assert judgement.points == cents * int(points * 10_000) // (int(per * 100) * 10_000)


@settings(derandomize=True, deadline=None)
@given(st.lists(amounts, min_size=2, max_size=5), st.sampled_from(["down", "half_up", "up"]))
def test_less_is_never_worth_more(bought, mode):
    """A return can only take back: what is left of a purchase is worth no more than all of it."""
    for per in ("document", "line"):
        whole = judge([rule()], lines(*bought), mode, per).points
        assert judge([rule()], lines(*bought[1:]), mode, per).points <= whole
