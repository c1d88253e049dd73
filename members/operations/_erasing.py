"""Being forgotten: asked for, taken back until its day, then done (docs/decisions/0016)."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import audit, events, personal
from common.errors import DomainError
from common.models import User
from members import queries
from members.models import Erasure, GroupMember, Member, MemberStatus
from members.operations._groups import depart
from programme import queries as programme
from programme.policies import ERASURE_DAYS

# What was told a member at the last minute arrives within days.
LOOKED_AT_AGAIN = timedelta(days=7)


class AlreadyErased(DomainError):
    code = "already_erased"
    message = _("The data of this member are erased already.")


class NothingToTakeBack(DomainError):
    code = "nothing_to_take_back"
    message = _("There is no erasure that could be taken back.")


@transaction.atomic
def request_erasure(*, member_id: int, at: datetime, by: User, reason: str = "") -> Erasure:
    """
    Have a member forgotten after the waiting period of the programme; until then it can be taken
    back. Who asks again gets the first answer.

    :param by: the member's own login, or the staff the member asked
    :raises AlreadyErased: if that was done before
    :raises queries.MemberMerged: if the member is another by now, who has to be asked about
    """
    member = Member.objects.select_for_update(no_key=True).get(pk=member_id)
    if member.merged_into is not None:
        raise queries.MemberMerged(number=member.number, into=member.merged_into.number)
    earlier = Erasure.objects.filter(member=member, withdrawn_at=None).first()
    if earlier is not None:
        if earlier.erased_at is not None:
            raise AlreadyErased
        return earlier
    due_on = localdate(at) + timedelta(days=waiting_days(localdate(at)))
    erasure = Erasure.objects.create(
        member=member, asked_at=at, asked_by=by, reason=reason, due_on=due_on
    )
    events.publish(
        "member.erasure_requested",
        {
            "member_id": member.pk,
            "erasure_id": erasure.pk,
            "due_on": due_on.isoformat(),
            "at": at.isoformat(),
        },
    )
    audit.record(
        action="member.erasure_requested",
        target=member.number,
        by=by,
        # The member's own words go with the member.
        reason="" if by.pk == member.user_id else reason,
        details={"due_on": due_on},
    )
    return erasure


@transaction.atomic
def withdraw_erasure(*, member_id: int, at: datetime, by: User, reason: str = "") -> Erasure:
    """
    Let a member stay who wanted to be forgotten.

    :raises NothingToTakeBack: if nothing waits, or the night was faster
    """
    member = Member.objects.select_for_update(no_key=True).get(pk=member_id)
    erasure = Erasure.objects.filter(member=member, withdrawn_at=None, erased_at=None).first()
    if erasure is None:
        raise NothingToTakeBack
    erasure.withdrawn_at = at
    erasure.save(update_fields=["withdrawn_at"])
    audit.record(action="member.erasure_withdrawn", target=member.number, by=by, reason=reason)
    return erasure


@transaction.atomic
def erase_due(*, low: int, high: int, day: date, at: datetime) -> int:
    """
    Forget the members low … high whose day has come: end the membership, then take everything
    personal out of every room's tables. In a few statements however many they are.

    Those of the last days are gone through again, for what was on its way to them.

    :returns: how many were forgotten for the first time
    """
    ids = (
        due(day, at)
        .filter(member_id__gte=low, member_id__lte=high)
        .values_list("member_id", flat=True)
    )
    # Members first, as everywhere; then who has taken it back meanwhile is seen.
    members = Member.objects.select_for_update(no_key=True).filter(pk__in=list(ids))
    # What is sealed is left so: it goes unread.
    held = {each.pk: each for each in members.order_by("pk").only("number", "status")}
    done = dict(due(day, at).filter(member_id__in=held).values_list("member_id", "erased_at"))
    fresh = [held[member_id] for member_id in sorted(done) if done[member_id] is None]
    _close(fresh, at)
    # Who was joined with them is they.
    personal.erase(queries.with_guests(sorted(done)))
    Erasure.objects.filter(member__in=fresh, withdrawn_at=None).update(erased_at=at)
    audit.record_many(action="member.erased", targets=[each.number for each in fresh], by=None)
    events.publish("member.erased", *({"member_id": each.pk} for each in fresh))
    return len(fresh)


def due(day: date, at: datetime) -> QuerySet[Erasure]:
    """What the night of a day has to do, or to look at again."""
    wanted = Erasure.objects.filter(withdrawn_at=None, due_on__lte=day)
    return wanted.filter(Q(erased_at=None) | Q(erased_at__gt=at - LOOKED_AT_AGAIN))


def waiting_days(day: date) -> int:
    """For how many days an erasure asked for on a day can be taken back."""
    try:
        return programme.rulebook_on(day).policies.erasure_days
    except programme.NoRulebook:
        return ERASURE_DAYS


def _close(members: Sequence[Member], at: datetime) -> None:
    """As `close`, of many, without the history of what is erased a moment later."""
    still = [each for each in members if each.status != MemberStatus.CLOSED]
    Member.objects.filter(pk__in=[each.pk for each in still]).update(
        status=MemberStatus.CLOSED, closed_at=at
    )
    audit.record_many(action="member.closed", targets=[each.number for each in still], by=None)
    in_groups = GroupMember.objects.filter(member__in=still, left_at=None)
    for member_id in in_groups.values_list("member_id", flat=True).distinct().order_by("member_id"):
        depart(member_id, at)
    events.publish(
        "member.closed",
        *({"member_id": each.pk, "closed_at": at.isoformat()} for each in still),
    )
