"""
Many purchases at once: set by set, as if each had been posted by itself.

What a purchase is worth may depend on those before it: of its member, whose tier, caps and first
purchase they decide, or of whoever had its reference first. So they are posted in waves. In one
wave no member and no reference occurs twice, and each purchase comes behind those it may depend
on. Where a budget pays, it may depend on everybody's: then they are posted one by one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.timezone import localdate

from campaigns import judging, steps
from campaigns.operations._documents import Purchase, check_purchase
from campaigns.operations._purchases import as_judged, asked_about, measured, post_purchase
from common.errors import DomainError
from points import operations as points
from programme import queries as programme
from programme.queries import Rulebook
from tiers import operations as tiers

Outcome = points.PostedActivity | DomainError


@dataclass(frozen=True, slots=True)
class _Checked:
    """A purchase with nothing wrong in itself. `place`: among those that were asked for."""

    place: int
    purchase: Purchase
    rulebook: Rulebook

    @property
    def keys(self) -> tuple[object, ...]:
        """Purchases that have one in common are posted one after the other."""
        source = self.purchase.source
        return self.purchase.member.id, (source.issuer_id, self.purchase.reference)


def judged_many(
    *, purchases: Sequence[Purchase], now: datetime
) -> list[points.JudgedPurchase | DomainError]:
    """
    Check purchases and judge each by the rulebook of its day, as if it came alone; write nothing.
    """
    found: dict[int, points.JudgedPurchase | DomainError] = {}
    checked, refused = _checked(purchases, now)
    found |= refused
    found |= _judged(checked)
    return [found[place] for place in range(len(purchases))]


def post_many(
    *,
    purchases: Sequence[Purchase],
    now: datetime,
    already: Sequence[points.JudgedPurchase] | None = None,
) -> list[Outcome]:
    """
    As `post_purchase` for many, in their order; call it inside a transaction.

    A refusal stands in the place of its purchase and harms none of the others.

    :param already: what `judged_many` made of them, if that was asked before
    """
    checked, refused = _checked(purchases, None if already else now)
    outcomes: dict[int, Outcome] = {**refused}
    if all(judging.is_plain(each.rulebook.id) for each in checked):
        judged = dict(enumerate(already)) if already else _judged(checked)
        outcomes |= _posted(checked, judged)
    else:
        points.lock_many(each.purchase.member.id for each in checked)
        if any(judging.depends_on_others(each.rulebook.id) for each in checked):
            outcomes |= {each.place: _post_one(each.purchase, now) for each in checked}
        else:
            for wave in _waves(checked):
                outcomes |= _post_wave(wave, now)
    return [outcomes[place] for place in range(len(purchases))]


def _checked(
    purchases: Sequence[Purchase], now: datetime | None
) -> tuple[list[_Checked], dict[int, DomainError]]:
    """:param now: None: they were checked before"""
    checked, refused = [], {}
    for place, purchase in enumerate(purchases):
        try:
            if now is not None:
                check_purchase(purchase, now=now)
            rulebook = programme.rulebook_on(localdate(purchase.at))
        except DomainError as refusal:
            refused[place] = refusal
        else:
            checked.append(_Checked(place, purchase, rulebook))
    return checked, refused


def _waves(checked: Sequence[_Checked]) -> Iterator[list[_Checked]]:
    waves: list[list[_Checked]] = []
    # How many waves there are in which something with this key is posted.
    behind: dict[object, int] = {}
    for each in checked:
        nth = max(behind.get(key, 0) for key in each.keys)
        behind.update(dict.fromkeys(each.keys, nth + 1))
        if nth == len(waves):
            waves.append([])
        waves[nth].append(each)
    yield from waves


def _post_wave(wave: Sequence[_Checked], now: datetime) -> dict[int, Outcome]:
    """Judge, post, and count towards tiers, while the accounts are held."""
    judged = _judged(wave)
    outcomes = _posted(wave, judged)
    new = [each for each in wave if _is_new(outcomes[each.place])]
    tiers.gathered_many(
        [
            (each.purchase.member, each.purchase.at, measured(judged[each.place]), each.rulebook)
            for each in new
        ],
        now=now,
    )
    for rulebook, bought in _by_rulebook(new):
        steps.purchased(
            bought=[(each.purchase.member, each.purchase.at) for each in bought], rulebook=rulebook
        )
    return outcomes


def _is_new(outcome: Outcome) -> bool:
    return not isinstance(outcome, DomainError) and not outcome.replayed


def _judged(checked: Sequence[_Checked]) -> dict[int, points.JudgedPurchase]:
    """In the same few queries for all that one rulebook judges."""
    judged = {}
    for rulebook, some in _by_rulebook(checked):
        worths = judging.judge_many(
            [asked_about(each.purchase) for each in some], rulebook=rulebook
        )
        for each, worth in zip(some, worths, strict=True):
            judged[each.place] = as_judged(each.purchase, worth, rulebook)
    return judged


def _posted(
    checked: Sequence[_Checked], judged: dict[int, points.JudgedPurchase]
) -> dict[int, Outcome]:
    answers = points.post_purchases(purchases=[judged[each.place] for each in checked])
    return {each.place: answer for each, answer in zip(checked, answers, strict=True)}


def _by_rulebook(checked: Sequence[_Checked]) -> list[tuple[Rulebook, list[_Checked]]]:
    groups: dict[int, tuple[Rulebook, list[_Checked]]] = {}
    for each in checked:
        groups.setdefault(each.rulebook.id, (each.rulebook, []))[1].append(each)
    return list(groups.values())


def _post_one(purchase: Purchase, now: datetime) -> Outcome:
    try:
        with transaction.atomic():
            return post_purchase(purchase=purchase, now=now)
    except DomainError as refusal:
        return refusal
