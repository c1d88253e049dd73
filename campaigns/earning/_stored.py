"""The rules of a version, as the database holds them and as `judge` takes them."""

from functools import lru_cache
from typing import Any

from campaigns.campaign_rulebook import plans_of
from campaigns.earning._rules import Earning, plain
from campaigns.models import Boost, EarningRule


@lru_cache(maxsize=64)
def compiled_rules(version_id: int) -> Earning:
    """The rules of a published version. They never change, so they are read once per process."""
    return Earning.of(section_of(version_id), plans_of(version_id))


def section_of(version_id: int) -> dict[str, Any]:
    """What the programme file of a version says under `earning`."""
    rules = EarningRule.objects.filter(version_id=version_id).order_by("position")
    boosts = Boost.objects.filter(version_id=version_id).order_by("position")
    section: dict[str, Any] = {"rules": [_rule(rule) for rule in rules]}
    if told := [_boost(boost) for boost in boosts]:
        section["boosts"] = told
    return section


def _rule(rule: EarningRule) -> dict[str, Any]:
    told = {
        "code": rule.code,
        "names": rule.names,
        "categories": rule.categories,
        "points": plain(rule.points),
        "per_amount": plain(rule.per_amount),
    }
    return told | _if_any(tiers=rule.tiers, where=rule.conditions)


def _boost(boost: Boost) -> dict[str, Any]:
    told = {
        "code": boost.code,
        "names": boost.names,
        "when": boost.conditions,
        "gives": boost.gives,
        "stacking": boost.stacking.lower(),
    }
    return told | _if_any(group=boost.group, priority=boost.priority)


def _if_any(**values: Any) -> dict[str, Any]:
    """What says nothing is left out of a file."""
    return {name: value for name, value in values.items() if value}
