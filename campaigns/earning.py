"""
From a purchase to points: pure arithmetic on a compiled set of rules, with its reasons.

Each line is judged by the first rule, in order of position, that takes its category; what the rules
give is added up exactly and rounded once per document or once per line, as the policy says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import Any

from campaigns.models import EarningRule
from programme.policies import Rounding

# A purchase without lines is one line that belongs to no category.
NO_CATEGORY = ""


@dataclass(frozen=True, slots=True)
class Line:
    number: str
    category: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Rule:
    code: str
    categories: frozenset[str]
    points: Decimal
    per_amount: Decimal

    def worth(self, amount: Decimal) -> Fraction:
        """Exactly: three times a third is one, which decimals would round down to nothing."""
        return Fraction(amount) * _rate(self.points, self.per_amount)

    def takes(self, category: str) -> bool:
        return not self.categories or category in self.categories


@dataclass(frozen=True, slots=True)
class Judgement:
    points: int
    explanation: dict[str, Any]
    # What each line is worth, before rounding.
    exact: tuple[Fraction, ...]

    def shares(self) -> list[int]:
        """
        Spread the whole points over the lines, as near to what each is worth as they can be.

        What rounding leaves over or short goes to the lines with the largest remainders.
        """
        whole = [floor(exact) for exact in self.exact]
        by_remainder = sorted(
            range(len(whole)), key=lambda nth: self.exact[nth] - whole[nth], reverse=True
        )
        for nth in by_remainder[: self.points - sum(whole)]:
            whole[nth] += 1
        return whole


@lru_cache(maxsize=64)
def compiled_rules(version_id: int) -> tuple[Rule, ...]:
    """The rules of a published version. They never change, so they are read once per process."""
    return tuple(
        Rule(rule.code, frozenset(rule.categories), rule.points, rule.per_amount)
        for rule in EarningRule.objects.filter(version_id=version_id).order_by("position")
    )


def judge(
    *, rules: Sequence[Rule], rounding: Rounding, lines: Sequence[Line], version: int
) -> Judgement:
    """Return what lines are worth, and why: which rule took each line, which did not and why."""
    total = Fraction(0)
    whole = 0
    explained = []
    exacts = []
    fired = set()
    for line in lines:
        rule = next((rule for rule in rules if rule.takes(line.category)), None)
        exact = rule.worth(line.amount) if rule else Fraction(0)
        exacts.append(exact)
        total += exact
        whole += rounding.whole(exact)
        if rule:
            fired.add(rule.code)
        explained.append(
            {
                "line": line.number,
                "category": line.category,
                "amount": f"{line.amount:.2f}",
                "rule": rule.code if rule else None,
                "points": _rule_text(rule.points) if rule else None,
                "per_amount": _rule_text(rule.per_amount) if rule else None,
                "exact": _text(exact),
            }
        )
    points = whole if rounding.per == "line" else rounding.whole(total)
    explanation = {
        "version": version,
        "lines": explained,
        "exact": _text(total),
        "rounding": {"mode": rounding.mode, "per": rounding.per},
        "points": points,
        "not_applied": [
            {"rule": rule.code, "reason": _reason(rule, lines)}
            for rule in rules
            if rule.code not in fired
        ],
    }
    return Judgement(points, explanation, tuple(exacts))


def _reason(rule: Rule, lines: Sequence[Line]) -> str:
    if any(rule.takes(line.category) for line in lines):
        return "an_earlier_rule_took_the_line"
    return "no_line_of_its_categories"


def _text(number: Decimal | Fraction) -> str:
    """At most six decimals, no zeros behind: for reading, not for reckoning."""
    if isinstance(number, Fraction):
        number = Decimal(number.numerator) / Decimal(number.denominator)
    return f"{number:.6f}".rstrip("0").rstrip(".")


# What a rule says is the same for each purchase: worked out once, it saves a fifth of judging one.
@lru_cache(maxsize=1024)
def _rate(points: Decimal, per_amount: Decimal) -> Fraction:
    return Fraction(points) / Fraction(per_amount)


_rule_text = lru_cache(maxsize=1024)(_text)
