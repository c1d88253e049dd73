"""The earning rules' part of the programme file: `earning`."""

from collections import Counter
from decimal import Decimal
from typing import Any

from campaigns.models import EarningRule
from common.localized import NAMES_SCHEMA
from programme.documents import InvalidProgramme
from programme.models import Version
from programme.sections import Section

# Text, not numbers: YAML's numbers are binary and money is not.
_DECIMAL = {"type": "string", "pattern": r"^[0-9]{1,8}(\.[0-9]{1,4})?\Z"}
_AMOUNT = {"type": "string", "pattern": r"^(?!0+(\.0+)?\Z)[0-9]{1,12}(\.[0-9]{1,2})?\Z"}

SCHEMA = {
    "type": "object",
    "properties": {
        "rules": {
            "type": "array",
            "minItems": 1,
            "maxItems": 200,
            "items": {
                "type": "object",
                "properties": {
                    "code": {"type": "string", "pattern": r"^[a-z][a-z0-9-]{0,49}\Z"},
                    "names": NAMES_SCHEMA,
                    "categories": {
                        "type": "array",
                        "items": {"type": "string", "pattern": r"^[a-z][a-z0-9_-]{0,31}\Z"},
                        "uniqueItems": True,
                    },
                    "points": _DECIMAL,
                    "per_amount": _AMOUNT,
                },
                "required": ["code", "names", "categories", "points", "per_amount"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["rules"],
    "additionalProperties": False,
}


def load(version: Version, section: Any) -> None:
    """:raises InvalidProgramme: if two rules have the same code"""
    codes = Counter(rule["code"] for rule in section["rules"])
    code, times = codes.most_common(1)[0]
    if times > 1:
        raise InvalidProgramme(where="$.earning.rules", why=f"the code “{code}” {times} times")
    EarningRule.objects.bulk_create(
        EarningRule(
            version=version,
            position=position,
            code=rule["code"],
            names=rule["names"],
            categories=rule["categories"],
            points=Decimal(rule["points"]),
            per_amount=Decimal(rule["per_amount"]),
        )
        for position, rule in enumerate(section["rules"])
    )


def dump(version: Version) -> Any:
    return {
        "rules": [
            {
                "code": rule.code,
                "names": rule.names,
                "categories": rule.categories,
                "points": _plain(rule.points),
                "per_amount": _plain(rule.per_amount),
            }
            for rule in EarningRule.objects.filter(version=version).order_by("position")
        ]
    }


def _plain(number: Decimal) -> str:
    """1.0000 → 1; the shortest text of the same number."""
    return f"{number.normalize():f}"


EARNING = Section(name="earning", schema=SCHEMA, load=load, dump=dump)
