"""
What a purchase is worth to a member: by the rules of its day, with the facts they ask about, and
with what caps and budgets leave.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

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
        # Also one that began later: it may count what is told of late.
        or tiers.has_tiers()
    )


def depends_on_others(version_id: int) -> bool:
    """
    Whether what a purchase brings may depend on who else bought before: a budget pays for it.
    """
    rules = compiled(version_id)
    first = [task.code for task in rules.tasks.values() if task.when == TaskStep.FIRST_PURCHASE]
    return bool(_budgets_of(version_id) or any(rules.kinds[code].budgets for code in first))


def judge(asked: Asked, *, rulebook: Rulebook) -> Judgement:
    """
    Judge a purchase by the rules of its day, within the member's caps. Writes nothing.

    What the caps leave is certain only for who holds the member's account.
    """
    return judge_many([asked], rulebook=rulebook)[0]


def judge_many(asked: Sequence[Asked], *, rulebook: Rulebook) -> list[Judgement]:
    """
    As `judge` for many that are judged by one rulebook, in the same few queries.

    None of them knows of the others: of each member, give only one where that matters.
    """
    facts = _facts_of(asked, rulebook)
    capped = _limits_of(asked, rulebook)
    return [
        _within(limits_, partial(_judged, rulebook, each.lines, of_each))
        for each, of_each, limits_ in zip(asked, facts, capped, strict=True)
    ]


def judge_and_pay(asked: Asked, *, rulebook: Rulebook, issuer_id: int) -> Judgement:
    """
    As `judge`, and take the points out of the budgets they come of, or as many as are left there.

    In the transaction that posts them; what the explanation says was paid is what a return frees.
    """
    [facts], [capped] = _facts_of([asked], rulebook), _limits_of([asked], rulebook)
    judged = partial(_judged, rulebook, asked.lines, facts)
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


def _facts_of(asked: Sequence[Asked], rulebook: Rulebook) -> list[Facts]:
    return looked_up.facts_of_many(
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


def _limits_of(asked: Sequence[Asked], rulebook: Rulebook) -> list[PurchaseLimits]:
    caps = compiled(rulebook.id).purchase_caps
    if not caps:
        return [PurchaseLimits()] * len(asked)
    codes = earning.compiled_rules(rulebook.id).codes
    known = [(each.member_id, each.day) for each in asked if each.member_id is not None]
    rooms = iter(limits.purchase_rooms_of_many(known, caps=caps))
    return [
        PurchaseLimits() if each.member_id is None else PurchaseLimits(tuple(next(rooms)), codes)
        for each in asked
    ]


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
