"""
Budgets: points that all members together may be given, to the last one and not one more.

A budget's points lie in slices, a row each. Who needs some takes them from a slice nobody is using
now; only when none of those has enough does anybody wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from django.db import connection, transaction

from campaigns.activity_rules import BudgetRule
from campaigns.models import BudgetPurse, BudgetSlice
from common.postgres import calls as postgres
from partners.models import Organization

# Enough for all workers of a large installation at once.
SLICES = 16


@dataclass(frozen=True, slots=True)
class Taken:
    """Points that budgets pay, what each paid, and what they cut off."""

    points: int
    paid: dict[str, int]
    cuts: list[dict[str, Any]]


def take(
    *,
    points: int,
    rules: Sequence[BudgetRule],
    day: date,
    issuer_id: int,
    version_number: int,
) -> Taken:
    """
    Take points out of every budget that is for them: all of it, or what the poorest one has left.

    Call it in the transaction that gives the points, after the member's account was locked. Two
    that take from several budgets do so in the order of their codes.
    """
    paid: dict[str, int] = {}
    cuts: list[dict[str, Any]] = []
    for rule in _that_pay(rules, day=day, issuer_id=issuer_id):
        _provide(rule, version_number)
        got = _take(rule.code, points)
        if got < points:
            cuts.append({"by": rule.code, "reason": "budget", "points": points - got})
            for code in paid:
                give_back(code=code, points=points - got)
                paid[code] = got
            points = got
        paid[rule.code] = got
    return Taken(points, {code: got for code, got in paid.items() if got}, cuts)


def _that_pay(rules: Sequence[BudgetRule], *, day: date, issuer_id: int) -> list[BudgetRule]:
    """Those that are there for an issuer on a day, in the order in which they are taken from."""
    return [
        rule
        for rule in sorted(rules, key=lambda rule: rule.code)
        if rule.holds_on(day) and _is_for(rule, issuer_id)
    ]


def _is_for(rule: BudgetRule, issuer_id: int) -> bool:
    if not rule.dealer:
        return True
    return Organization.objects.filter(pk=issuer_id, code=rule.dealer).exists()


def _take(code: str, points: int) -> int:
    """Up to so many points out of a purse."""
    if points == 0:
        return 0
    if postgres.call("campaigns_take_from_slice", code, points):
        return points
    # The end is near, or everybody is here: wait for each slice in turn, and know what is left.
    taken = 0
    slices = BudgetSlice.objects.filter(purse_id=code).order_by("nth")
    for each in slices.select_for_update(no_key=True):
        some = min(each.remaining, points - taken)
        if some:
            BudgetSlice.objects.filter(pk=each.pk).update(remaining=each.remaining - some)
            taken += some
    return taken


GIVE_BACK = """
    WITH free AS MATERIALIZED (
        SELECT s.nth FROM campaigns_budgetslice AS s
        WHERE s.purse_id = %(code)s LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE campaigns_budgetslice AS s SET remaining = s.remaining + %(points)s
    FROM free WHERE s.purse_id = %(code)s AND s.nth = free.nth
"""


def give_back(*, code: str, points: int) -> None:
    """Put points back that were taken and not given, or taken back from a member."""
    if not points:
        return
    with connection.cursor() as cursor:
        cursor.execute(GIVE_BACK, {"code": code, "points": points})
        if cursor.rowcount:
            return
    first = BudgetSlice.objects.filter(purse_id=code).select_for_update(no_key=True).get(nth=0)
    first.remaining += points
    first.save(update_fields=["remaining"])


# Purses that are as their version wants them.
_provided: set[tuple[str, int]] = set()


def forget_cached() -> None:
    """Look at each purse anew, in this process."""
    _provided.clear()


def _provide(rule: BudgetRule, version_number: int) -> None:
    """Make a budget's purse, or change what is in it to what a newer version says."""
    if (rule.code, version_number) in _provided:
        return
    purse = BudgetPurse.objects.filter(code=rule.code).first()
    if purse is None:
        # Two at once: the second waits at the unique code, then finds the purse.
        BudgetPurse.objects.bulk_create(
            [BudgetPurse(code=rule.code, points=0, version_number=0)], ignore_conflicts=True
        )
    if purse is None or purse.version_number < version_number:
        _refill(rule, version_number)
    # What is rolled back must not be remembered.
    transaction.on_commit(partial(_provided.add, (rule.code, version_number)))


def _refill(rule: BudgetRule, version_number: int) -> None:
    purse = BudgetPurse.objects.select_for_update(no_key=True).get(code=rule.code)
    if purse.version_number >= version_number:
        return
    slices = list(purse.slices.select_for_update(no_key=True).order_by("nth"))
    left = sum(each.remaining for each in slices)
    spent = purse.points - left
    # What is spent is spent, also where less was meant to be.
    purse.points = max(rule.points, spent)
    purse.version_number = version_number
    purse.save(update_fields=["points", "version_number"])
    shares = _shares(purse.points - spent)
    if not slices:
        BudgetSlice.objects.bulk_create(
            BudgetSlice(purse=purse, nth=nth, remaining=share) for nth, share in enumerate(shares)
        )
        return
    for each, share in zip(slices, shares, strict=True):
        BudgetSlice.objects.filter(pk=each.pk).update(remaining=share)


def _shares(points: int) -> list[int]:
    """As even as whole points can be."""
    each, more = divmod(points, SLICES)
    return [each + (nth < more) for nth in range(SLICES)]
