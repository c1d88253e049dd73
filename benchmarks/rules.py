"""What judging one purchase costs: milliseconds of our own process, without the database."""

import random
import time
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from statistics import median

from campaigns import earning
from campaigns.earning import Earning, Facts, Line
from programme.policies import Rounding

TRIES = 500
RULES = 200
AIM_MS = 1.0

CATEGORIES = [f"category-{n}" for n in range(40)]
TIERS = ["silver", "gold", "platinum", "diamond"]
CHANNELS = ["store", "app", "web"]


@dataclass(frozen=True)
class Judging:
    name: str
    rules: int
    median_ms: float
    worst_ms: float


def measure() -> list[Judging]:
    """As `plain` is, as many rules as a programme may have, and half of them boosts."""
    lone = Earning.of({"rules": [_rule(0, categories=[])]})
    rules = Earning.of({"rules": [_rule(n) for n in range(RULES)]})
    boosted = Earning.of(
        {
            "rules": [_rule(n) for n in range(RULES // 2)],
            "boosts": [_boost(n) for n in range(RULES // 2)],
        }
    )
    return [
        _timed("one rule", lone, 1),
        _timed("rules with tiers and conditions", rules, RULES),
        _timed("half of them boosts that stack", boosted, RULES),
    ]


def _rule(n: int, *, categories: list[str] | None = None) -> dict:
    """Each third has no condition but its category, so that something always fires."""
    where = [{}, {"channels": [CHANNELS[n % 3]]}, {"months": [1 + n % 12]}][n % 3]
    return {
        "code": f"r{n}",
        "categories": [CATEGORIES[n % len(CATEGORIES)]] if categories is None else categories,
        "points": "1",
        "per_amount": "10",
        "tiers": {tier: {"points": "1", "per_amount": str(9 - k)} for k, tier in enumerate(TIERS)},
        **({"where": where} if where else {}),
    }


def _boost(n: int) -> dict:
    when = [
        {"birthday": "month"},
        {"tiers": [TIERS[n % 4]]},
        {"member_day": {"days": [1 + n % 28]}},
    ]
    stacking = [{"stacking": "add"}, {"stacking": "best", "group": f"g{n % 5}"}]
    return {
        "code": f"b{n}",
        "when": when[n % 3],
        "gives": {"percent": str(1 + n % 20)},
        **stacking[n % 2],
    }


def _timed(name: str, rules: Earning, count: int) -> Judging:
    chance = random.Random(7)
    times = []
    for _ in range(TRIES):
        lines = [
            Line(str(n), chance.choice(CATEGORIES), Decimal(chance.randint(1, 100_000)) / 100)
            for n in range(2)
        ]
        facts = Facts(
            day=date(2026, chance.randint(1, 12), chance.randint(1, 28)),
            tier=chance.choice(TIERS),
            birthday=chance.choice(["", "month"]),
            channel=chance.choice(CHANNELS),
        )
        start = time.perf_counter()
        earning.judge(
            rules=rules, rounding=Rounding("down", "document"), lines=lines, version=1, facts=facts
        )
        times.append((time.perf_counter() - start) * 1000)
    return Judging(name, count, median(times), max(times))
