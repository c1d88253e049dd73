"""
From a purchase to points: pure arithmetic on the rules of a version, with its reasons.

1. Each line is judged by the first rule that takes it, at the rate of the member's tier.
2. What a rule may not give any more (`limits`) is cut off.
3. Boosts whose conditions are fulfilled are reckoned on what the rules give for the lines they are
   about. One that is exclusive stands alone; of a group only the best counts. What is added is
   reckoned on what the rules give; then what multiplies, one after the other. Each is cut off at
   its limit.
4. All is added up exactly and rounded once, per document or per line, as the policy says. Whole
   points of boosts are added after that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

from campaigns.earning._rules import BEST, EXCLUSIVE, MULTIPLY, Boost, Earning, Rate, Rule
from campaigns.earning._terms import Facts, Line
from programme.policies import Rounding

NOTHING = Fraction(0)
NO_LIMITS: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Judgement:
    points: int
    # Which rule or boost gave how many; together `points`.
    parts: dict[str, int]
    explanation: dict[str, Any]
    # What each line is worth, before rounding.
    exact: tuple[Fraction, ...]

    @property
    def tier(self) -> str:
        """The code of the tier it was judged at; empty where none mattered."""
        return str(self.explanation.get("tier", ""))

    def shares(self) -> list[int]:
        """Spread the whole points over the lines, as near to what each is worth as they can be."""
        return nearest(self.points, self.exact)


def judge(
    *,
    rules: Earning,
    rounding: Rounding,
    lines: Sequence[Line],
    version: int,
    facts: Facts,
    limits: Mapping[str, int] = NO_LIMITS,
) -> Judgement:
    """
    Return what lines are worth, and why.

    :param limits: points a rule or boost may still give, by its code; one that is not named may
        give any number
    """
    return _Judging(rules, rounding, lines, facts, limits).judgement(version)


def nearest(total: int, exact: Sequence[Fraction]) -> list[int]:
    """
    Whole numbers, none negative, that add up to a total and are as near to exact ones as they can.

    What is left over goes to those with the largest remainders; what is short is taken from those
    with the smallest.
    """
    whole = [floor(each) for each in exact]
    over = total - sum(whole)
    if not over:
        return whole
    places = sorted(range(len(exact)), key=lambda n: whole[n] - exact[n], reverse=over < 0)
    step = 1 if over > 0 else -1
    while over:
        for n in places:
            if over and whole[n] + step >= 0:
                whole[n] += step
                over -= step
    return whole


class _Judging:
    """One purchase on its way from lines to points."""

    def __init__(
        self,
        rules: Earning,
        rounding: Rounding,
        lines: Sequence[Line],
        facts: Facts,
        limits: Mapping[str, int],
    ) -> None:
        self._rules = rules
        self._rounding = rounding
        self._lines = lines
        self._facts = facts
        self._limits = limits
        # Rules and boosts that gave nothing, by reason, in the order of the document.
        self._not_applied: dict[str, list[str]] = {}
        self._caps: list[dict[str, Any]] = []
        self._boosts: list[dict[str, Any]] = []
        # What each line is worth by the rules, and with the boosts reckoned so far.
        self._base: list[Fraction] = []
        self._exact: list[Fraction] = []
        # Code → what it gives, exactly; and the whole points of boosts.
        self._given: dict[str, Fraction] = {}
        self._whole: dict[str, int] = {}

    def judgement(self, version: int) -> Judgement:
        taken = self._by_rules()
        self._exact = list(self._base)
        for boost, about in self._that_count(self._that_apply()):
            self._apply(boost, about)
        total = _sum(self._exact)
        parts = self._parts(total)
        points = sum(parts.values())
        explanation: dict[str, Any] = {
            "version": version,
            "lines": [self._told(*each) for each in zip(self._lines, taken, strict=True)],
            "exact": _text(total + sum(self._whole.values())),
            "rounding": {"mode": self._rounding.mode, "per": self._rounding.per},
            "points": points,
            "parts": parts,
            "not_applied": [
                {"reason": reason, "codes": codes} for reason, codes in self._not_applied.items()
            ],
        }
        if self._facts.tier:
            explanation["tier"] = self._facts.tier
        if facts := self._facts.as_json():
            explanation["facts"] = facts
        if campaigns := self._rules.timetable.shares(parts, self._facts.day):
            explanation["campaigns"] = campaigns
        if self._boosts:
            explanation["boosts"] = self._boosts
        if self._caps:
            explanation["caps"] = self._caps
        return Judgement(points, parts, explanation, tuple(self._with_whole_points()))

    # --- Rules

    def _by_rules(self) -> list[tuple[Rule, Rate, Fraction] | None]:
        """Judge the lines; tell which rule took each, at which rate, for how much."""
        refusals = [rule.refusal(self._facts) for rule in self._rules.rules]
        taken = [self._taken(line, refusals) for line in self._lines]
        for each in taken:
            if each:
                rule, _rate, exact = each
                given = self._given.get(rule.code)
                self._given[rule.code] = exact if given is None else given + exact
        self._base = [each[2] if each else NOTHING for each in taken]
        self._cut_rules(taken)
        for rule, refusal in zip(self._rules.rules, refusals, strict=True):
            if rule.code not in self._given:
                self._refuse(rule.code, refusal or self._why_not(rule))
        return taken

    def _taken(
        self, line: Line, refusals: Sequence[str | None]
    ) -> tuple[Rule, Rate, Fraction] | None:
        for n in self._rules.that_may_take(line.category):
            rule = self._rules.rules[n]
            if refusals[n] is None and rule.takes(line):
                rate = rule.rate_of(self._facts.tier)
                return rule, rate, Fraction(line.amount) * rate.exact
        return None

    def _cut_rules(self, taken: Sequence[tuple[Rule, Rate, Fraction] | None]) -> None:
        for code, exact in self._given.items():
            left = self._limits.get(code)
            if left is None or exact <= left:
                continue
            self._caps.append(_cap(code, left, exact))
            self._given[code] = Fraction(left)
            for n, each in enumerate(taken):
                if each and each[0].code == code:
                    self._base[n] *= left / exact

    def _why_not(self, rule: Rule) -> str:
        if any(rule.takes(line) for line in self._lines):
            return "an_earlier_rule_took_the_line"
        if any(not rule.categories or line.category in rule.categories for line in self._lines):
            return "no_line_of_its_products"
        return "no_line_of_its_categories"

    # --- Boosts

    def _that_apply(self) -> Iterable[tuple[Boost, list[int]]]:
        """Those whose conditions are fulfilled, with the places of the lines they are about."""
        for boost in self._rules.boosts:
            reason = boost.refusal(self._facts)
            if reason is None:
                about = [
                    n for n, line in enumerate(self._lines) if boost.is_about(line, self._facts)
                ]
                reason = self._why_not_about(boost, about)
            if reason is None:
                yield boost, about
            else:
                self._refuse(boost.code, reason)

    def _why_not_about(self, boost: Boost, about: Sequence[int]) -> str | None:
        if not about:
            return _no_line(boost)
        if sum((self._lines[n].amount for n in about), Decimal(0)) < boost.min_amount:
            return "amount_too_small"
        if not boost.points and not any(self._base[n] for n in about):
            return "its_lines_earn_nothing"
        if self._limits.get(boost.code) == 0:
            self._caps.append(_cap(boost.code, 0, self._alone(boost, about)))
            return "cap_met"
        return None

    def _that_count(
        self, applying: Iterable[tuple[Boost, list[int]]]
    ) -> list[tuple[Boost, list[int]]]:
        """Those that others leave room for, in the order in which they are reckoned."""
        ranked = sorted(applying, key=lambda each: each[0].rank)
        alone = next((each for each in ranked if each[0].stacking == EXCLUSIVE), None)
        if alone:
            for boost, _about in ranked:
                if boost is not alone[0]:
                    self._refuse(boost.code, "an_exclusive_boost_stands_alone")
            return [alone]
        best = self._best_of_each_group(ranked)
        counting = []
        for each in ranked:
            if each[0].stacking == BEST and each[0] is not best[each[0].group]:
                self._refuse(each[0].code, "a_better_boost_of_its_group")
            else:
                counting.append(each)
        return sorted(counting, key=lambda each: each[0].stacking == MULTIPLY)

    def _best_of_each_group(self, ranked: Sequence[tuple[Boost, list[int]]]) -> dict[str, Boost]:
        best: dict[str, tuple[Fraction, Boost]] = {}
        for boost, about in ranked:
            if boost.stacking != BEST:
                continue
            worth = self._alone(boost, about)
            if boost.code in self._limits:
                worth = min(worth, Fraction(self._limits[boost.code]))
            if boost.group not in best or worth > best[boost.group][0]:
                best[boost.group] = worth, boost
        return {group: boost for group, (_worth, boost) in best.items()}

    def _alone(self, boost: Boost, about: Sequence[int]) -> Fraction:
        """What a boost would add if there were no other."""
        if boost.points:
            return Fraction(boost.points)
        return sum((self._base[n] for n in about), NOTHING) * boost.more

    def _apply(self, boost: Boost, about: Sequence[int]) -> None:
        on = self._exact if boost.stacking == MULTIPLY else self._base
        added = {n: on[n] * boost.more for n in about}
        exact = sum(added.values(), NOTHING) + boost.points
        left = self._limits.get(boost.code)
        if left is not None and exact > left:
            self._caps.append(_cap(boost.code, left, exact))
            added = {n: each * left / exact for n, each in added.items()}
            exact = Fraction(left)
        if boost.points:
            self._whole[boost.code] = int(exact)
        else:
            self._given[boost.code] = exact
            for n, each in added.items():
                self._exact[n] += each
        told: dict[str, Any] = {"code": boost.code, **boost.gives, "exact": _text(exact)}
        if len(about) < len(self._lines):
            told["lines"] = [self._lines[n].number for n in about]
        self._boosts.append(told)

    def _refuse(self, code: str, reason: str) -> None:
        self._not_applied.setdefault(reason, []).append(code)

    # --- Whole points

    def _parts(self, total: Fraction) -> dict[str, int]:
        """Round, and say how many of the points come of what; nothing beyond its limit."""
        whole = self._rounding.whole
        if self._rounding.per == "line":
            points = sum(whole(each) for each in self._exact)
        else:
            points = whole(total)
        exact = list(self._given.values())
        shares = nearest(points, exact) if len(exact) > 1 else [points] * len(exact)
        parts = dict(zip(self._given, shares, strict=True))
        for code in self._limits.keys() & parts.keys():
            parts[code] = min(parts[code], self._limits[code])
        return {code: given for code, given in (parts | self._whole).items() if given}

    def _with_whole_points(self) -> Iterable[Fraction]:
        """What each line is worth; whole points are spread over the lines by their amounts."""
        exact = self._exact
        for boost in self._rules.boosts:
            points = self._whole.get(boost.code)
            if points:
                about = [
                    Fraction(line.amount) if boost.is_about(line, self._facts) else NOTHING
                    for line in self._lines
                ]
                each_unit = points / sum(about, NOTHING)
                exact = [worth + of * each_unit for worth, of in zip(exact, about, strict=True)]
        return exact

    # --- Words

    def _told(self, line: Line, taken: tuple[Rule, Rate, Fraction] | None) -> dict[str, Any]:
        rule, rate, exact = taken or (None, None, NOTHING)
        return {
            "line": line.number,
            "category": line.category,
            "amount": f"{line.amount:.2f}",
            "rule": rule.code if rule else None,
            "points": rate.points if rate else None,
            "per_amount": rate.per_amount if rate else None,
            "exact": _text(exact),
        }


def _sum(exact: Sequence[Fraction]) -> Fraction:
    """Adding fractions is dear: not even to nothing."""
    return sum(exact[1:], exact[0]) if exact else NOTHING


def _no_line(boost: Boost) -> str:
    if boost.new_category:
        return "no_new_category"
    return "no_line_of_its_products" if boost.products else "no_line_of_its_categories"


def _cap(code: str, left: int, exact: Fraction) -> dict[str, Any]:
    """What it could still give, and what it would have given."""
    return {"code": code, "left": left, "exact": _text(exact)}


def _text(number: Fraction) -> str:
    """At most six decimals, no zeros behind: for reading, not for reckoning."""
    decimal = Decimal(number.numerator) / Decimal(number.denominator)
    return f"{decimal:.6f}".rstrip("0").rstrip(".")
