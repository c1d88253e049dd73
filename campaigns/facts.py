"""
What the rules of a version ask about a purchase, besides what the till tells: looked up in one
query, however many purchases there are, and in none where the rules ask nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import msgspec
from django.db import connection

from campaigns.earning import NO_CATEGORY, Earning, Facts, Line, birthday_on
from common.postgres.calls import first_row
from programme.policies import Validity
from tiers import queries as tiers

# What the member did before. Whoever judges by it holds the account, so that of two purchases at
# the same moment only one is the first.
OF_HISTORY = frozenset({"first_purchase", "bought_before"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A purchase as far as facts are looked up for it. `member_id`: None if nobody knows whose."""

    member_id: int | None
    store_id: int | None
    day: date
    lines: Sequence[Line]
    channel: str = ""


# What answers each need, for one row of `asked`. Each goes to an index.
_EXPRESSIONS = {
    "tier": f"({tiers.LEVEL_ON % ('asked.member', 'asked.day')})",
    "birthday": "(SELECT m.birthday FROM members_member AS m WHERE m.id = asked.member)",
    "first_purchase": """asked.member IS NOT NULL AND NOT EXISTS (
        SELECT FROM points_activity AS a
        WHERE a.member_id = ANY (points_guests(asked.member)) AND a.kind = 'PURCHASE'
    )""",
    "bought_before": """ARRAY(
        SELECT DISTINCT l.line ->> 'category' FROM points_activity AS a,
            jsonb_array_elements(a.lines) AS l (line)
        WHERE a.member_id = ANY (points_guests(asked.member)) AND a.kind = 'PURCHASE'
            AND l.line ->> 'category' = ANY (asked.categories)
    )""",
    "store": "(SELECT s.code FROM partners_store AS s WHERE s.id = asked.store)",
    "dealer": """(
        SELECT o.code FROM partners_store AS s
        JOIN partners_organization AS o ON o.id = s.organization_id WHERE s.id = asked.store
    )""",
}


def facts_of_many(asked: Sequence[Asked], *, rules: Earning, validity: Validity) -> list[Facts]:
    """Look up what these rules ask about purchases, or how long their points live, in one query."""
    needs = rules.needs | {"tier"} if validity.asks_tier else rules.needs
    names = tuple(name for name in _EXPRESSIONS if name in needs)
    if not names:
        return [Facts(day=each.day, channel=each.channel) for each in asked]
    return [
        _facts(each, dict(zip(names, row, strict=True)))
        for each, row in zip(asked, _rows(_looking_up(names), asked), strict=True)
    ]


@cache
def _looking_up(names: tuple[str, ...]) -> str:
    expressions = ", ".join(_EXPRESSIONS[name] for name in names)
    asked = "nth integer, member bigint, store bigint, day date, categories text[]"
    return (
        f"SELECT {expressions} FROM jsonb_to_recordset(%s) AS asked ({asked})"  # noqa: S608 - ours
        " ORDER BY asked.nth"
    )


def _rows(statement: str, asked: Sequence[Asked]) -> list[tuple[Any, ...]]:
    documents = [
        {
            "nth": nth,
            "member": each.member_id,
            "store": each.store_id,
            "day": each.day,
            "categories": sorted({line.category for line in each.lines} - {NO_CATEGORY}),
        }
        for nth, each in enumerate(asked)
    ]
    arguments = (msgspec.json.encode(documents).decode(),)
    if len(asked) == 1:
        row = first_row(statement, arguments)
        assert row is not None, "one was asked about"
        return [row]
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return cursor.fetchall()


def _facts(asked: Asked, found: dict[str, Any]) -> Facts:
    return Facts(
        day=asked.day,
        tier=_tier(found["tier"], asked.day) if "tier" in found else None,
        birthday=birthday_on(found.get("birthday"), asked.day),
        first_purchase=found.get("first_purchase", False),
        bought_before=frozenset(found.get("bought_before", ())),
        store=found.get("store") or "",
        dealer=found.get("dealer") or "",
        channel=asked.channel,
    )


def _tier(code: str | None, day: date) -> str | None:
    """What a member's last decision means on the ladder of a day: `tiers.queries.level_code_on`."""
    ladder = tiers.ladder_on(day)
    return ladder.level(code).code if ladder else None
