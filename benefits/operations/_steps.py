"""How a step of a right is written: the record, and the state it leads to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benefits.models import Right, RightState, Step
from common.models import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who takes a step, and where: staff, a store's system, or the member."""

    by: User | None = None
    client_id: int | None = None
    store_id: int | None = None


NOBODY = Who()


def take(
    right: Right,
    kind: str,
    *,
    at: datetime,
    state: RightState,
    who: Who = NOBODY,
    reason: str = "",
    proof: str = "",
    note: str = "",
    reference: str = "",
    **fields: Any,
) -> Step:
    """
    Write what happened to a right whose row is locked, and what that makes of it.

    :param reason: of an end or a failure
    :param reference: what tells a repeat of it (see `taken_before`)
    :param fields: what else of the right changes
    """
    right.state = state
    right.ended = reason if state == RightState.ENDED else ""
    right.steps += 1
    for name, value in fields.items():
        setattr(right, name, value)
    right.save(update_fields=["state", "ended", "steps", *fields])
    return Step.objects.create(
        right=right,
        nth=right.steps,
        kind=kind,
        at=at,
        actor=who.by,
        client_id=who.client_id,
        store_id=who.store_id,
        proof=proof,
        reason=reason,
        note=note,
        reference=reference or None,
    )


def taken_before(reference: str, *kinds: str) -> Step | None:
    """
    The step that a reference stands for. Ask with the rows locked that it would change: only then
    what somebody else does at the same time is seen.
    """
    if not reference:
        return None
    return Step.objects.select_related("right").filter(reference=reference, kind__in=kinds).first()
