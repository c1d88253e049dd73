"""Points for many at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings
from django.db import connection

from common.errors import DomainError
from common.models import User
from members.queries import Identity
from points.models import EntryKind, PointType
from points.operations._posting import (
    Posting,
    Repeat,
    Source,
    refusal_of,
    require_in_range,
    require_last_day,
    require_not_merged,
    require_note,
    require_reference,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Points for one member."""

    member: Identity
    points: int
    reference: str
    at: datetime
    expires_on: date
    qualifying: int = 0
    lapses_on: date | None = None


GRANT = """
    SELECT nth, entry_seq, balance FROM points_grant(
        %s::bigint[], %s::bigint[], %s::date[], %s::timestamptz[], %s, %s, %s, %s::text[], %s, %s,
        %s, %s, %s::bigint[], %s::date[], %s, %s, %s
    )
"""


def grant(
    *,
    grants: Sequence[Grant],
    source: Source,
    type: PointType = PointType.OTHER,  # noqa: A002 - the field's word (P1)
    rolls: bool = False,
    by: User | None = None,
    note: str = "",
) -> list[Posting | DomainError]:
    """
    Credit many in one round trip, in order. Call it in a transaction, for some hundreds at once.

    The accounts are held in the order of members. A refusal stands in the place of its grant and
    harms none of the others; a repeat answers with the first posting.

    :param rolls: see `earn`
    """
    require_note(note)
    outcomes: dict[int, Posting | DomainError] = {}
    allowed = []
    for place, each in enumerate(grants):
        if refusal := _refusal(each):
            outcomes[place] = _repeat_or(refusal, each, source, note)
        else:
            allowed.append(place)
    if allowed:
        columns = zip(*(_columns(grants[place]) for place in allowed), strict=True)
        members, points, days, ats, references, qualifying, lapses = map(list, columns)
        with connection.cursor() as cursor:
            cursor.execute(
                GRANT,
                (
                    members, points, days, ats, settings.TIME_ZONE, type, source.issuer_id,
                    references, source.store_id, source.client_id, source.version_id,
                    source.funding_id, qualifying, lapses, rolls, by.pk if by else None,
                    note or None,
                ),
            )  # fmt: skip
            for nth, seq, balance in cursor.fetchall():
                outcomes[allowed[nth - 1]] = Posting(seq, balance)
    return [
        outcomes[place] if place in outcomes else _repeat_or(None, each, source, note)
        for place, each in enumerate(grants)
    ]


def _refusal(each: Grant) -> DomainError | None:
    def check() -> None:
        require_in_range(each.points)
        require_reference(each.reference)
        require_last_day(each.expires_on, at=each.at)
        each.member.require_can_earn()

    return refusal_of(check)


def _repeat_or(
    refusal: DomainError | None, each: Grant, source: Source, note: str
) -> Posting | DomainError:
    """What was posted under the reference before, or why it cannot be posted."""
    repeat = Repeat(each.member, EntryKind.EARN, each.points, source, each.reference, note)
    try:
        if first := repeat.earlier():
            return first
        if refusal is None:
            require_not_merged(each.member)
    except DomainError as reused:
        return reused
    assert refusal is not None, "neither new nor a repeat, and yet not merged"
    return refusal


def _columns(each: Grant) -> tuple[object, ...]:
    return (
        each.member.id, each.points, each.expires_on, each.at, each.reference, each.qualifying,
        each.lapses_on,
    )  # fmt: skip
