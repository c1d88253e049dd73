"""Who answers a survey has done what the rulebook rewards, once for each survey (B7, P4)."""

from datetime import datetime

from campaigns import activities, steps
from campaigns.activities import Done, UnknownActivity
from members import queries as members
from members.queries import MemberClosed, MemberFrozen
from points import operations as points
from programme import queries as programme


def answered(*, survey_id: int, member_id: int, activity: str, at: datetime) -> int:
    """
    Reward an answer with what the rulebook of its day gives for the activity.

    :returns: the points given now; none where the rulebook knows no such activity, to who is
        frozen or has left, or on a repeat
    """
    member = members.identity_of(member_id)
    done = Done(
        member=member,
        code=activity,
        reference=f"survey:{survey_id}:{member.number}",
        at=at,
        source=steps.our_source(),
    )
    try:
        granted = activities.post_activity(done=done, now=at)
    except (UnknownActivity, programme.NoRulebook):
        return 0
    except (MemberFrozen, MemberClosed, points.AccountMerged):
        return 0
    return 0 if granted.posted.replayed else granted.posted.points
