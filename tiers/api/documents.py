"""What dealers' systems get about tiers."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from common.api.rendering import Answer
from programme.policies import NEVER
from tiers.ladders import Level
from tiers.queries import Progress, Step


class TierName(Answer):
    """A tier: its code, which never changes, and what it is called in each language."""

    code: str
    names: dict[str, str]


class ThresholdAnswer(Answer):
    """What a tier asks for of one measure, and what was gathered of it from … to, inclusive."""

    measure: str
    at_least: str
    total: str
    met: bool
    # Null: from the beginning.
    window_from: date | None
    # Null, as the other: it has no window.
    window_to: date | None


class CriterionAnswer(Answer):
    """So many of its thresholds and criteria must be met."""

    needed: int
    thresholds: list[ThresholdAnswer]
    criteria: list["CriterionAnswer"]
    met: bool


class StepAnswer(Answer):
    """A tier and what it asks for."""

    tier: TierName
    criterion: CriterionAnswer


class TierAnswer(Answer):
    """Where a member stands. All but `member` is null where the programme has no tiers."""

    member: str
    tier: TierName | None
    # The tier beneath one given by hand; else the same.
    earned: TierName | None
    by_hand: bool | None
    # The day the earned tier was reached; null: from the beginning.
    since: date | None
    # The tier's last day; null: it has no end.
    valid_until: date | None
    # The next tier that can be earned; null at the top.
    next: StepAnswer | None
    # What keeps the earned tier, and the last day that counts; null where it has no end.
    keep: StepAnswer | None
    keep_by: date | None
    # If nothing more is gathered: the day on which the earned tier is lost, and what it is then.
    falls_on: date | None
    projected: TierName | None


def tier_answer(progress: Progress | None, *, member: str) -> TierAnswer:
    if progress is None:
        return TierAnswer(member, *[None] * 10)
    stand = progress.stand
    falls = progress.projected.position < stand.earned.position
    return TierAnswer(
        member=member,
        tier=_name(stand.level),
        earned=_name(stand.earned),
        by_hand=stand.by_hand,
        since=stand.since,
        valid_until=stand.valid_until,
        next=_step(progress.upgrade),
        keep=_step(progress.keep),
        keep_by=progress.keep_by,
        falls_on=progress.falls_on if falls and progress.falls_on != NEVER else None,
        projected=_name(progress.projected),
    )


def _name(level: Level) -> TierName:
    return TierName(level.code, level.names)


def _step(step: Step | None) -> StepAnswer | None:
    if step is None:
        return None
    tree = step.evidence
    # One shape for all: a threshold that stands alone is the one of its criterion.
    whole = tree if "of" in tree else {"of": [tree], "word": "all", "met": tree["met"]}
    return StepAnswer(_name(step.level), _criterion(whole))


def _criterion(tree: Mapping[str, Any]) -> CriterionAnswer:
    of = tree["of"]
    needed = {"all": len(of), "any": 1}.get(tree["word"]) or tree["some"]
    return CriterionAnswer(
        needed=needed,
        thresholds=[_threshold(each) for each in of if "measure" in each],
        criteria=[_criterion(each) for each in of if "of" in each],
        met=tree["met"],
    )


def _threshold(leaf: Mapping[str, Any]) -> ThresholdAnswer:
    return ThresholdAnswer(
        measure=leaf["measure"],
        at_least=leaf["at_least"],
        total=leaf["total"],
        met=leaf["met"],
        window_from=_day(leaf.get("from")),
        window_to=_day(leaf.get("until")),
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
