"""
From a purchase to points: pure arithmetic on the rules of a version, with its reasons.

`judge` asks the database nothing: it is told the rules (`compiled_rules`, read once per process),
the facts (`campaigns.facts` looks up those the rules ask) and what caps leave (`limits`).
"""

from campaigns.earning._conditions import WEEKDAYS, calendar_conditions, failed
from campaigns.earning._judging import NO_LIMITS, Judgement, judge, nearest
from campaigns.earning._rules import (
    ADD,
    BEST,
    EXCLUSIVE,
    MULTIPLY,
    Boost,
    Earning,
    Rate,
    Rule,
    plain,
)
from campaigns.earning._stored import compiled_rules, section_of
from campaigns.earning._terms import NO_CATEGORY, Facts, Line, birthday_on

__all__ = [
    "ADD",
    "BEST",
    "EXCLUSIVE",
    "MULTIPLY",
    "NO_CATEGORY",
    "NO_LIMITS",
    "WEEKDAYS",
    "Boost",
    "Earning",
    "Facts",
    "Judgement",
    "Line",
    "Rate",
    "Rule",
    "birthday_on",
    "calendar_conditions",
    "compiled_rules",
    "failed",
    "judge",
    "nearest",
    "plain",
    "section_of",
]
