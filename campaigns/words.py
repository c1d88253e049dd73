"""Earning rules in words, in the active language."""

from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from campaigns.models import EarningRule


@dataclass(frozen=True, slots=True)
class RuleTold:
    code: str
    name: str
    categories: tuple[str, ...]
    rate: str


def rules(version_id: int) -> list[RuleTold]:
    """The rules of a version in the order in which they are asked."""
    return [
        RuleTold(rule.code, str(rule), tuple(rule.categories), rate(rule.points, rule.per_amount))
        for rule in EarningRule.objects.filter(version_id=version_id).order_by("position")
    ]


def rate(points: Decimal, per_amount: Decimal) -> str:
    """1.0000 for 10.00 → “1 points for every 10”."""
    return _("%(points)s points for every %(amount)s") % {
        "points": f"{points.normalize():f}",
        "amount": f"{per_amount.normalize():f}",
    }
