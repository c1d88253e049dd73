"""A programme that rewards more than buying, and members who do it."""

from copy import deepcopy
from datetime import UTC, datetime
from itertools import count

from campaigns import activities
from campaigns.activities import Done, Granted
from campaigns.activity_rulebook import DEFAULT
from members.queries import Identity
from programme import documents, operations, queries
from programme.models import Version
from tests.factories.partners import main_store
from tests.factories.points import NOON, source
from tests.factories.programme import PLAIN

_numbers = count(1)


def named(code: str, **fields) -> dict:
    return {"code": code, "names": {"zh-hans": code}} | fields


def kind(code: str, points: int = 1, **fields) -> dict:
    return named(code, group="interaction", points=str(points)) | fields


def cap(code: str, *of: str, per: str = "year", **fields) -> dict:
    return named(code, of=list(of), per=per) | fields


def document(
    *, valid_from: str = "1900-01-02", policies=None, tiers=None, benefits=None, **section
) -> dict:
    found = deepcopy(documents.parse(PLAIN.read_text()))
    found["valid_from"] = valid_from
    found["policies"] |= policies or {}
    if tiers:
        found["tiers"] = tiers
    if benefits:
        found["benefits"] = benefits
    return found | {"activities": deepcopy(DEFAULT) | section}


def rewarding(**section) -> Version:
    """A published version of `plain` with these activities."""
    main_store()
    version = operations.load(document=document(**section), published_at=datetime.now(UTC)).version
    queries.forget_cached()
    return version


def do(of: Identity, code: str, *, at: datetime = NOON, reference: str = "", store=None) -> Granted:
    """Something done, through the real operation."""
    return activities.post_activity(
        done=Done(
            member=of,
            code=code,
            reference=reference or f"did-{next(_numbers)}",
            at=at,
            source=source(store),
        ),
        now=at,
    )
