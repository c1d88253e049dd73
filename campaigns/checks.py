"""What strikes the rule check about earning: each looks through a whole document, as a dict."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any

from django.utils.translation import gettext as _

from campaigns.earning import EXCLUSIVE, NO_CATEGORY, Boost, Earning, Facts, Line, judge
from campaigns.rulebook import may_meet, windows
from common.localized import localized
from programme import checks
from programme.checks import Finding, Severity
from programme.policies import Rounding

# A receipt as they come; it should earn something.
TYPICAL = Decimal(100)
TYPICAL_LINES = 5
# How often at most one period begins within another, e.g. the weeks that touch a month.
AT_MOST: Mapping[str, Mapping[str, int]] = {
    "day": {"week": 7, "month_quarter": 10, "month": 31, "year": 366},
    "week": {"month_quarter": 3, "month": 6, "year": 54},
    "month_quarter": {"week": 2, "month": 4, "year": 48},
    "month": {"week": 2, "year": 12},
    "year": {"week": 2},
}


def register() -> None:
    checks.register(
        higher_earns_less,
        boost_lost_by_rising,
        never_asked,
        exclusive_boosts_meet,
        caps_never_met,
        over_already,
        rounded_to_nothing,
    )


def higher_earns_less(document: dict[str, Any]) -> Iterator[Finding]:
    """By the rules alone; what boosts do is for `boost_lost_by_rising`."""
    earning = Earning.of({"rules": document["earning"]["rules"]})
    for category in _categories(document):
        for lower, higher in pairwise(_levels(document)):
            less, more = (_worth(document, earning, level, category) for level in (higher, lower))
            if less < more:
                why = _(
                    "“%(higher)s” earns less than “%(lower)s”: %(less)s against %(more)s points for"
                    " %(amount)s spent on %(category)s."
                )
                told = {
                    "higher": _name(higher),
                    "lower": _name(lower),
                    "less": _figure(less),
                    "more": _figure(more),
                    "amount": f"{TYPICAL:f}",
                    "category": category or _("what has no category"),
                }
                place = _taken_by(earning, document, higher, category)
                yield Finding(Severity.WARNING, ("earning", "rules", place), why % told)


def boost_lost_by_rising(document: dict[str, Any]) -> Iterator[Finding]:
    """A boost that a tier has and a higher one has not, nor a like one, nor a better rate."""
    boosts = document["earning"].get("boosts", [])
    earning = Earning.of({"rules": document["earning"]["rules"]})
    for nth, boost in enumerate(boosts):
        having = boost["when"].get("tiers", [])
        for lower, higher in pairwise(_levels(document)):
            if not having or lower["code"] not in having:
                continue
            before, after = (
                _worth(document, earning, level, NO_CATEGORY) * (1 + _more(boosts, boost, level))
                + _whole(boosts, boost, level)
                for level in (lower, higher)
            )
            if after < before:
                why = _("Who rises from “%(lower)s” to “%(higher)s” loses “%(boost)s”.")
                told = {
                    "lower": _name(lower),
                    "higher": _name(higher),
                    "boost": _name(boost),
                }
                path = ("earning", "boosts", nth, "when", "tiers")
                yield Finding(Severity.WARNING, path, why % told)


def _alike(boosts: list[Any], boost: Any, level: Any) -> Iterator[Boost]:
    """The boosts a tier has under the same conditions as this one."""
    for each in boosts:
        one, other = (
            {name: asked for name, asked in of["when"].items() if name != "tiers"}
            for of in (boost, each)
        )
        tiers = each["when"].get("tiers")
        if one == other and (tiers is None or level["code"] in tiers):
            yield Boost.of(each, position=0)


def _more(boosts: list[Any], boost: Any, level: Any) -> Fraction:
    return max((each.more for each in _alike(boosts, boost, level)), default=Fraction(0))


def _whole(boosts: list[Any], boost: Any, level: Any) -> int:
    return max((each.points for each in _alike(boosts, boost, level)), default=0)


def never_asked(document: dict[str, Any]) -> Iterator[Finding]:
    """Rules all of whose lines earlier rules take."""
    rules = document["earning"]["rules"]
    for nth, rule in enumerate(rules):
        wanted = rule["categories"] or [None]
        takers = [_taker(rules[:nth], rule, category) for category in wanted]
        if all(taker is not None for taker in takers):
            why = _("“%(rule)s” never counts: “%(earlier)s” takes its lines before.")
            told = {"rule": _name(rule), "earlier": _name(takers[0])}
            yield Finding(Severity.WARNING, ("earning", "rules", nth), why % told)


def _taker(earlier: list[Any], rule: Any, category: str | None) -> Any:
    """The first of the earlier rules that takes every line of a category this one would take."""
    for each in earlier:
        takes_it = not each["categories"] or category in each["categories"]
        if takes_it and _is_wider(each.get("where", {}), rule.get("where", {})):
            return each
    return None


def _is_wider(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether conditions are fulfilled wherever others are."""
    return all(name in other and _includes(name, asked, other[name]) for name, asked in one.items())


def _includes(name: str, wide: Any, narrow: Any) -> bool:
    if name == "from":
        return bool(wide <= narrow)
    if name == "until":
        return bool(wide >= narrow)
    return set(narrow) <= set(wide)


def exclusive_boosts_meet(document: dict[str, Any]) -> Iterator[Finding]:
    boosts = list(enumerate(document["earning"].get("boosts", [])))
    alone = [(nth, boost) for nth, boost in boosts if boost["stacking"] == EXCLUSIVE]
    for (_first, one), (nth, other) in combinations(alone, 2):
        if may_meet(one["when"], other["when"]):
            first, second = sorted((one, other), key=lambda boost: -boost.get("priority", 0))
            why = _("“%(first)s” and “%(second)s” may apply at once: only “%(first)s” counts then.")
            told = {"first": _name(first), "second": _name(second)}
            yield Finding(Severity.WARNING, ("earning", "boosts", nth, "priority"), why % told)


def caps_never_met(document: dict[str, Any]) -> Iterator[Finding]:
    """Caps above all that can be collected in their period."""
    section = document.get("activities", {})
    kinds = {kind["code"]: kind for kind in section.get("kinds", [])}
    for nth, cap in enumerate(section.get("caps", [])):
        codes = kinds if "activities" in cap["of"] else cap["of"]
        measure = "points" if "points" in cap else "times"
        most = 0
        for code in codes:
            times = _times(kinds.get(code), cap["per"])
            if times is None:
                break
            most += times * (int(kinds[code]["points"]) if measure == "points" else 1)
        else:
            if measure in cap and cap[measure] >= most:
                why = _("“%(cap)s” is never met: no more than %(most)s can be collected.")
                told = {"cap": _name(cap), "most": most}
                yield Finding(Severity.WARNING, ("activities", "caps", nth, measure), why % told)


def _times(kind: Mapping[str, Any] | None, per: str) -> int | None:
    """How often a kind can count within a period; None: nothing limits it."""
    once = kind.get("once_per") if kind else None
    if once is None:
        return None
    if per == "lifetime":
        return 1 if once == "lifetime" else None
    return AT_MOST.get(once, {}).get(per, 1)


def over_already(document: dict[str, Any]) -> Iterator[Finding]:
    """Rules and boosts whose last day lies before the version's first: they stay until removed."""
    for listed, name in (("rules", "where"), ("boosts", "when")):
        for nth, each in enumerate(document["earning"].get(listed, [])):
            ends = [
                window["until"]
                for _place, window in windows("", each.get(name, {}))
                if "until" in window
            ]
            if ends and max(ends) < document["valid_from"]:
                why = _("“%(name)s” is over before this version begins: it will give nothing.")
                path = ("earning", listed, nth, name)
                yield Finding(Severity.NOTE, path, why % {"name": _name(each)})


def rounded_to_nothing(document: dict[str, Any]) -> Iterator[Finding]:
    """Categories of which a typical receipt earns a fraction that rounding takes away."""
    earning = Earning.of({"rules": document["earning"]["rules"]})
    base = next(iter(_levels(document)), None)
    for category in _categories(document):
        for count in (1, TYPICAL_LINES):
            lines = [Line(str(nth), category, TYPICAL / count) for nth in range(count)]
            judged = _judge(document, earning, base, lines)
            if judged.points == 0 and sum(judged.exact) > 0:
                why = _(
                    "%(amount)s spent on %(category)s (lines: %(count)s) earn nothing: rounding"
                    " takes all."
                )
                told = {
                    "amount": f"{TYPICAL:f}",
                    "category": category or _("what has no category"),
                    "count": count,
                }
                place = _taken_by(earning, document, base, category)
                # Of a category of its own, such as cars, receipts may be larger.
                severity = Severity.NOTE if category and count == 1 else Severity.WARNING
                yield Finding(severity, ("earning", "rules", place), why % told)
                break


def _levels(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document.get("tiers", {}).get("levels", []))


def _name(entry: Any) -> str:
    return localized(entry["names"])


def _figure(points: Fraction) -> str:
    return f"{float(points):.2f}".rstrip("0").rstrip(".")


def _categories(document: dict[str, Any]) -> list[str]:
    """Those the rules name, and none."""
    named = (rule["categories"] for rule in document["earning"]["rules"])
    return [NO_CATEGORY, *dict.fromkeys(category for each in named for category in each)]


def _judge(document: dict[str, Any], earning: Earning, level: Any, lines: list[Line]) -> Any:
    """On the version's first day, at no store in particular."""
    return judge(
        rules=earning,
        rounding=Rounding(**document["policies"]["rounding"]),
        lines=lines,
        version=0,
        facts=Facts(
            day=date.fromisoformat(document["valid_from"]),
            tier=level["code"] if level else None,
        ),
    )


def _worth(document: dict[str, Any], earning: Earning, level: Any, category: str) -> Fraction:
    return sum(_judge(document, earning, level, [Line("1", category, TYPICAL)]).exact, Fraction(0))


def _taken_by(earning: Earning, document: dict[str, Any], level: Any, category: str) -> int:
    """The place of the rule that judges a line of a category."""
    judged = _judge(document, earning, level, [Line("1", category, TYPICAL)])
    code = judged.explanation["lines"][0].get("rule")
    return next((n for n, rule in enumerate(earning.rules) if rule.code == code), 0)
