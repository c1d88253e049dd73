"""What strikes the rule check about earning: a rulebook that has it, and one that has not."""

from copy import deepcopy

import pytest
from django.utils import translation

from campaigns import checks
from programme import documents
from programme.checks import Severity
from tests.factories.programme import PLAIN


@pytest.fixture(autouse=True)
def _in_english():
    with translation.override("en"):
        yield


def level(code, **more):
    return {"code": code, "names": {"zh-hans": code}, "color": "#000000", **more}


def above(code, at_least="1000", **more):
    return level(code, upgrade={"measure": "points", "at_least": at_least}, **more)


LADDER = [level("regular"), above("silver", "1000"), above("gold", "2000")]


def rule(code="base", points="1", per_amount="10", **more):
    return {
        "code": code, "names": {"zh-hans": code}, "categories": [], "points": points,
        "per_amount": per_amount, **more,
    }  # fmt: skip


def boost(code, gives, when=None, stacking="add", **more):
    return {
        "code": code, "names": {"zh-hans": code}, "when": when or {}, "gives": gives,
        "stacking": stacking, **more,
    }  # fmt: skip


def document(*rules, boosts=(), activities=None, per="document", mode="down"):
    made = deepcopy(documents.parse(PLAIN.read_text()))
    made["policies"]["rounding"] = {"mode": mode, "per": per}
    made["earning"] = {"rules": list(rules or [rule()])}
    if boosts:
        made["earning"]["boosts"] = list(boosts)
    made["tiers"] = {"levels": LADDER}
    if activities:
        none = {"kinds": [], "caps": [], "budgets": [], "gifts": [], "tasks": []}
        made["activities"] = none | activities
    documents.validate(made)
    return made


def found(check, made):
    return [(finding.path, finding.text) for finding in check(made)]


def rates(**by_tier):
    return {tier: {"points": points, "per_amount": "10"} for tier, points in by_tier.items()}


class TestHigherEarnsLess:
    def test_at_its_own_rate(self):
        made = document(rule(points="1", tiers=rates(silver="1.5", gold="1.2")))

        [(path, text)] = found(checks.higher_earns_less, made)

        assert path == ("earning", "rules", 0)
        assert text == (
            "“gold” earns less than “silver”: 12 against 15 points for 100 spent on what has no"
            " category."
        )

    def test_because_a_rule_is_not_for_it(self):
        made = document(
            rule("best", points="2", where={"tiers": ["silver"]}), rule("base", points="1")
        )

        assert [path for path, _ in found(checks.higher_earns_less, made)] == [
            ("earning", "rules", 1)
        ]

    def test_of_one_category(self):
        made = document(
            rule("parts", categories=["parts"], tiers=rates(silver="3", gold="2")), rule("base")
        )

        [(path, text)] = found(checks.higher_earns_less, made)

        assert path == ("earning", "rules", 0)
        assert "parts" in text

    def test_not_if_each_earns_as_much_as_the_one_below(self):
        made = document(rule(tiers=rates(silver="1.5", gold="1.5")))

        assert found(checks.higher_earns_less, made) == []


class TestBoostLostByRising:
    def test_of_a_tier_only_the_lower_has(self):
        birthday = boost("birthday", {"percent": "20"}, {"birthday": "month", "tiers": ["silver"]})

        [(path, text)] = found(checks.boost_lost_by_rising, document(rule(), boosts=[birthday]))

        assert path == ("earning", "boosts", 0, "when", "tiers")
        assert text == "Who rises from “silver” to “gold” loses “birthday”."

    def test_of_whole_points(self):
        gift = boost("gift", {"points": "50"}, {"tiers": ["silver"]})

        assert len(found(checks.boost_lost_by_rising, document(rule(), boosts=[gift]))) == 1

    def test_not_if_the_higher_has_a_like_one(self):
        boosts = [
            boost("s", {"percent": "20"}, {"birthday": "month", "tiers": ["silver"]}),
            boost("g", {"percent": "30"}, {"birthday": "month", "tiers": ["gold"]}),
        ]

        assert found(checks.boost_lost_by_rising, document(rule(), boosts=boosts)) == []

    def test_not_if_its_rate_makes_up_for_it(self):
        made = document(
            rule(tiers=rates(gold="2")), boosts=[boost("s", {"factor": "2"}, {"tiers": ["silver"]})]
        )

        assert found(checks.boost_lost_by_rising, made) == []

    def test_not_if_the_highest_has_it(self):
        everybody = boost("all", {"percent": "5"}, {"tiers": ["silver", "gold"]})

        assert found(checks.boost_lost_by_rising, document(rule(), boosts=[everybody])) == []


class TestNeverAsked:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ({}, {}),
            ({}, {"categories": ["parts"]}),
            ({}, {"where": {"stores": ["a"]}}),
            ({"categories": ["parts", "labour"]}, {"categories": ["parts"]}),
            ({"where": {"stores": ["a", "b"]}}, {"where": {"stores": ["b"], "months": [1]}}),
            (
                {"where": {"from": "2026-01-01"}},
                {"where": {"from": "2026-02-01", "until": "2026-03-01"}},
            ),
        ],
    )
    def test_a_rule_whose_lines_an_earlier_one_takes(self, first, second):
        made = document(rule("first", **first), rule("second", points="2", **second))

        assert found(checks.never_asked, made) == [
            (("earning", "rules", 1), "“second” never counts: “first” takes its lines before.")
        ]

    def test_a_rule_whose_categories_several_take_together(self):
        made = document(
            rule("p", categories=["parts"]),
            rule("l", categories=["labour"]),
            rule("both", categories=["parts", "labour"]),
        )

        assert [path for path, _ in found(checks.never_asked, made)] == [("earning", "rules", 2)]

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ({"categories": ["parts"]}, {}),
            ({"categories": ["parts"]}, {"categories": ["parts", "labour"]}),
            ({"where": {"stores": ["a"]}}, {}),
            ({"where": {"stores": ["a"]}}, {"where": {"stores": ["a", "b"]}}),
            ({"where": {"until": "2026-01-01"}}, {"where": {"until": "2026-02-01"}}),
        ],
    )
    def test_not_a_rule_that_some_lines_come_to(self, first, second):
        made = document(rule("first", **first), rule("second", points="2", **second))

        assert found(checks.never_asked, made) == []


class TestExclusiveBoostsMeet:
    def test_one_takes_the_place_of_the_other(self):
        boosts = [
            boost("spring", {"factor": "2"}, stacking="exclusive", priority=1),
            boost("birthday", {"factor": "3"}, stacking="exclusive", priority=2),
        ]

        [(path, text)] = found(checks.exclusive_boosts_meet, document(rule(), boosts=boosts))

        assert path == ("earning", "boosts", 1, "priority")
        assert text.endswith("only “birthday” counts then.")

    def test_not_if_they_are_for_different_tiers_or_add_up(self):
        boosts = [
            boost("s", {"factor": "2"}, {"tiers": ["silver"]}, stacking="exclusive"),
            boost("g", {"factor": "3"}, {"tiers": ["gold"]}, stacking="exclusive"),
            boost("a", {"percent": "3"}),
        ]

        assert found(checks.exclusive_boosts_meet, document(rule(), boosts=boosts)) == []


def kind(code, points="1", **more):
    return {
        "code": code, "names": {"zh-hans": code}, "group": "interaction", "points": points, **more,
    }  # fmt: skip


def cap(of, **limit):
    return {"code": "cap", "names": {"zh-hans": "cap"}, "of": of, **limit}


class TestCapsNeverMet:
    @pytest.mark.parametrize(
        ("kinds", "limit"),
        [
            ([kind("check-in", once_per="day")], {"points": 366, "per": "year"}),
            ([kind("check-in", once_per="day")], {"points": 31, "per": "month"}),
            ([kind("check-in", once_per="day")], {"times": 7, "per": "week"}),
            ([kind("check-in", "5", once_per="month")], {"points": 60, "per": "year"}),
            ([kind("check-in", "5", once_per="lifetime")], {"points": 5, "per": "year"}),
            (
                [kind("check-in", once_per="day"), kind("share", "2", once_per="day")],
                {"points": 3, "per": "day"},
            ),
        ],
    )
    @pytest.mark.parametrize("all_of_them", [False, True])
    def test_more_than_can_be_collected(self, kinds, limit, all_of_them):
        of = ["activities"] if all_of_them else [each["code"] for each in kinds]
        made = document(activities={"kinds": kinds, "caps": [cap(of, **limit)]})

        [(path, _text)] = found(checks.caps_never_met, made)

        assert path[:3] == ("activities", "caps", 0)

    @pytest.mark.parametrize(
        ("kinds", "limit"),
        [
            ([kind("check-in", once_per="day")], {"points": 365, "per": "year"}),
            ([kind("check-in")], {"points": 1000, "per": "day"}),
            ([kind("check-in", once_per="day")], {"points": 1000, "per": "lifetime"}),
            ([kind("check-in"), kind("x", once_per="day")], {"times": 99, "per": "day"}),
        ],
    )
    def test_not_if_it_can_be(self, kinds, limit):
        of = [each["code"] for each in kinds]
        made = document(activities={"kinds": kinds, "caps": [cap(of, **limit)]})

        assert found(checks.caps_never_met, made) == []

    def test_not_of_what_is_bought(self):
        made = document(activities={"caps": [cap(["base"], points=10**9, per="day")]})

        assert found(checks.caps_never_met, made) == []


class TestRoundedToNothing:
    def test_a_receipt_that_is_too_small(self):
        [(path, text)] = found(checks.rounded_to_nothing, document(rule(per_amount="200")))

        assert path == ("earning", "rules", 0)
        assert text.startswith("100 spent on what has no category (lines: 1) earn nothing")

    def test_of_a_category_it_is_only_noted(self):
        made = document(rule("cars", per_amount="1000", categories=["cars"]), rule())

        [finding] = checks.rounded_to_nothing(made)

        assert finding.severity == Severity.NOTE
        assert finding.path == ("earning", "rules", 0)

    def test_lines_that_are_too_small_each(self):
        [(_path, text)] = found(
            checks.rounded_to_nothing, document(rule(per_amount="30"), per="line")
        )

        assert "(lines: 5)" in text

    @pytest.mark.parametrize("made", [{"per": "document"}, {"per": "line", "mode": "half_up"}])
    def test_not_if_something_is_left(self, made):
        assert found(checks.rounded_to_nothing, document(rule(per_amount="30"), **made)) == []

    def test_not_what_shall_earn_nothing(self):
        assert found(checks.rounded_to_nothing, document(rule(points="0"))) == []


class TestOverAlready:
    """PLAIN is valid from 1900."""

    OVER = ("1899-01-01", "1899-12-31")
    LATER = ("2026-10-01", "2026-10-07")

    @staticmethod
    def days(*windows):
        return {"dates": [{"from": first, "until": last} for first, last in windows]}

    def test_a_boost_all_of_whose_days_are_over_is_named(self):
        made = document(boosts=[boost("fair", {"factor": "2"}, self.days(self.OVER))])

        ((path, text),) = found(checks.over_already, made)

        assert path == ("earning", "boosts", 0, "when")
        assert "“fair” is over" in text

    def test_one_with_days_to_come_is_not(self):
        made = document(boosts=[boost("fair", {"factor": "2"}, self.days(self.OVER, self.LATER))])

        assert found(checks.over_already, made) == []

    def test_nor_is_a_rule_without_a_last_day(self):
        made = document(rule(where={"from": "1899-01-01"}))

        assert found(checks.over_already, made) == []

    def test_a_rule_that_is_over_is_named(self):
        made = document(rule(where={"until": "1899-12-31"}), rule("rest"))

        assert [path for path, _text in found(checks.over_already, made)] == [
            ("earning", "rules", 0, "where")
        ]
