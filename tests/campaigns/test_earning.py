"""The arithmetic of earning: exact until the one place where it is rounded."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns import earning
from campaigns.earning import Earning, Facts, Line
from programme.policies import Rounding

DAY = date(2026, 6, 15)  # a Monday


def rule(code="base", points="1", per="10", *categories, **more):
    return {
        "code": code,
        "names": {"zh-hans": code},
        "categories": list(categories),
        "points": str(points),
        "per_amount": str(per),
    } | more


def boost(code, gives, stacking="add", when=None, **more):
    return {
        "code": code,
        "names": {"zh-hans": code},
        "when": when or {},
        "gives": gives,
        "stacking": stacking,
    } | more


def lines(*amounts):
    return [Line(str(n), "", Decimal(amount)) for n, amount in enumerate(amounts, 1)]


def line(category, amount, number="1", product=""):
    return Line(number, category, Decimal(amount), product)


def judge(rules, bought, mode="down", per="document", *, boosts=(), limits=None, **facts):
    return earning.judge(
        rules=Earning.of({"rules": rules, "boosts": list(boosts)}),
        rounding=Rounding(mode, per),
        lines=bought,
        version=7,
        facts=Facts(**{"day": DAY} | facts),
        limits=limits or {},
    )


def refused(judgement):
    """Code → why it did not apply."""
    return {
        code: each["reason"]
        for each in judgement.explanation["not_applied"]
        for code in each["codes"]
    }


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
        line("parts", "10.00", "1"),
        line("labour", "10.00", "2"),
        line("coffee", "10.00", "3"),
        line("", "10.00", "4"),
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
        {"reason": "no_line_of_its_categories", "codes": ["tyres"]}
    ]
    assert judgement.parts == {"parts": 2, "labour": 2}


def test_says_why():
    judgement = judge([rule(points="1.5"), rule("later")], [line("parts", "26.80")])

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
        "parts": {"base": 4},
        "not_applied": [{"reason": "an_earlier_rule_took_the_line", "codes": ["later"]}],
    }
    assert judgement.parts == {"base": 4}


def test_amounts_are_told_as_money_however_they_were_written():
    judgement = judge([rule()], [line("", "1E+2"), line("", "0.5", "2")])

    assert [line["amount"] for line in judgement.explanation["lines"]] == ["100.00", "0.50"]


def test_no_rule_no_points():
    judgement = judge([], lines("100.00"))

    assert (judgement.points, judgement.explanation["exact"]) == (0, "0")


class TestWhere:
    def test_a_tier_has_its_own_rate(self):
        by_tier = [rule(tiers={"silver": {"points": "1", "per_amount": "8"}})]

        assert judge(by_tier, lines("80.00")).points == 8
        assert judge(by_tier, lines("80.00"), tier="regular").points == 8
        silver = judge(by_tier, lines("80.00"), tier="silver")

        assert (silver.points, silver.explanation["tier"]) == (10, "silver")
        assert silver.explanation["lines"][0]["per_amount"] == "8"

    @pytest.mark.parametrize(
        ("where", "fits", "fits_not", "reason"),
        [
            ({"tiers": ["gold"]}, {"tier": "gold"}, {"tier": "silver"}, "another_tier"),
            ({"tiers": ["gold"]}, {"tier": "gold"}, {"tier": None}, "another_tier"),
            ({"stores": ["S1"]}, {"store": "S1"}, {"store": "S2"}, "another_store"),
            ({"dealers": ["D1"]}, {"dealer": "D1"}, {"dealer": ""}, "another_dealer"),
            ({"channels": ["app"]}, {"channel": "app"}, {"channel": "till"}, "another_channel"),
            ({"weekdays": ["mon"]}, {}, {"day": date(2026, 6, 16)}, "another_weekday"),
            ({"weekdays": ["sun", "mon"]}, {}, {"day": date(2026, 6, 13)}, "another_weekday"),
            ({"months": [6]}, {}, {"day": date(2026, 7, 1)}, "another_month"),
            ({"from": "2026-06-15"}, {}, {"day": date(2026, 6, 14)}, "outside_its_dates"),
            ({"until": "2026-06-15"}, {}, {"day": date(2026, 6, 16)}, "outside_its_dates"),
        ],
    )
    def test_where_it_does_not_fit_the_next_rule_is_asked(self, where, fits, fits_not, reason):
        rules = [rule("special", 5, where=where), rule()]

        there = judge(rules, lines("10.00"), **fits)
        elsewhere = judge(rules, lines("10.00"), **fits_not)

        assert (there.points, refused(there)) == (5, {"base": "an_earlier_rule_took_the_line"})
        assert (elsewhere.points, refused(elsewhere)) == (1, {"special": reason})

    def test_of_certain_products_only_their_lines(self):
        rules = [rule("launch", 5, where={"products": ["X-1"]}), rule()]
        bought = [line("", "10.00", "1", "X-1"), line("", "10.00", "2", "X-2")]

        assert judge(rules, bought).parts == {"launch": 5, "base": 1}
        assert refused(judge(rules, bought[1:])) == {"launch": "no_line_of_its_products"}


class TestWhen:
    @pytest.mark.parametrize(
        ("when", "fits", "fits_not", "reason"),
        [
            ({"birthday": "month"}, {"birthday": "month"}, {}, "not_the_birthday"),
            ({"birthday": "month"}, {"birthday": "day"}, {}, "not_the_birthday"),
            ({"birthday": "day"}, {"birthday": "day"}, {"birthday": "month"}, "not_the_birthday"),
            (
                {"member_day": {"days": [8, 15]}},
                {},
                {"day": date(2026, 6, 16)},
                "not_a_member_day",
            ),
            (
                {"member_day": {"days": [31]}},
                {"day": date(2026, 2, 28)},
                {"day": date(2028, 2, 28)},
                "not_a_member_day",
            ),
            (
                {"dates": [{"from": "2026-06-01", "until": "2026-06-15"}]},
                {},
                {"day": date(2026, 6, 16)},
                "outside_its_dates",
            ),
            (
                {
                    "dates": [
                        {"from": "2026-01-01", "until": "2026-01-03"},
                        {"from": "2026-06-15", "until": "2026-06-15"},
                    ]
                },
                {},
                {"day": date(2026, 1, 4)},
                "outside_its_dates",
            ),
            ({"first_purchase": True}, {"first_purchase": True}, {}, "not_the_first_purchase"),
            ({"first_purchase": False}, {}, {"first_purchase": True}, "the_first_purchase"),
            ({"tiers": ["gold"]}, {"tier": "gold"}, {}, "another_tier"),
            (
                {"new_category": True},
                {},
                {"bought_before": frozenset({"parts"})},
                "no_new_category",
            ),
        ],
    )
    def test_boosts_when_and_only_when(self, when, fits, fits_not, reason):
        boosts = [boost("more", {"percent": "50"}, when=when)]

        there = judge([rule()], [line("parts", "100.00")], boosts=boosts, **fits)
        elsewhere = judge([rule()], [line("parts", "100.00")], boosts=boosts, **fits_not)

        assert there.parts == {"base": 10, "more": 5}
        assert (elsewhere.parts, refused(elsewhere)) == ({"base": 10}, {"more": reason})

    @pytest.mark.parametrize(
        ("birthday", "day", "it_is"),
        [
            (date(1980, 6, 15), date(2026, 6, 15), "day"),
            (date(1980, 6, 15), date(2026, 6, 14), "month"),
            (date(1980, 6, 15), date(2026, 7, 15), ""),
            (date(1980, 2, 29), date(2027, 2, 28), "day"),
            (date(1980, 2, 29), date(2028, 2, 28), "month"),
            (date(1980, 2, 29), date(2028, 2, 29), "day"),
            (date(1980, 2, 29), date(2027, 3, 1), ""),
            (None, date(2026, 6, 15), ""),
        ],
    )
    def test_birthdays_and_leap_years(self, birthday, day, it_is):
        assert earning.birthday_on(birthday, day) == it_is

    def test_a_line_without_a_category_is_never_of_a_new_one(self):
        boosts = [boost("cross", {"factor": "2"}, when={"new_category": True})]

        assert judge([rule()], lines("100.00"), boosts=boosts).points == 10

    def test_counts_only_on_the_lines_it_is_about(self):
        boosts = [
            boost("parts", {"factor": "2"}, when={"categories": ["parts"]}),
            boost("new", {"percent": "10"}, when={"products": ["X-1"], "min_amount": "100"}),
        ]
        bought = [line("parts", "50.00", "1"), line("labour", "100.00", "2", "X-1")]

        judgement = judge([rule()], bought, boosts=boosts)

        assert judgement.parts == {"base": 15, "parts": 5, "new": 1}
        assert judgement.explanation["boosts"] == [
            {"code": "parts", "factor": "2", "exact": "5", "lines": ["1"]},
            {"code": "new", "percent": "10", "exact": "1", "lines": ["2"]},
        ]
        assert judgement.shares() == [10, 11]

    @pytest.mark.parametrize(("amount", "points"), [("99.99", 9), ("100.00", 60)])
    def test_from_an_amount_on(self, amount, points):
        boosts = [boost("fifty", {"points": "50"}, when={"min_amount": "100"})]

        assert judge([rule()], lines(amount), boosts=boosts).points == points

    def test_nothing_is_boosted_by_what_was_free(self):
        boosts = [boost("fifty", {"points": "50"}, when={"first_purchase": True})]

        free = judge([rule()], lines("0.00"), boosts=boosts, first_purchase=True)

        assert (free.points, refused(free)) == (0, {"fifty": "no_line_of_its_categories"})

    def test_a_factor_on_nothing_is_told(self):
        boosts = [boost("double", {"factor": "2"})]

        nothing = judge([rule(points="0")], lines("10.00"), boosts=boosts)

        assert refused(nothing) == {"double": "its_lines_earn_nothing"}


class TestStacking:
    """On 100 points."""

    def parts(self, *boosts, **options):
        return judge([rule()], lines("1000.00"), boosts=boosts, **options).parts

    def test_what_is_added_is_reckoned_on_what_the_rules_give(self):
        assert self.parts(
            boost("a", {"percent": "10"}), boost("b", {"factor": "2"}), boost("c", {"points": "7"})
        ) == {"base": 100, "a": 10, "b": 100, "c": 7}

    def test_what_multiplies_does_so_one_after_the_other(self):
        """(100 + 10) × 2 × 1.5 = 330."""
        assert self.parts(
            boost("half", {"percent": "50"}, "multiply", priority=1),
            boost("double", {"factor": "2"}, "multiply", priority=2),
            boost("tenth", {"percent": "10"}),
            boost("whole", {"points": "7"}),
        ) == {"base": 100, "tenth": 10, "double": 110, "half": 110, "whole": 7}

    def test_of_a_group_only_the_best_counts(self):
        boosts = [
            boost("ten", {"percent": "10"}, "best", group="spring"),
            boost("fifteen", {"points": "15"}, "best", group="spring"),
            boost("five", {"percent": "5"}, "best", group="other"),
        ]

        judgement = judge([rule()], lines("1000.00"), boosts=boosts)

        assert judgement.parts == {"base": 100, "fifteen": 15, "five": 5}
        assert refused(judgement) == {"ten": "a_better_boost_of_its_group"}

    def test_of_equals_the_one_of_the_greater_priority(self):
        boosts = [
            boost("one", {"percent": "10"}, "best", group="g"),
            boost("two", {"percent": "10"}, "best", group="g", priority=1),
        ]

        assert self.parts(*boosts) == {"base": 100, "two": 10}

    def test_an_exclusive_one_stands_alone_even_if_it_gives_less(self):
        boosts = [
            boost("double", {"factor": "2"}),
            boost("alone", {"percent": "1"}, "exclusive"),
            boost("lower", {"percent": "90"}, "exclusive"),
            boost("higher", {"percent": "2"}, "exclusive", priority=5),
        ]

        judgement = judge([rule()], lines("1000.00"), boosts=boosts)

        assert judgement.parts == {"base": 100, "higher": 2}
        assert set(refused(judgement).values()) == {"an_exclusive_boost_stands_alone"}

    def test_an_exclusive_one_that_does_not_apply_stands_in_nobodys_way(self):
        boosts = [
            boost("double", {"factor": "2"}),
            boost("alone", {"percent": "1"}, "exclusive", when={"birthday": "day"}),
        ]

        assert self.parts(*boosts) == {"base": 100, "double": 100}

    def test_is_rounded_once(self):
        """26.8 and 10 % of it are 29.48; rounded each they would be 28."""
        judgement = judge([rule()], lines("268.00"), boosts=[boost("birthday", {"percent": "10"})])

        assert judgement.points == 29
        assert judgement.parts == {"base": 27, "birthday": 2}
        assert judgement.explanation["exact"] == "29.48"


class TestLimits:
    """On 100 points."""

    def judged(self, *boosts, limits, rules=None, **options):
        return judge(rules or [rule()], lines("1000.00"), boosts=boosts, limits=limits, **options)

    def test_cut_off_what_a_rule_may_not_give_any_more(self):
        judgement = self.judged(limits={"base": 40})

        assert judgement.points == 40
        assert judgement.explanation["caps"] == [{"code": "base", "left": 40, "exact": "100"}]

    def test_a_boost_is_reckoned_on_what_was_given(self):
        judgement = self.judged(boost("double", {"factor": "2"}), limits={"base": 40})

        assert judgement.parts == {"base": 40, "double": 40}

    def test_cut_off_a_boost(self):
        double, fifty = boost("double", {"factor": "2"}), boost("fifty", {"points": "50"})

        assert self.judged(double, fifty, limits={"double": 10, "fifty": 3}).parts == {
            "base": 100,
            "double": 10,
            "fifty": 3,
        }

    def test_one_with_nothing_left_stands_in_nobodys_way(self):
        alone, best = boost("alone", {"factor": "9"}, "exclusive"), {"group": "g"}
        ten = boost("ten", {"percent": "10"}, "best", **best)
        fifty = boost("fifty", {"points": "50"}, "best", **best)

        judgement = self.judged(alone, ten, fifty, limits={"alone": 0, "fifty": 4})

        assert judgement.parts == {"base": 100, "ten": 10}
        assert refused(judgement) == {"alone": "cap_met", "fifty": "a_better_boost_of_its_group"}

    def test_no_rounding_gives_more_than_is_left(self):
        rules = [rule("half", "1", "20", "a"), rule("rest", "1", "20")]
        bought = [line("a", "10.00", str(n)) for n in range(9)] + [line("", "10.00", "x")]

        for per in ("line", "document"):
            judgement = judge(rules, bought, "up", per, limits={"half": 3})

            assert judgement.parts["half"] <= 3
            assert judgement.points == sum(judgement.parts.values())
            assert sum(judgement.shares()) == judgement.points


# --- Whatever comes -------------------------------------------------------------------------------

amounts = st.integers(0, 10**14 - 1).map(lambda cents: Decimal(cents) / 100)
rates = st.integers(0, 10**12 - 1).map(lambda n: Decimal(n) / 10_000)
pers = st.integers(1, 10**14 - 1).map(lambda n: Decimal(n) / 100)

CATEGORIES = ["", "labour", "parts", "tyres"]
cents = st.integers(0, 100_000).map(lambda n: Decimal(n) / 100)
random_lines = st.lists(
    st.builds(lambda category, amount: (category, amount), st.sampled_from(CATEGORIES), cents),
    min_size=1,
    max_size=5,
).map(lambda found: [Line(str(n), *each) for n, each in enumerate(found)])
some_categories = st.lists(st.sampled_from(CATEGORIES[1:]), max_size=2, unique=True)
random_rules = st.lists(
    st.builds(
        lambda points, per, of: rule("", points, per, *of),
        st.integers(0, 50),
        st.integers(1, 30),
        some_categories,
    ),
    min_size=1,
    max_size=4,
).map(lambda found: [each | {"code": f"r{n}"} for n, each in enumerate(found)])
random_gives = st.one_of(
    st.integers(1, 300).map(lambda n: {"percent": str(n)}),
    st.integers(11, 40).map(lambda n: {"factor": str(Decimal(n) / 10)}),
    st.integers(1, 90).map(lambda n: {"points": str(n)}),
)


@st.composite
def random_boosts(draw, stackings=("add", "multiply", "best", "exclusive")):
    found = []
    for n in range(draw(st.integers(0, 5))):
        gives, stacking = draw(random_gives), draw(st.sampled_from(stackings))
        if stacking == "multiply" and "points" in gives:
            stacking = "add"
        when = draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "categories": st.lists(st.sampled_from(CATEGORIES[1:]), min_size=1, max_size=2),
                    "min_amount": st.integers(1, 100_000).map(lambda n: str(Decimal(n) / 100)),
                    "new_category": st.just(True),
                    "birthday": st.just("month"),
                },
            )
        )
        group = {"group": draw(st.sampled_from("gh"))} if stacking == "best" else {}
        priority = draw(st.integers(0, 2))
        found.append(boost(f"b{n}", gives, stacking, when, priority=priority, **group))
    return found


random_facts = st.fixed_dictionaries(
    {
        "birthday": st.sampled_from(["", "month"]),
        "bought_before": st.frozensets(st.sampled_from(CATEGORIES[1:])),
    }
)
random_limits = st.dictionaries(
    st.sampled_from(["r0", "r1", "b0", "b1", "b2"]), st.integers(0, 100), max_size=3
)
modes = st.sampled_from(["down", "half_up", "up"])
per_what = st.sampled_from(["document", "line"])


@given(st.lists(amounts, min_size=1, max_size=5), rates, pers)
def test_is_exact_for_whatever_amounts(bought, points, per):
    """Against integers only: cents, ten-thousandths of points, cents."""
    judgement = judge([rule(points=f"{points:f}", per=f"{per:f}")], lines(*bought))

    cents = sum(int(amount * 100) for amount in bought)
    assert judgement.points == cents * int(points * 10_000) // (int(per * 100) * 10_000)


@settings(max_examples=150)
@given(random_rules, random_boosts(), random_lines, random_facts, random_limits, modes, per_what)
def test_the_parts_are_the_points_and_keep_their_limits(
    rules, boosts, bought, facts, limits, mode, per
):
    judgement = judge(rules, bought, mode, per, boosts=boosts, limits=limits, **facts)

    parts = judgement.parts
    assert sum(parts.values()) == judgement.points == judgement.explanation["points"]
    assert all(given > 0 for given in parts.values())
    assert all(given <= limits.get(code, given) for code, given in parts.items())
    assert judgement.explanation["parts"] == parts
    shares = judgement.shares()
    assert sum(shares) == judgement.points
    assert all(share >= 0 for share in shares)
    told = set(refused(judgement)) | set(parts)
    assert {each["code"] for each in boosts} <= told | {
        each["code"] for each in judgement.explanation.get("boosts", ())
    }


@settings(max_examples=150)
@given(
    random_rules,
    random_boosts(stackings=("add", "multiply", "best")),
    random_lines,
    random_facts,
    modes,
    per_what,
    st.data(),
)
def test_less_is_never_worth_more(rules, boosts, bought, facts, mode, per, data):
    """A return can only take back: what is left of a purchase is worth no more than all of it."""
    left = [
        Line(
            each.number,
            each.category,
            data.draw(st.integers(0, int(each.amount * 100))) / Decimal(100),
        )
        for each in bought
    ]

    whole = judge(rules, bought, mode, per, boosts=boosts, **facts).points
    rest = judge(rules, left, mode, per, boosts=boosts, **facts).points

    assert rest <= whole


@given(random_rules, random_boosts(), random_lines, random_facts, modes, per_what)
def test_nothing_left_is_worth_nothing(rules, boosts, bought, facts, mode, per):
    nothing = [Line(each.number, each.category, Decimal(0)) for each in bought]

    assert judge(rules, nothing, mode, per, boosts=boosts, **facts).points == 0


@given(random_facts, st.sampled_from(["gold", None]), st.booleans(), st.sampled_from(["", "app"]))
def test_facts_are_read_as_they_were_told(facts, tier, first, channel):
    known = Facts(day=DAY, tier=tier, first_purchase=first, channel=channel, **facts)

    assert Facts.read(known.as_json(), day=DAY) == known


@given(st.lists(st.fractions(0, 20), min_size=1, max_size=6), st.integers(0, 200))
def test_whole_numbers_near_to_exact_ones_add_up(exact, total):
    whole = earning.nearest(total, exact)

    assert sum(whole) == total
    assert all(each >= 0 for each in whole)
