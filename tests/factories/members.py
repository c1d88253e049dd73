from datetime import UTC, datetime
from itertools import count

from members import operations, queries
from members.models import Member
from members.queries import Identity

_numbers = count(1)
JOINED = datetime(2020, 1, 1, tzinfo=UTC)


def member(*, active: bool = True, joined_at: datetime = JOINED, store=None, **profile) -> Member:
    """An active member with a phone of their own."""
    n = next(_numbers)
    profile = {"name": f"会员{n}", "phone": f"+86138{n:08d}"} | profile
    return operations.enroll(
        profile=operations.Profile(**profile),
        joined_at=joined_at,
        active=active,
        store_id=store.pk if store else None,
    )


def identity(of: Member | None = None, **fields) -> Identity:
    """What operations take for a member; a new one unless given."""
    return queries.identify((of or member(**fields)).number)
