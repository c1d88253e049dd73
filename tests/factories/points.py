from datetime import UTC, date, datetime
from itertools import count

from members.queries import Identity
from points import operations
from points.operations import Posting, Source
from tests.factories.partners import main_store

_numbers = count(1)
NOON = datetime(2026, 6, 15, 4, tzinfo=UTC)  # noon in Shanghai


def source(store=None, **fields) -> Source:
    store = store or main_store()
    return Source(issuer_id=store.organization_id, store_id=store.pk, **fields)


def lot(
    of: Identity,
    points: int,
    *,
    expires_on: date = date(2027, 6, 30),
    at: datetime = NOON,
    reference: str | None = None,
) -> Posting:
    """An earn, and so a lot, of this many points."""
    return operations.earn(
        member=of,
        points=points,
        at=at,
        expires_on=expires_on,
        reference=reference or f"lot-{next(_numbers)}",
        source=source(),
    )
