"""
What a purchase is worth to a member: by the rules of its day, with the facts they ask about, and
with what caps and budgets leave.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from django.utils.timezone import localdate

from campaigns import budgets, earning, limits
from campaigns import facts as looked_up
from campaigns.activity_rules import BudgetRule, compiled
from campaigns.earning import Facts, Judgement, Line
from campaigns.facts import OF_HISTORY, Asked
from campaigns.limits import PurchaseLimits
from campaigns.models import TaskStep
from points.models import Activity
from programme.queries import Rulebook
from tiers import queries as tiers


def is_plain(version_id: int) -> bool:
    """
    Whether a purchase can be judged without holding the member's account, and posting it is all
    there is to do: no tiers, no caps, no task, nothing that asks what the member bought before.
    """
    rules = compiled(version_id)
    return not (
        earning.compiled_rules(version_id).needs & OF_HISTORY
        or rules.purchase_caps
        or _budgets_of(version_id)
        or rules.has_task(TaskStep.FIRST_PURCHASE)
        or tiers.ladder(version_id)
    )


def judge(asked: Asked, *, rulebook: Rulebook) -> Judgement:
    """
    Judge a purchase by the rules of its day, within the member's caps. Writes nothing.

    What the caps leave is certain only for who holds the member's account.
    """
    facts = _facts_of(asked, rulebook)
    return _within(
        _limits_of(asked, rulebook),
        lambda limits_: _judged(rulebook, asked.lines, facts, limits_),
    )


def judge_and_pay(asked: Asked, *, rulebook: Rulebook, issuer_id: int) -> Judgement:
    """
    As `judge`, and take the points out of the budgets they come of, or as many as are left there.

    In the transaction that posts them; what the explanation says was paid is what a return frees.
    """
    facts = _facts_of(asked, rulebook)
    capped = _limits_of(asked, rulebook)

    def judged(left: Mapping[str, int]) -> Judgement:
        return _judged(rulebook, asked.lines, facts, left)

    judgement = _within(capped, judged)
    paid: dict[str, int] = {}
    left: dict[str, int] = {}
    rules = _budgets_of(rulebook.id)
    for rule in rules:
        wanted = _of(rule, judgement.parts)
        taken = budgets.take(
            points=wanted,
            rules=[rule],
            day=asked.day,
            issuer_id=issuer_id,
            version_number=rulebook.number,
        )
        # Nothing where it is not for that day, or for another dealer.
        paid[rule.code] = taken.paid.get(rule.code, 0)
        if taken.points < wanted:
            left = _least(left, _cut(judgement.parts, rule, taken.points))
            judgement = _within(capped, judged, left)
    told = {}
    for rule in rules:
        # A later budget may have cut off what an earlier one had paid.
        given = min(paid[rule.code], _of(rule, judgement.parts))
        if given < paid[rule.code]:
            budgets.give_back(code=rule.code, points=paid[rule.code] - given)
        if given:
            told[rule.code] = given
    if not told:
        return judgement
    return replace(judgement, explanation={**judgement.explanation, "budgets": told})


def judge_again(purchase: Activity, lines: Sequence[Line], *, rulebook: Rulebook) -> Judgement:
    """
    Judge lines of a purchase as if nothing else had been bought: with the facts of then, whatever
    has become of the member since, and with what caps had left.
    """
    facts = Facts.read(purchase.explanation.get("facts", {}), day=localdate(purchase.occurred_at))
    return _judged(rulebook, lines, facts, limits.for_return(purchase))


def freed(purchase: Activity, before: Judgement, after: Judgement) -> dict[str, int]:
    """What a return takes back, by budget, of what they paid for a purchase."""
    paid = purchase.explanation.get("budgets", {})
    rules = [rule for rule in _budgets_of(purchase.version_id) if rule.code in paid] if paid else []
    less = {rule.code: _of(rule, before.parts) - _of(rule, after.parts) for rule in rules}
    return {code: points for code, points in less.items() if points > 0}


def free(budgets_freed: Mapping[str, int]) -> None:
    """Give it back to the budgets."""
    for code, points in budgets_freed.items():
        budgets.give_back(code=code, points=points)


def _facts_of(asked: Asked, rulebook: Rulebook) -> Facts:
    return looked_up.facts_of(
        asked,
        rules=earning.compiled_rules(rulebook.id),
        validity=rulebook.policies.validity,
    )


def _judged(
    rulebook: Rulebook, lines: Sequence[Line], facts: Facts, left: Mapping[str, int]
) -> Judgement:
    return earning.judge(
        rules=earning.compiled_rules(rulebook.id),
        rounding=rulebook.policies.rounding,
        lines=lines,
        version=rulebook.number,
        facts=facts,
        limits=left,
    )


def _limits_of(asked: Asked, rulebook: Rulebook) -> PurchaseLimits:
    caps = compiled(rulebook.id).purchase_caps
    if not caps or asked.member_id is None:
        return PurchaseLimits()
    rooms = limits.purchase_rooms(member_id=asked.member_id, caps=caps, day=asked.day)
    return PurchaseLimits(tuple(rooms), earning.compiled_rules(rulebook.id).codes)


def _within(
    capped: PurchaseLimits,
    judged: Callable[[Mapping[str, int]], Judgement],
    left: Mapping[str, int] = earning.NO_LIMITS,
) -> Judgement:
    """Judge until what shares a cap keeps within it together."""
    left = _least(left, capped.by_code)
    judgement = judged(left)
    while (allowed := capped.within(judgement.parts)) != judgement.parts:
        cut = {code: n for code, n in allowed.items() if n < judgement.parts[code]}
        left = _least(left, cut)
        judgement = judged(left)
    return judgement


def _least(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    least = dict(one)
    for code, points in other.items():
        least[code] = min(points, least.get(code, points))
    return least


def _cut(parts: Mapping[str, int], rule: BudgetRule, paid: int) -> dict[str, int]:
    """What each part of a budget may give when it pays so much, in their order."""
    cut = {}
    for code, points in parts.items():
        if rule.pays_for(code):
            cut[code] = min(points, paid)
            paid -= cut[code]
    return cut


def _of(rule: BudgetRule, parts: Mapping[str, int]) -> int:
    return sum(points for code, points in parts.items() if rule.pays_for(code))


def _budgets_of(version_id: int) -> Sequence[BudgetRule]:
    """Those that pay for purchases, in the order in which all take from them."""
    rules = compiled(version_id)
    if not rules.budgets:
        return ()
    found = rules.purchase_budgets(earning.compiled_rules(version_id).codes)
    return sorted(found, key=lambda rule: rule.code)
