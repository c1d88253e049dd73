"""
The common case of the night in one statement: who has met the rule for keeping a tier stays.

It decides as `tiers.judging` does, whose way through Python costs some fifty times as much for each
member. What is not as simple is left for it: days of grace, a tier by hand, several periods at
once, a new version since the period's end, merged members, and rules that ask for products or
anniversaries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

from common import events
from programme.queries import Rulebook
from tiers import criteria
from tiers.criteria import ANNIVERSARY, CALENDAR_YEAR, SINCE_CHANGE, Criterion, Measure, Window
from tiers.criteria import Threshold as Leaf
from tiers.ladders import Ladder, Level, Validity

# Held in a statement of its own: sums are read after nobody can add to them any more.
HOLD = """
    SELECT member_id FROM tiers_standing
    WHERE member_id BETWEEN %(low)s AND %(high)s AND review_on <= %(day)s
    ORDER BY member_id FOR NO KEY UPDATE
"""

# Each step hands on all it knows: joined again by the member, the planner, who expects one row of
# each, would compare everybody with everybody.
KEEP = """
    WITH due AS MATERIALIZED (
        SELECT s.member_id, s.level, s.valid_until AS ended, {ends} AS ends, {firsts}
        FROM tiers_standing AS s
        WHERE s.member_id BETWEEN %(low)s AND %(high)s AND s.review_on <= %(day)s
            AND s.review_on = s.valid_until + 1 AND s.review_on >= %(version_from)s
            AND s.judged_on <= %(day)s AND s.since IS NOT NULL AND s.manual = ''
            AND s.guests = '{{}}'
            AND s.earned = %(level)s AND {ends} >= %(day)s
    ), judged AS MATERIALIZED (
        SELECT due.*, gathered.*
        FROM due CROSS JOIN LATERAL (
            SELECT {totals} FROM tiers_gathered AS g
            WHERE g.member_id = due.member_id AND g.day BETWEEN {first} AND due.ended
        ) AS gathered
    ), kept AS (
        UPDATE tiers_standing AS s SET
            period_from = judged.ended + 1, valid_until = judged.ends,
            review_on = judged.ends + 1, judged_on = %(day)s
        FROM judged WHERE s.member_id = judged.member_id AND {met}
        RETURNING judged.*
    )
    INSERT INTO tiers_decision (
        member_id, kind, from_level, to_level, earned, valid_until, effective_on, decided_at,
        version_id, granted, evidence, reason
    )
    SELECT
        member_id, 'KEEP', level, level, %(level)s, ends, ended + 1, %(at)s, %(version)s, false,
        {evidence}, ''
    FROM kept AS judged ORDER BY member_id
"""
# Half a million answers cost more than what they tell of.
TOLD = " RETURNING id, member_id, to_level, effective_on"


def keep(
    *, low: int, high: int, day: date, at: datetime, ladder: Ladder, rulebook: Rulebook
) -> int:
    """
    Hold the standings of members low … high that are due, and let those stay who have earned it.

    :returns: how many
    """
    asked: dict[str, Any] = {
        "low": low,
        "high": high,
        "day": day,
        "at": at,
        "version": ladder.version_id,
        "version_from": rulebook.valid_from,
    }
    kept = 0
    is_heard = events.is_heard("tier.retained")
    with connection.cursor() as cursor:
        cursor.execute(HOLD, asked)
        if cursor.rowcount == 0:
            return 0
        for level in ladder.levels:
            if (statement := statement_for(level)) is None:
                continue
            cursor.execute(statement + TOLD * is_heard, asked | {"level": level.code})
            kept += cursor.rowcount
            if is_heard:
                _tell(cursor.fetchall())
    return kept


def _tell(decisions: Sequence[tuple[int, int, str, date]]) -> None:
    events.publish(
        "tier.retained",
        *(
            {
                "member_id": member_id,
                "decision_id": decision_id,
                "from": code,
                "to": code,
                "on": on.isoformat(),
            }
            for decision_id, member_id, code, on in decisions
        ),
    )


def statement_for(level: Level) -> str | None:
    """None where the rule asks for more than sums of days."""
    if level.keep is None or level.validity is None:
        return None
    asked = list(dict.fromkeys(criteria.thresholds(level.keep)))
    if any(each.measure == Measure.PRODUCTS for each in asked):
        return None
    if any(each.window.kind == ANNIVERSARY for each in asked):
        return None
    windows = list(dict.fromkeys(each.window for each in asked))
    columns = _Columns(
        firsts={window: f"first_{nth}" for nth, window in enumerate(windows)},
        totals={(each.measure, each.window): f"total_{nth}" for nth, each in enumerate(asked)},
    )
    return KEEP.format(
        ends=_ends(level.validity),
        firsts=", ".join(f"{_first(w)} AS {name}" for w, name in columns.firsts.items()),
        first="least(" + ", ".join(f"due.{name}" for name in columns.firsts.values()) + ")",
        totals=", ".join(
            f"coalesce(sum(g.{measure.value}) FILTER (WHERE g.day >= due.{columns.firsts[window]})"
            f", 0) AS {name}"
            for (measure, window), name in columns.totals.items()
        ),
        met=columns.met(level.keep),
        evidence=columns.evidence(level.keep),
    )


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the statement calls each window's first day, and each total."""

    firsts: dict[Window, str]
    totals: dict[tuple[Measure, Window], str]

    def met(self, criterion: Criterion) -> str:
        if isinstance(criterion, Leaf):
            total = self.totals[criterion.measure, criterion.window]
            return f"judged.{total} >= {criteria.plain(criterion.at_least)}"
        count = " + ".join(f"({self.met(each)})::integer" for each in criterion.of)
        return f"({count} >= {criterion.needed})"

    def evidence(self, criterion: Criterion) -> str:
        """As `tiers.criteria.told`."""
        if isinstance(criterion, Leaf):
            return self._told(criterion)
        of = ", ".join(self.evidence(each) for each in criterion.of)
        some = f"'some', {criterion.needed}, " if criterion.word == "some" else ""
        return (
            f"jsonb_build_object('of', jsonb_build_array({of}), 'word', '{criterion.word}', {some}"
            f"'met', {self.met(criterion)})"
        )

    def _told(self, leaf: Leaf) -> str:
        total = self.totals[leaf.measure, leaf.window]
        first = self.firsts[leaf.window]
        return (
            f"jsonb_build_object('measure', '{leaf.measure.value}',"
            f" 'at_least', '{criteria.plain(leaf.at_least)}',"
            f" 'total', trim_scale(judged.{total}::numeric)::text, 'met', {self.met(leaf)},"
            f" 'from', CASE WHEN isfinite(judged.{first}) THEN judged.{first}::text END,"
            f" 'until', judged.ended::text)"
        )


def _ends(validity: Validity) -> str:
    """As `programme.policies.months_from`."""
    moved = f"s.valid_until + interval '{validity.months} months'"
    if validity.until == "day":
        return f"({moved})::date"
    part = validity.until.removesuffix("_end")
    length = {"month": "1 month", "quarter": "3 months", "year": "1 year"}[part]
    return f"(date_trunc('{part}', {moved}) + interval '{length}' - interval '1 day')::date"


def _first(window: Window) -> str:
    """As `Window.first_day` on the period's last day."""
    if window.kind == SINCE_CHANGE:
        return "coalesce(s.period_from, '-infinity'::date)"
    if window.kind == CALENDAR_YEAR:
        return "date_trunc('year', s.valid_until)::date"
    return f"(s.valid_until - interval '{window.months} months')::date + 1"
