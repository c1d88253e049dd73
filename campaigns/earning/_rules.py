"""The rules of one version, made ready: worked out once, they judge any number of purchases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from campaigns.earning import _conditions
from campaigns.earning._conditions import Condition
from campaigns.earning._terms import NO_CATEGORY, Facts, Line
from campaigns.timetable import NO_CAMPAIGNS, Timetable

ADD, MULTIPLY, BEST, EXCLUSIVE = "add", "multiply", "best", "exclusive"


@dataclass(frozen=True, slots=True)
class Rate:
    """`points` for each `per_amount`, as written, and exactly for each unit of money."""

    points: str
    per_amount: str
    exact: Fraction

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Rate":
        points, per_amount = document["points"], document["per_amount"]
        exact = Fraction(points) / Fraction(per_amount)
        return cls(plain(Decimal(points)), plain(Decimal(per_amount)), exact)


@dataclass(frozen=True, slots=True)
class Rule:
    """Points for money: the first rule that takes a line counts for it."""

    code: str
    rate: Rate
    # By tier, where it differs.
    rates: Mapping[str, Rate]
    # Empty: of every category; of every product.
    categories: frozenset[str]
    products: frozenset[str]
    conditions: tuple[Condition, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any], timetable: Timetable = NO_CAMPAIGNS) -> "Rule":
        where = document.get("where", {})
        return cls(
            code=document["code"],
            rate=Rate.of(document),
            rates={tier: Rate.of(rate) for tier, rate in document.get("tiers", {}).items()},
            categories=frozenset(document["categories"]),
            products=frozenset(where.get("products", ())),
            conditions=(
                *_conditions.of_campaigns(document["code"], timetable),
                *_conditions.conditions(where),
            ),
        )

    def rate_of(self, tier: str | None) -> Rate:
        return self.rates.get(tier, self.rate) if tier else self.rate

    def refusal(self, facts: Facts) -> str | None:
        """Why it takes no line of a purchase, whatever the lines are."""
        return _conditions.failed(self.conditions, facts)

    def takes(self, line: Line) -> bool:
        return (not self.categories or line.category in self.categories) and (
            not self.products or line.product in self.products
        )


@dataclass(frozen=True, slots=True)
class Boost:
    """
    More than the rules give: a factor on what they give for the lines it is about, or whole points.
    """

    code: str
    # As written: {"percent": "10"}.
    gives: Mapping[str, str]
    # What it adds to one point of the rules; 0 where it gives whole points.
    more: Fraction
    points: int
    stacking: str
    group: str
    priority: int
    position: int
    # Empty: about lines of every category; of every product.
    categories: frozenset[str]
    products: frozenset[str]
    new_category: bool
    # That much the lines it is about must add up to.
    min_amount: Decimal
    conditions: tuple[Condition, ...]

    @classmethod
    def of(
        cls, document: Mapping[str, Any], *, position: int, timetable: Timetable = NO_CAMPAIGNS
    ) -> "Boost":
        when, gives = document["when"], document["gives"]
        return cls(
            code=document["code"],
            gives=gives,
            more=_more(gives),
            points=int(gives.get("points", 0)),
            stacking=document["stacking"],
            group=document.get("group", ""),
            priority=document.get("priority", 0),
            position=position,
            categories=frozenset(when.get("categories", ())),
            products=frozenset(when.get("products", ())),
            new_category=when.get("new_category", False),
            min_amount=Decimal(when.get("min_amount", 0)),
            conditions=(
                *_conditions.of_campaigns(document["code"], timetable),
                *_conditions.conditions(when),
            ),
        )

    @property
    def rank(self) -> tuple[int, int]:
        """The less, the earlier: by priority, then as they stand in the document."""
        return -self.priority, self.position

    def refusal(self, facts: Facts) -> str | None:
        return _conditions.failed(self.conditions, facts)

    def is_about(self, line: Line, facts: Facts) -> bool:
        if not line.amount:  # free, or given back
            return False
        if self.categories and line.category not in self.categories:
            return False
        if self.products and line.product not in self.products:
            return False
        if self.new_category:
            return line.category != NO_CATEGORY and line.category not in facts.bought_before
        return True


@dataclass(frozen=True, slots=True)
class Earning:
    """Everything a version says about earning by purchases."""

    rules: tuple[Rule, ...]
    boosts: tuple[Boost, ...]
    # The facts that have to be looked up; see `Facts`.
    needs: frozenset[str]
    # Category → places of the rules that may take a line of it; the others are for every category.
    by_category: Mapping[str, tuple[int, ...]]
    of_any_category: tuple[int, ...]
    # Of the rules, then of the boosts.
    codes: tuple[str, ...]
    timetable: Timetable = NO_CAMPAIGNS

    @classmethod
    def of(cls, section: Mapping[str, Any], plans: Sequence[Mapping[str, Any]] = ()) -> "Earning":
        """Make ready what the programme file says under `earning`, with its campaigns' plans."""
        documents = section["rules"]
        timetable = Timetable.of(plans) if plans else NO_CAMPAIGNS
        rules = tuple(Rule.of(each, timetable) for each in documents)
        boosts = tuple(
            Boost.of(each, position=place, timetable=timetable)
            for place, each in enumerate(section.get("boosts", ()))
        )
        asked = [each.get("where", {}) for each in documents]
        asked += [each["when"] for each in section.get("boosts", ())]
        needs = {fact for conditions in asked for fact in _conditions.needs(conditions)}
        if any(rule.rates for rule in rules):
            needs.add("tier")
        return cls(
            rules=rules,
            boosts=boosts,
            needs=frozenset(needs),
            by_category=_by_category(rules),
            of_any_category=tuple(n for n, rule in enumerate(rules) if not rule.categories),
            codes=(*(rule.code for rule in rules), *(boost.code for boost in boosts)),
            timetable=timetable,
        )

    def that_may_take(self, category: str) -> Sequence[int]:
        """Places of rules, in their order."""
        return self.by_category.get(category, self.of_any_category)


def _by_category(rules: Sequence[Rule]) -> dict[str, tuple[int, ...]]:
    named = {category for rule in rules for category in rule.categories}
    return {
        category: tuple(
            n for n, rule in enumerate(rules) if not rule.categories or category in rule.categories
        )
        for category in named
    }


def _more(gives: Mapping[str, str]) -> Fraction:
    if "percent" in gives:
        return Fraction(gives["percent"]) / 100
    return Fraction(gives["factor"]) - 1 if "factor" in gives else Fraction(0)


def plain(number: Decimal) -> str:
    """1.0000 → 1; the shortest text of the same number."""
    return f"{number.normalize():f}"
