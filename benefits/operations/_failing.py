"""What becomes of a right that was not kept: it failed, and somebody makes up for it."""

from datetime import datetime

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from benefits import queries
from benefits.matrix import Benefit
from benefits.models import Failure, Kind, Right, RightState, StepKind
from benefits.operations._steps import Who, take
from benefits.operations._using import (
    NotCounted,
    UnknownBenefit,
    held,
    record,
    require_note,
    require_state,
)
from common.errors import DomainError, Invalid
from members import queries as members
from points import operations as points
from points import queries as ledger
from points.models import EntryKind
from programme import queries as programme
from programme.policies import NEVER, days_from

DAYS_MAX = 3660


class CompensationTooLarge(DomainError):
    code = "compensation_too_large"
    message = _("More than %(limit)s points are for two people: correct the points instead.")


class PointsOutOfRange(Invalid):
    code = "compensation_of_nothing"
    message = _("Give at least one point.")


class DaysOutOfRange(Invalid):
    code = "days_out_of_range"
    message = _("Say within how many days it can be used, at most %(count)s.")


@transaction.atomic
def fail(*, right_id: int, reason: Failure, note: str, at: datetime, who: Who) -> Right:
    """
    Note that a member did not get what was promised, or got it badly.

    :raises WrongRightState: if it lapsed, ended or failed before
    """
    right = held(right_id)
    require_note(note)
    require_state(
        right,
        RightState.GRANTED,
        RightState.BOOKED,
        RightState.DELIVERED,
        RightState.RATED,
    )
    # Where it failed: at the store that had booked or delivered it, unless another is named.
    take(
        right, StepKind.FAILED, at=at, who=who, reason=reason, note=note, state=RightState.FAILED,
        store_id=who.store_id or right.store_id,
    )  # fmt: skip
    record(
        "right.failed", members.identity_of(right.member_id), right, who.by, reason=note,
        failure=reason.value,
    )  # fmt: skip
    return right


@transaction.atomic
def compensate_by_points(
    *, right_id: int, points_given: int, note: str, at: datetime, who: Who
) -> Right:
    """
    Make up for a failure by points, by the rules of the day for their last day and who pays.

    :raises WrongRightState: if it did not fail, or was made up for
    :raises CompensationTooLarge: above what one person may correct
    """
    right = held(right_id)
    require_note(note)
    require_state(right, RightState.FAILED)
    if points_given < 1:
        raise PointsOutOfRange
    rulebook = programme.rulebook_on(localdate(at))
    limit = rulebook.policies.adjustment_limit
    if limit is not None and points_given > limit:
        raise CompensationTooLarge(limit=limit)
    member = members.identity_of(ledger.holder_of(right.member_id))
    ours = points.our_source()
    validity, day = rulebook.policies.validity, localdate(at)
    (posted,) = points.grant(
        grants=[
            points.Grant(
                member=member,
                points=points_given,
                reference=f"right:{right.pk}",
                at=at,
                expires_on=validity.last_day(day) or NEVER,
                lapses_on=validity.account_last_day(day),
            )
        ],
        source=points.Source(
            issuer_id=ours.issuer_id,
            version_id=rulebook.id,
            funding_id=points.funding_by_policy(
                rulebook.policies.funding, store_id=right.store_id, issuer_id=ours.issuer_id
            ),
        ),
        rolls=validity.counts(EntryKind.EARN),
        by=who.by,
        note=note,
    )
    if isinstance(posted, DomainError):
        raise posted
    take(
        right, StepKind.COMPENSATED, at=at, who=who, note=note, state=RightState.COMPENSATED,
        compensated_points=points_given,
    )  # fmt: skip
    record("right.compensated", member, right, who.by, reason=note, points=points_given)
    return right


@transaction.atomic
def compensate_by_right(
    *, right_id: int, benefit: str, days: int, note: str, at: datetime, who: Who
) -> Right:
    """
    Make up for a failure by a right to a benefit, the same or another, good for some days.

    :returns: the new right
    :raises UnknownBenefit: :raises NotCounted: if it cannot be granted one by one
    :raises WrongRightState: if it did not fail, or was made up for
    """
    failed = held(right_id)
    require_note(note)
    require_state(failed, RightState.FAILED)
    if not 1 <= days <= DAYS_MAX:
        raise DaysOutOfRange(count=DAYS_MAX)
    day = localdate(at)
    given = _benefit(benefit, at=at)
    holder = members.identity_of(ledger.holder_of(failed.member_id))
    holder.require_can_earn()
    right = Right.objects.create(
        member_id=holder.id,
        benefit=benefit,
        period=f"for-{failed.pk}",
        ordinal=1,
        level=failed.level,
        version_id=queries.matrix_on(day).version_id,
        steps=0,
        granted_on=day,
        last_on=days_from(day, days),
        cost=given.cost,
        compensates=failed,
    )
    take(right, StepKind.GRANTED, at=at, who=who, state=RightState.GRANTED)
    take(failed, StepKind.COMPENSATED, at=at, who=who, note=note, state=RightState.COMPENSATED)
    record("right.compensated", holder, failed, who.by, reason=note, by_right=right.pk)
    return right


def _benefit(code: str, *, at: datetime) -> Benefit:
    found = queries.matrix_on(localdate(at)).find(code)
    if found is None:
        raise UnknownBenefit
    if found.kind != Kind.SERVICE:
        raise NotCounted(benefit=found.name)
    return found
