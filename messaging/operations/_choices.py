"""Where a member wants to hear what, and in which language."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from members import queries as members
from members.operations import hold_survivor
from messaging import queries, stopping
from messaging.models import Channel, Choice, ChoiceSource, Purpose, Reader


@transaction.atomic
def choose(
    *,
    member_id: int,
    wanted: Mapping[tuple[Purpose, Channel], bool],
    at: datetime,
    source: ChoiceSource,
) -> int:
    """
    Note a member's choices, where they differ from what holds; they hold from now on, for what
    waits too. Returns how many differ. Who was joined with another is who remains.
    """
    member_id = hold_survivor(member_id)
    holding = queries.choices(member_id)
    changed = [pair for pair, is_wanted in wanted.items() if holding[pair] is not is_wanted]
    Choice.objects.bulk_create(
        Choice(
            member_id=member_id,
            purpose=purpose,
            channel=channel,
            is_wanted=wanted[purpose, channel],
            made_at=at,
            source=source,
        )
        for purpose, channel in changed
    )
    return len(changed)


def set_reader(*, member_id: int, language: str, time_zone: str) -> None:
    """Note how a member reads; empty: as the installation does."""
    Reader.objects.update_or_create(
        member_id=member_id, defaults={"language": language, "time_zone": time_zone}
    )


def set_language(*, member_id: int, language: str) -> None:
    """Note in which language a member reads; when it is night there stays as it was."""
    Reader.objects.update_or_create(member_id=member_id, defaults={"language": language})


def unsubscribe(*, token: str, at: datetime) -> None:
    """
    Stop what a link is about. Again, it changes nothing.

    :raises stopping.UnknownLink: if we did not make it
    """
    number, purpose, channel = stopping.read(token)
    choose(
        member_id=members.identify(number).id,
        wanted={(purpose, channel): False},
        at=at,
        source=ChoiceSource.LINK,
    )
