"""Spending what others of a family or company share (docs/decisions/0019)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import NoReturn

from django.conf import settings
from django.db import transaction
from django.utils.timezone import localdate

from members import groups
from members.queries import Identity
from points import queries
from points.models import Entry
from points.operations._posting import (
    InsufficientPoints,
    Posting,
    Repeat,
    call,
    post,
    require_not_merged,
    when_given,
)


@transaction.atomic
def spend_pooled(
    repeat: Repeat, *, at: datetime, until: datetime | None = None, lapses_on: date | None = None
) -> Posting:
    """
    Redeem or hold with what others share, where the member's own points are too few.

    :param repeat: what is asked for
    :raises InsufficientPoints: if both together are too few
    """
    member, source = repeat.member, repeat.source
    spenders = [
        f"{kind}:{role}" for kind, terms in groups.offered(at=at).items() for role in terms.spenders
    ]
    posting = post(
        "points_spend_pooled",
        (
            member.id, -repeat.points, at, settings.TIME_ZONE, repeat.kind, source.issuer_id,
            repeat.reference, source.store_id, source.client_id, source.version_id,
            spenders, queries.start_of_month(at),
        ),
        repeat,
        **when_given(p_note=repeat.note or None, p_hold_until=until, p_lapses_on=lapses_on),
    )  # fmt: skip
    # Nothing came back. A repeat of what emptied the pool is no refusal.
    return posting or repeat.earlier() or _too_few(member, -repeat.points, at)


@contextmanager
def returning(entry: Entry, *, at: datetime) -> Iterator[None]:
    """Whatever a block gives back of an entry goes home, to whom it was fetched from."""
    if entry.group_id is None:
        yield
        return
    with transaction.atomic():
        # Before anything else is held: in the order of members.
        call("points_hold_pool", (entry.member_id, entry.seq))
        yield
        send_home(low=entry.member_id, high=entry.member_id, at=at)


def send_home(*, low: int, high: int, at: datetime) -> tuple[int, int]:
    """
    Return what was fetched for the members low … high and is open again to whom it was fetched
    from. If their membership has ended meanwhile, it ends with it.

    :returns: members, points
    """
    members, points = call("points_send_home", (low, high, at, settings.TIME_ZONE))
    return members, points


def _too_few(member: Identity, points: int, at: datetime) -> NoReturn:
    """:raises AccountMerged: :raises InsufficientPoints: whichever it is"""
    require_not_merged(member)
    own = queries.spendable_points_late(member.id, on=localdate(at))
    shared = queries.shared_points(member.id, at=at) or 0
    raise InsufficientPoints(requested=points, spendable=own + shared)
