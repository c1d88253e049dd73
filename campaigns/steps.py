"""
Tasks: a step that a member takes is rewarded once, when it is taken (M7).

A task's activity stands in the journal under a reference made of its code and the member, so it is
rewarded once however often the step is told.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils.timezone import localdate

from campaigns import activities, limits
from campaigns.activities import Done
from campaigns.activity_rules import compiled
from campaigns.models import TaskStep
from members import queries as members
from members.models import Member
from members.queries import Identity, MemberClosed, MemberFrozen
from partners import queries as partners
from points import operations as points
from programme import queries as programme
from programme.queries import Rulebook


def take(*, member_id: int, step: TaskStep, at: datetime) -> int:
    """
    Reward a step a member has taken, if the rulebook of the day has tasks for it.

    :returns: the points given now; none to who is frozen or has left
    """
    try:
        rulebook = programme.rulebook_on(localdate(at))
    except programme.NoRulebook:
        return 0
    if not compiled(rulebook.id).has_task(step):
        return 0
    try:
        return _reward([(members.identity_of(member_id), at)], step, rulebook)
    except (MemberFrozen, MemberClosed, points.AccountMerged):
        return 0


def purchased(*, bought: Sequence[tuple[Identity, datetime]], rulebook: Rulebook) -> int:
    """
    Reward the first purchases among some of different members, in the transaction that posts them.

    Asks nothing where the rulebook has no such task, and one thing where all did it before.
    """
    if not compiled(rulebook.id).has_task(TaskStep.FIRST_PURCHASE):
        return 0
    return _reward(bought, TaskStep.FIRST_PURCHASE, rulebook)


def complete_profile(*, member_id: int, at: datetime) -> int:
    """As `take`, once a member's name, phone and birthday are known."""
    member = Member.objects.get(pk=member_id)
    if not (member.name and member.phone and member.birthday):
        return 0
    return take(member_id=member_id, step=TaskStep.PROFILE_COMPLETE, at=at)


@transaction.atomic
def _reward(taken: Sequence[tuple[Identity, datetime]], step: TaskStep, rulebook: Rulebook) -> int:
    rules = compiled(rulebook.id)
    due = sorted(code for code, task in rules.tasks.items() if task.when == step)
    done = limits.done_once(member_ids=[member.id for member, _at in taken], codes=due)
    return sum(
        _complete(code, member, at, rulebook)
        for member, at in taken
        for code in due
        # A step taken outside the campaign of its task is not rewarded: it may be taken in it yet.
        if (member.id, code) not in done and rules.timetable.refusal(code, localdate(at)) is None
    )


def _complete(code: str, member: Identity, at: datetime, rulebook: Rulebook) -> int:
    granted = activities.post(
        Done(
            member=member,
            code=code,
            reference=f"task:{code}:{member.number}",
            at=at,
            source=our_source(),
            # However often and whenever it is told, it is the same step.
            at_was_given=False,
        ),
        compiled(rulebook.id).kinds[code],
        rulebook,
    )
    return 0 if granted.posted.replayed else granted.posted.points


def our_source() -> points.Source:
    """The brand's first store: where what has no store of its own is booked."""
    store = partners.main_store()
    assert store is not None, "every installation has its brand and store (partners/migrations)"
    return points.Source(issuer_id=store.organization_id, store_id=store.pk)
