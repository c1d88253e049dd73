"""
From a definition to one statement. Its text is made of the fixed pieces below and nothing else;
whatever a definition says is a parameter.

What members did or have is summed up in a subquery of its own and joined: as `IN (…)` under an OR
it would be looked through once for each member as soon as it does not fit into memory.
"""

import json
from calendar import isleap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from campaigns.segments._definitions import GROUP
from points.queries import end_of_day, start_of_day
from programme.policies import days_from, months_from
from tiers import queries as tiers

YEAR = 12
# Who was merged into whom, to the end of the way: what they did counts for whom they are now.
GUESTS = """
up AS (
    SELECT g.member_id, g.into_id FROM points_merge AS g WHERE g.unmerged_at IS NULL
    UNION ALL
    SELECT up.member_id, g.into_id
    FROM up JOIN points_merge AS g ON g.member_id = up.into_id AND g.unmerged_at IS NULL
),
guests AS (
    SELECT up.member_id, up.into_id AS host_id FROM up
    WHERE NOT EXISTS (
        SELECT FROM points_merge AS g WHERE g.member_id = up.into_id AND g.unmerged_at IS NULL
    )
)
"""
# What is left of purchases, each on its own day: returns count against what they give back.
BOUGHT = """
    SELECT coalesce(g.host_id, b.member_id) AS member_id, sum(b.amount) AS amount, sum(b.n) AS n
    FROM (
        SELECT a.member_id, a.amount, 1 AS n FROM points_activity AS a
        WHERE a.kind = 'PURCHASE' AND a.occurred_at >= {since} {among_a}
        UNION ALL
        SELECT o.member_id, -sum(r.amount), CASE WHEN sum(r.amount) >= o.amount THEN -1 ELSE 0 END
        FROM points_activity AS r JOIN points_activity AS o ON o.id = r.original_id
        WHERE r.original_id IS NOT NULL AND o.occurred_at >= {since} {among_o}
        GROUP BY o.id, o.member_id, o.amount
    ) AS b LEFT JOIN guests AS g ON g.member_id = b.member_id
    GROUP BY 1
"""
LATEST_PURCHASE = """
    SELECT coalesce(g.host_id, a.member_id) AS member_id, max(a.occurred_at) AS latest_at
    FROM points_activity AS a LEFT JOIN guests AS g ON g.member_id = a.member_id
    WHERE a.kind = 'PURCHASE' {among_a}
    GROUP BY 1
"""
DID = """
    SELECT coalesce(g.host_id, a.member_id) AS member_id, count(*) AS n
    FROM points_activity AS a LEFT JOIN guests AS g ON g.member_id = a.member_id
    WHERE a.code = {code} AND a.occurred_at >= {since} {among_a}
    GROUP BY 1
"""
EXPIRING = """
    SELECT l.member_id, sum(l.remaining) AS points FROM points_lot AS l
    WHERE l.expires_on BETWEEN {first} AND {last} {among_l}
    GROUP BY 1
"""
TAGGED = """
    SELECT DISTINCT t.member_id FROM members_tagging AS t
    WHERE t.tag_id = ANY (ARRAY(
        SELECT tag.id FROM members_tag AS tag WHERE tag.name = ANY ({names})
    )) {among_t}
"""
AGREEING = """
    SELECT latest.member_id FROM (
        SELECT DISTINCT ON (c.member_id, c.purpose) c.member_id, c.is_given
        FROM members_consent AS c
        WHERE c.purpose = ANY ({purposes}) AND c.partner_id IS NULL {among_c}
        ORDER BY c.member_id, c.purpose, c.at DESC, c.id DESC
    ) AS latest
    WHERE latest.is_given
    GROUP BY 1 HAVING count(*) = {wanted}
"""
LISTED = """
    SELECT k.member_id FROM campaigns_segmentmember AS k WHERE k.segment_id = {segment} {among_k}
"""
# The tables whose rows were the member's own before a merge.
OF_GUESTS = ("a", "o")


@dataclass(slots=True)
class Statement:
    """
    A segment as SQL: what comes before SELECT, what it selects from, and its parameters by name.

    `m` is the member.
    """

    day: date
    # Only members of these ids, both inclusive.
    among: tuple[int, int] | None = None
    where: str = "TRUE"
    params: dict[str, Any] = field(default_factory=dict)
    joins: list[str] = field(default_factory=list)

    def select(self, columns: str, tail: str = "") -> str:
        """`columns` and `tail` are fixed text of the caller's."""
        among = f"AND {self._among('m.id')}" if self.among else ""
        return (
            f"WITH RECURSIVE {GUESTS} SELECT {columns} FROM members_member AS m "  # noqa: S608 - fixed pieces
            f"{' '.join(self.joins)} WHERE m.status <> 'CLOSED' {among} AND ({self.where}) {tail}"
        )

    def param(self, value: Any) -> str:
        name = f"p{len(self.params)}"
        self.params[name] = value
        return f"%({name})s"

    def join(self, query: str, **params: Any) -> str:
        """Join a subquery with `member_id`; return its name."""
        name = f"j{len(self.joins)}"
        pieces = {key: self.param(value) for key, value in params.items()}
        for table in "aoltck":
            pieces[f"among_{table}"] = self._among_of(table)
        self.joins.append(
            f"LEFT JOIN ({query.format(**pieces)}) AS {name} ON {name}.member_id = m.id"
        )
        return name

    def _among_of(self, table: str) -> str:
        """A range does not find its way into a subquery by itself."""
        if not self.among:
            return ""
        own = self._among(f"{table}.member_id")
        if table not in OF_GUESTS:
            return f"AND {own}"
        among = self._among("h.host_id")
        theirs = f"SELECT h.member_id FROM guests AS h WHERE {among}"  # noqa: S608 - fixed pieces
        return f"AND ({own} OR {table}.member_id = ANY (ARRAY({theirs})))"

    def _among(self, column: str) -> str:
        self.params["low"], self.params["high"] = self.among or (0, 0)
        return f"{column} BETWEEN %(low)s AND %(high)s"


def compiled(
    document: Mapping[str, Any], *, day: date, among: tuple[int, int] | None = None
) -> Statement:
    """
    Compile a definition that is valid.

    :param day: today, in the programme's zone: ages and windows end there
    """
    statement = Statement(day, among)
    statement.where = _group(statement, document["members"])
    return statement


def listed(segment_id: int, *, day: date, among: tuple[int, int] | None = None) -> Statement:
    """Those who stand in a kept list."""
    statement = Statement(day, among)
    name = statement.join(LISTED, segment=segment_id)
    statement.where = f"{name}.member_id IS NOT NULL"
    return statement


def _group(to: Statement, group: Mapping[str, Any]) -> str:
    parts = [_one(to, each) for each in group["conditions"]]
    if group["match"] == "all":
        return f"({' AND '.join(parts)})"
    either = f"({' OR '.join(parts)})"
    # What is not known is not so: who has no birthday is not aged 18 to 30.
    return either if group["match"] == "any" else f"({either} IS NOT TRUE)"


def _one(to: Statement, each: Mapping[str, Any]) -> str:
    ((name, value),) = each.items()
    return _group(to, value) if name == GROUP else _CONDITIONS[name](to, value)


# --- Conditions -----------------------------------------------------------------------------------


def _between(to: Statement, expression: str, value: Mapping[str, Any], cast: str) -> str:
    parts = []
    if "at_least" in value:
        parts.append(f"{expression} >= {to.param(value['at_least'])}::{cast}")
    if "at_most" in value:
        parts.append(f"{expression} <= {to.param(value['at_most'])}::{cast}")
    return f"({' AND '.join(parts)})" if parts else f"({expression} IS NOT NULL)"


def _first_moment(to: Statement, value: Mapping[str, Any]) -> Any:
    """When a window of the latest so many days begins; today is the last of them."""
    if "days" not in value:
        return "-infinity"
    return start_of_day(days_from(to.day, 1 - value["days"]))


def _column(name: str) -> Callable[[Statement, Any], str]:
    return lambda to, value: f"m.{name} = ANY ({to.param(value)})"


def _tags(to: Statement, value: list[str]) -> str:
    return f"({to.join(TAGGED, names=value)}.member_id IS NOT NULL)"


def _tiers(to: Statement, value: list[str]) -> str:
    """By the standing. Who has none, or one that the ladder has no more, is at its base."""
    rungs = tiers.ladder_on(to.day)
    name = f"j{len(to.joins)}"
    to.joins.append(f"LEFT JOIN tiers_standing AS {name} ON {name}.member_id = m.id")
    level = f"{name}.level = ANY ({to.param(value)})"
    if not rungs or rungs.base.code not in value:
        return f"({level})"
    known = to.param([each.code for each in rungs.levels])
    return f"({level} OR {name}.level IS NULL OR NOT {name}.level = ANY ({known}))"


def _points(to: Statement, value: Mapping[str, Any]) -> str:
    name = f"j{len(to.joins)}"
    to.joins.append(f"LEFT JOIN points_account AS {name} ON {name}.member_id = m.id")
    return _between(to, f"coalesce({name}.balance, 0)", value, "bigint")


def _expiring(to: Statement, value: Mapping[str, Any]) -> str:
    last = days_from(to.day, value["days"] - 1)
    name = to.join(EXPIRING, first=to.day, last=last)
    return f"({name}.points >= {to.param(value.get('at_least', 1))})"


def _spend(to: Statement, value: Mapping[str, Any]) -> str:
    name = to.join(BOUGHT, since=_first_moment(to, value))
    return _between(to, f"coalesce({name}.amount, 0)", value, "numeric")


def _purchases(to: Statement, value: Mapping[str, Any]) -> str:
    name = to.join(BOUGHT, since=_first_moment(to, value))
    return _between(to, f"coalesce({name}.n, 0)", value, "bigint")


def _latest_purchase(to: Statement, value: Mapping[str, Any]) -> str:
    name = to.join(LATEST_PURCHASE)
    parts = []
    if "within" in value:
        since = start_of_day(days_from(to.day, 1 - value["within"]))
        parts.append(f"{name}.latest_at >= {to.param(since)}")
    if "before" in value:
        until = start_of_day(days_from(to.day, 1 - value["before"]))
        parts.append(f"{name}.latest_at < {to.param(until)}")
    return f"({' AND '.join(parts)})"


def _activity(to: Statement, value: Mapping[str, Any]) -> str:
    name = to.join(DID, code=value["kind"], since=_first_moment(to, value))
    return f"({name}.n >= {to.param(value.get('times', 1))})"


def _age(to: Statement, value: Mapping[str, Any]) -> str:
    parts = []
    if "at_least" in value:
        parts.append(f"m.birthday <= {to.param(born_by(to.day, value['at_least']))}")
    if "at_most" in value:
        parts.append(f"m.birthday > {to.param(born_by(to.day, value['at_most'] + 1))}")
    return f"({' AND '.join(parts)})"


def born_by(day: date, age: int) -> date:
    """
    The last birthday of those who are so old on a day. Who was born on 29 February is a year older
    on the 28th of common years.
    """
    born = months_from(day, -YEAR * age)
    is_eve = (day.month, day.day) == (2, 28) and not isleap(day.year)
    return born.replace(day=29) if is_eve and isleap(born.year) else born


def _birthday_months(to: Statement, value: list[int]) -> str:
    return f"(extract(month FROM m.birthday)::integer = ANY ({to.param(value)}))"


def _joined(to: Statement, value: Mapping[str, Any]) -> str:
    parts = []
    if "from" in value:
        first = start_of_day(date.fromisoformat(value["from"]))
        parts.append(f"m.joined_at >= {to.param(first)}")
    if "until" in value:
        end = end_of_day(date.fromisoformat(value["until"]))
        parts.append(f"m.joined_at < {to.param(end)}")
    if "days" in value:
        parts.append(f"m.joined_at >= {to.param(_first_moment(to, value))}")
    return f"({' AND '.join(parts)})"


def _stores(to: Statement, value: list[str]) -> str:
    return (
        "(m.enrolling_store_id = ANY (ARRAY("  # noqa: S608 - fixed pieces
        f"SELECT s.id FROM partners_store AS s WHERE s.code = ANY ({to.param(value)}))))"
    )


def _dealers(to: Statement, value: list[str]) -> str:
    return (
        "(m.enrolling_store_id = ANY (ARRAY(SELECT s.id FROM partners_store AS s "  # noqa: S608
        "JOIN partners_organization AS o ON o.id = s.organization_id "
        f"WHERE o.code = ANY ({to.param(value)}))))"
    )


def _attributes(to: Statement, value: list[str]) -> str:
    """“code:option”; whether one or several can be chosen of it, or yes and no, any may fit."""
    parts = []
    for each in value:
        code, _colon, option = each.partition(":")
        shapes: list[Any] = [option, [option]]
        if option in ("yes", "no"):
            shapes.append(option == "yes")
        parts += [
            f"m.attributes @> {to.param(json.dumps({code: shape}))}::jsonb" for shape in shapes
        ]
    return f"({' OR '.join(parts)})"


def _attribute_number(to: Statement, value: Mapping[str, Any]) -> str:
    code = to.param(value["of"])
    number = (
        f"CASE WHEN jsonb_typeof(m.attributes -> {code}::text) = 'number' "
        f"THEN (m.attributes ->> {code}::text)::numeric END"
    )
    return _between(to, number, value, "numeric")


def _attribute_day(to: Statement, value: Mapping[str, Any]) -> str:
    # ISO days are in the order of their texts.
    day = f'(m.attributes ->> {to.param(value["of"])}::text) COLLATE "C"'
    parts = []
    if "from" in value:
        parts.append(f"{day} >= {to.param(value['from'])}")
    if "until" in value:
        parts.append(f"{day} <= {to.param(value['until'])}")
    return f"({' AND '.join(parts)})"


def _attribute_text(to: Statement, value: Mapping[str, Any]) -> str:
    return f"(m.attributes ->> {to.param(value['of'])}::text = ANY ({to.param(value['is'])}))"


def _consents(to: Statement, value: list[str]) -> str:
    name = to.join(AGREEING, purposes=value, wanted=len(value))
    return f"({name}.member_id IS NOT NULL)"


_CONDITIONS: dict[str, Callable[[Statement, Any], str]] = {
    "tags": _tags,
    "tiers": _tiers,
    "points": _points,
    "expiring": _expiring,
    "spend": _spend,
    "purchases": _purchases,
    "latest_purchase": _latest_purchase,
    "activity": _activity,
    "sex": _column("sex"),
    "age": _age,
    "birthday_months": _birthday_months,
    "provinces": _column("province"),
    "cities": _column("city"),
    "status": _column("status"),
    "joined": _joined,
    "dealers": _dealers,
    "stores": _stores,
    "attributes": _attributes,
    "attribute_number": _attribute_number,
    "attribute_day": _attribute_day,
    "attribute_text": _attribute_text,
    "consents": _consents,
}
