"""Two members who are one person: what becomes of what is said to them (docs/decisions/0020)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from members import queries as members
from members.operations import note_parts
from messaging import queries
from messaging.models import Channel, Choice, ChoiceSource, Follower, Message, Purpose, Reader

# A member has one of each: it comes along where the survivor has none.
OWN: dict[str, Any] = {"messaging.reader": Reader, "messaging.follower": Follower}
MESSAGE, CHOICE = "messaging.message", "messaging.choice"


@transaction.atomic
def merge_messages(*, merge_id: int, member_id: int, into_id: int, at: datetime) -> None:
    """
    Let who remains hear what the one given up has not read yet, where neither has said no.

    Call it in the transaction that joins the members.
    """
    for kind, model in OWN.items():
        if not model.objects.filter(pk=into_id).exists() and _hand_over(model, member_id, into_id):
            note_parts(merge_id=merge_id, kind=kind, rows=[into_id])
    unread = waiting_to_be_read(member_id)
    ids = list(unread.values_list("pk", flat=True))
    Message.objects.filter(pk__in=ids).update(member=into_id)
    note_parts(merge_id=merge_id, kind=MESSAGE, rows=ids)
    said = Choice.objects.bulk_create(
        Choice(
            member_id=into_id,
            purpose=purpose,
            channel=channel,
            is_wanted=False,
            made_at=at,
            source=ChoiceSource.MERGE,
        )
        for purpose, channel in refused_besides(member_id, into_id)
    )
    note_parts(merge_id=merge_id, kind=CHOICE, rows=[each.pk for each in said])


@transaction.atomic
def unmerge_messages(*, merge_id: int, member_id: int, into_id: int, at: datetime) -> None:
    """Give back what `merge_messages` took, read or not; a choice made since stays."""
    rows = members.parts_of_merge(merge_id)
    for kind, model in OWN.items():
        if rows.get(kind) and not model.objects.filter(pk=member_id).exists():
            _hand_over(model, into_id, member_id)
    Message.objects.filter(pk__in=rows.get(MESSAGE, []), member=into_id).update(member=member_id)
    Choice.objects.bulk_create(
        Choice(
            member_id=into_id,
            purpose=added.purpose,
            channel=added.channel,
            is_wanted=True,
            made_at=at,
            source=ChoiceSource.MERGE,
        )
        for added in Choice.objects.filter(pk__in=rows.get(CHOICE, [])).order_by("pk")
        if _is_latest(added)
    )


def waiting_to_be_read(member_id: int) -> QuerySet[Message]:
    return Message.objects.filter(member_id=member_id, read_at=None).order_by("pk")


def refused_besides(member_id: int, into_id: int) -> Sequence[tuple[Purpose, Channel]]:
    """What one member does not want to hear and the other does."""
    theirs, own = queries.choices(member_id), queries.choices(into_id)
    return [pair for pair, is_wanted in theirs.items() if not is_wanted and own[pair]]


def _hand_over(model: Any, member_id: int, to_id: int) -> bool:
    return bool(model.objects.filter(pk=member_id).update(member=to_id))


def _is_latest(choice: Choice) -> bool:
    later = Choice.objects.filter(
        member_id=choice.member_id, purpose=choice.purpose, channel=choice.channel
    )
    return not later.filter(pk__gt=choice.pk).exists()
