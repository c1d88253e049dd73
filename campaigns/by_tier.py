"""What a higher tier earns that a lower one does not, in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from campaigns import words
from campaigns.earning import Boost, Facts, Rate, Rule, compiled_rules

# What is for others; and of what counts only on some days, what does not on the day of asking.
NOT_OURS = {"another_tier", "outside_its_dates", "campaign_not_begun", "campaign_over"}


@dataclass(frozen=True, slots=True)
class Gain:
    """`before`: what the lower tier has of it; empty: nothing."""

    name: str
    before: str
    after: str


def gains(version_id: int, *, own: str, higher: str, day: date) -> list[Gain]:
    """
    Rates that are better with the higher tier, and boosts only that tier has, by one version.

    :param own: the code of a tier, as `higher`
    """
    earning = compiled_rules(version_id)
    names = words.names(version_id)
    lower, upper = Facts(day=day, tier=own), Facts(day=day, tier=higher)
    found = [*_rates(earning.rules, lower, upper), *_boosts(earning.boosts, lower, upper)]
    return [Gain(names[code], before, after) for code, before, after in found]


def _rates(rules: Sequence[Rule], lower: Facts, upper: Facts) -> Iterator[tuple[str, str, str]]:
    for rule in rules:
        before, after = _rate(rule, lower), _rate(rule, upper)
        if after and (before is None or after.exact > before.exact):
            yield rule.code, _told(before) if before else "", _told(after)


def _rate(rule: Rule, facts: Facts) -> Rate | None:
    return rule.rate_of(facts.tier) if _counts(rule, facts) else None


def _boosts(boosts: Sequence[Boost], lower: Facts, upper: Facts) -> Iterator[tuple[str, str, str]]:
    for boost in boosts:
        if _counts(boost, upper) and not _counts(boost, lower):
            yield boost.code, "", words.gives(boost.gives)


def _counts(of: Rule | Boost, facts: Facts) -> bool:
    """Whether it is for the tier, about these days; what else it asks, one or other may fulfil."""
    refusals = {reason for check, reason in of.conditions if not check(facts)}
    return not refusals & NOT_OURS


def _told(rate: Rate) -> str:
    return words.rate(Decimal(rate.points), Decimal(rate.per_amount))
