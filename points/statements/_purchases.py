"""How a purchase was judged, and what a return left of it: the sentences."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.amounts import money
from points.models import Activity, Entry
from points.statements import _campaigns

# What the rules of a version are called, by code: they belong to a room above, which says so here.
_names_of: list[Callable[[int], Mapping[str, str]]] = []


def name_rules_by(names_of: Callable[[int], Mapping[str, str]]) -> None:
    """Let a room say what the rules and boosts of a version are called in the reader's language."""
    _names_of[:] = [names_of]


def purchase(activity: Activity, currency: str) -> Iterator[str]:
    explanation = activity.explanation
    yield _("You paid %(amount)s.") % {"amount": money(activity.amount, currency)}
    yield from _rules(explanation.get("lines", []), currency)
    if told := explanation.get("boosts", []) + explanation.get("caps", []):
        names = _names_of[0](activity.version_id) if _names_of else {}
        for each in told:
            yield _boost_or_cap(each) % {
                "name": names.get(each["code"], each["code"]),
                "points": _plain(Decimal(each["exact"])),
                "left": each.get("left"),
            }
    yield from _campaigns.named(activity)
    if rounded := _rounding(explanation):
        yield rounded


def returned(entry: Entry, activity: Activity, currency: str) -> Iterator[str]:
    explanation = activity.explanation
    yield _("%(amount)s of purchase %(document)s was returned.") % {
        "amount": money(activity.amount, currency),
        "document": explanation.get("purchase", ""),
    }
    worth = explanation.get("points", 0)
    yield ngettext(
        "What you kept of it is worth %(points)s point.",
        "What you kept of it is worth %(points)s points.",
        worth,
    ) % {"points": f"{worth:,}"}
    if entry.worth == 0:
        # Only qualifying points went: those are never gone before (T3).
        yield _("The points were gone already; your tier points went down by %(points)s.") % {
            "points": f"{-entry.qualifying:,}"
        }
    elif entry.worth > activity.points:
        yield _("Points that had expired or were written off are not taken back.")


def _rules(lines: list[dict[str, Any]], currency: str) -> Iterator[str]:
    """One sentence for each rate: what was bought at it and what that makes before rounding."""
    by_rate: dict[tuple[str, str] | None, list[dict[str, Any]]] = {}
    for line in lines:
        rate = (line["points"], line["per_amount"]) if line["rule"] else None
        if rate is not None and Decimal(rate[0]) == 0:
            rate = None
        by_rate.setdefault(rate, []).append(line)
    for rate, bought in by_rate.items():
        amount = sum((Decimal(line["amount"]) for line in bought), Decimal(0))
        if rate is None:
            yield _("%(amount)s earn no points.") % {"amount": money(amount, currency)}
            continue
        points, per_amount = rate
        told = {
            "amount": money(amount, currency),
            "points": points,
            "per": _short_money(Decimal(per_amount), currency),
            "exact": _plain(sum((Decimal(line["exact"]) for line in bought), Decimal(0))),
        }
        if len(by_rate) == 1:
            yield _("Points: %(points)s for every %(per)s.") % told
        else:
            yield _("%(amount)s at %(points)s for every %(per)s: %(exact)s points.") % told


def _boost_or_cap(told: dict[str, Any]) -> str:
    if "left" in told:
        return _("%(name)s: %(points)s points; its limit left room for %(left)s.")
    return _("%(name)s: %(points)s points more.")


def _rounding(explanation: dict[str, Any]) -> str:
    """How the exact points became whole ones; empty when they were whole."""
    rounding = explanation.get("rounding")
    if not rounding or Decimal(explanation["exact"]) == explanation["points"]:
        return ""
    sentence = {
        ("down", "document"): _("%(exact)s points, rounded down to %(points)s."),
        ("up", "document"): _("%(exact)s points, rounded up to %(points)s."),
        ("half_up", "document"): _("%(exact)s points, rounded to %(points)s."),
        ("down", "line"): _("%(exact)s points; each line rounded down, that makes %(points)s."),
        ("up", "line"): _("%(exact)s points; each line rounded up, that makes %(points)s."),
        ("half_up", "line"): _("%(exact)s points; each line rounded, that makes %(points)s."),
    }[rounding["mode"], rounding["per"]]
    return sentence % {
        "exact": _plain(Decimal(explanation["exact"])),
        "points": f"{explanation['points']:,}",
    }


def _short_money(amount: Decimal, currency: str) -> str:
    """10.00 → 10 yuan: rates read better without cents that are zero."""
    if amount != amount.to_integral_value():
        return money(amount, currency)
    text = f"{amount:,.0f}"
    return _("%(amount)s yuan") % {"amount": text} if currency == "CNY" else f"{currency} {text}"


def _plain(number: Decimal) -> str:
    """26.80 → 26.8"""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
