"""Questions about campaigns: which there are, how they stand, what came of one (C1)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, models
from django.db.models import Exists, F, Min, OuterRef, Subquery, Sum, Window
from django.utils.translation import gettext_lazy as _

from campaigns.models import BudgetPurse, Campaign, CampaignKind, Evaluation
from common.localized import localized
from points.models import WITH_PURSE
from points.queries import start_of_day
from programme.models import Draft, DraftState, Programme, Version


class State(models.TextChoices):
    """Derived, never stored, but for the evaluation."""

    PLANNED = "planned", _("Planned")
    APPROVED = "approved", _("Approved, not begun")
    RUNNING = "running", _("Running")
    ENDED = "ended", _("Over")
    EVALUATED = "evaluated", _("Evaluated")


@dataclass(frozen=True, slots=True)
class Run:
    """
    A campaign as its newest version says it, or a draft.

    `last_day` is the day before a later version that leaves it out, if that is sooner.
    """

    code: str
    names: Mapping[str, str]
    kind: str
    first_day: date
    last_day: date
    state: State
    goal: Mapping[str, str] = field(default_factory=dict)
    of: Sequence[str] = ()
    # The budget: in points; also in money, if it was given so.
    points: int | None = None
    money: Decimal | None = None
    expected: Mapping[str, Any] = field(default_factory=dict)
    version: Version | None = None
    draft_id: int | None = None
    was_stopped: bool = False

    @property
    def name(self) -> str:
        return localized(self.names)

    @property
    def kind_name(self) -> str:
        return str(CampaignKind(self.kind).label)

    @property
    def days(self) -> int:
        return (self.last_day - self.first_day).days + 1


def runs(*, on: date, code: str | None = None) -> list[Run]:
    """All campaigns, or the one of a code, the first to begin first: in two queries."""
    found = published(on=on, code=code)
    if code is not None and found:
        return found
    known = {run.code for run in found}
    planned = [run for run in _drafted(code) if run.code not in known]
    return sorted([*found, *planned], key=lambda run: (run.first_day, run.last_day, run.code))


def published(*, on: date, code: str | None = None) -> list[Run]:
    """What the versions say, each campaign as the newest that names it does."""
    plans = Campaign.objects.filter(version__published_at__isnull=False)
    if code is not None:
        plans = plans.filter(code=code)
    later = Version.objects.exclude(published_at=None).order_by("valid_from")
    newest = (
        plans.annotate(
            since=Window(Min("version__valid_from"), partition_by=[F("code")]),
            followed_on=Subquery(
                later.filter(valid_from__gt=OuterRef("version__valid_from")).values("valid_from")[
                    :1
                ]
            ),
            is_evaluated=Exists(Evaluation.objects.filter(campaign=OuterRef("code"))),
        )
        .select_related("version")
        .order_by("code", "-version__valid_from")
        .distinct("code")
    )
    return [found for plan in newest if (found := _run(plan, on=on))]


def _run(plan: Any, *, on: date) -> Run | None:
    """None: it was called off before it began."""
    first_day = max(plan.first_day, plan.since)
    # The version that follows the newest one to name it leaves it out.
    was_stopped = plan.followed_on is not None and plan.followed_on <= plan.last_day
    last_day = plan.followed_on - timedelta(days=1) if was_stopped else plan.last_day
    if last_day < first_day:
        return None
    return Run(
        code=plan.code,
        names=plan.names,
        kind=plan.kind,
        first_day=first_day,
        last_day=last_day,
        state=_state(first_day, last_day, on=on, is_evaluated=plan.is_evaluated),
        goal=plan.goal,
        of=plan.of,
        points=plan.points,
        money=plan.money,
        expected=plan.expected,
        version=plan.version,
        was_stopped=was_stopped,
    )


def _state(first_day: date, last_day: date, *, on: date, is_evaluated: bool) -> State:
    if on < first_day:
        return State.APPROVED
    if on <= last_day:
        return State.RUNNING
    return State.EVALUATED if is_evaluated else State.ENDED


def _drafted(code: str | None) -> list[Run]:
    drafts = Draft.objects.filter(state=DraftState.OPEN).order_by("pk")
    documents = drafts.values_list("pk", "document__campaigns__plans")
    found: dict[str, Run] = {}
    for draft_id, plans in documents:
        for plan in plans or ():
            if code in (None, plan["code"]):
                found.setdefault(plan["code"], _planned(plan, draft_id))
    return list(found.values())


def _planned(plan: Mapping[str, Any], draft_id: int) -> Run:
    budget = plan.get("budget", {})
    return Run(
        code=plan["code"],
        names=plan["names"],
        kind=plan["kind"],
        first_day=date.fromisoformat(plan["from"]),
        last_day=date.fromisoformat(plan["until"]),
        state=State.PLANNED,
        goal=plan.get("goal", {}),
        of=plan["of"],
        points=budget.get("points"),
        money=Decimal(budget["money"]) if "money" in budget else None,
        expected=plan.get("expected", {}),
        draft_id=draft_id,
    )


def run(code: str, *, on: date) -> Run | None:
    """One campaign. Of one in money that is only drafted, `points` is what it would buy today."""
    found = next(iter(runs(on=on, code=code)), None)
    if found and found.money is not None and found.points is None:
        worth = Programme.objects.values_list("points_per_currency_unit", flat=True).get()
        return replace(found, points=int(found.money * worth))
    return found


def evaluations(code: str) -> models.QuerySet[Evaluation]:
    """What was written of a campaign, latest first."""
    written = Evaluation.objects.filter(campaign=code).select_related("written_by")
    return written.order_by("-pk")


def spent(codes: Iterable[str]) -> dict[str, int]:
    """What the purses of campaigns have paid, in one query."""
    purses = BudgetPurse.objects.filter(code__in=list(codes))
    left = purses.annotate(spent=F("points") - Sum("slices__remaining"))
    return dict(left.values_list("code", "spent"))


# --- What belongs to it ---------------------------------------------------------------------------

PARTS = """
    SELECT 'rule', code, names, jsonb_build_object('points', points, 'per_amount', per_amount)
    FROM campaigns_earningrule WHERE version_id = %(version)s AND code = ANY (%(codes)s)
    UNION ALL
    SELECT 'boost', code, names, gives
    FROM campaigns_boost WHERE version_id = %(version)s AND code = ANY (%(codes)s)
    UNION ALL
    SELECT 'kind', code, names, jsonb_build_object('points', points)
    FROM campaigns_activityrule WHERE version_id = %(version)s AND code = ANY (%(codes)s)
    UNION ALL
    SELECT 'task', code, names, jsonb_build_object('points', points, 'when', "when")
    FROM campaigns_task WHERE version_id = %(version)s AND code = ANY (%(codes)s)
    UNION ALL
    SELECT 'gift', code, names,
        jsonb_build_object('points', points, 'per_amount', per_amount, 'when', "when")
    FROM campaigns_gift WHERE version_id = %(version)s AND code = ANY (%(codes)s)
"""


@dataclass(frozen=True, slots=True)
class Part:
    """Something that belongs to a campaign. `what`: rule, boost, kind, task or gift."""

    what: str
    code: str
    names: Mapping[str, str]
    # As in the programme file, of its terms.
    terms: Mapping[str, Any]


def parts(run: Run) -> list[Part]:
    """What belongs to a campaign, in one query; of one that is only drafted, from the draft."""
    if run.version is None:
        assert run.draft_id is not None, "a campaign is of a version or of a draft"
        document = Draft.objects.values_list("document", flat=True).get(pk=run.draft_id)
        return [*_parts_of(document, run.of)]
    with connection.cursor() as cursor:
        cursor.execute(PARTS, {"version": run.version.pk, "codes": list(run.of)})
        return [Part(what, code, _json(names), _json(terms)) for what, code, names, terms in cursor]


def _json(value: Any) -> Any:
    # Django leaves the JSON of a cursor as text.
    return json.loads(value)


def _parts_of(document: Mapping[str, Any], codes: Sequence[str]) -> Iterable[Part]:
    earning, done = document["earning"], document.get("activities", {})
    places = [
        ("rule", earning["rules"]),
        ("boost", earning.get("boosts", ())),
        ("kind", done.get("kinds", ())),
        ("task", done.get("tasks", ())),
        ("gift", done.get("gifts", ())),
    ]
    for what, entries in places:
        for each in entries:
            if each["code"] in codes:
                yield Part(what, each["code"], each["names"], each.get("gives", each))


# --- What came of it ------------------------------------------------------------------------------

# A return tells in its explanation what the campaign still gives for what was kept.
FIGURES = f"""
    WITH done AS (
        SELECT
            a.member_id, (a.occurred_at AT TIME ZONE %(zone)s)::date AS day,
            a.kind = 'PURCHASE' AS bought,
            CASE WHEN back.returns > 0 THEN coalesce(back.points, 0)
                ELSE (a.explanation -> 'campaigns' ->> %(code)s)::bigint END AS points,
            a.amount - coalesce(back.amount, 0) AS spend
        FROM points_activity AS a
        LEFT JOIN LATERAL (
            SELECT count(*) AS returns, sum(r.amount) AS amount, (
                array_agg((r.explanation -> 'campaigns' ->> %(code)s)::bigint ORDER BY r.id DESC)
            )[1] AS points
            FROM points_activity AS r WHERE r.original_id = a.id
        ) AS back ON a.kind = 'PURCHASE'
        WHERE a.{WITH_PURSE}
            AND a.occurred_at >= %(since)s AND a.occurred_at < %(until)s
            AND a.kind <> 'RETURN' AND a.explanation -> 'campaigns' ? %(code)s
        UNION ALL
        -- A gift of the year's end comes in the first moment of the next day.
        SELECT e.member_id,
            least((e.effective_at AT TIME ZONE %(zone)s)::date, %(last_day)s), false, e.points, 0
        FROM unnest(%(gifts)s::text[]) AS g (code)
        JOIN points_entry AS e ON e.reference >= 'gift:' || g.code || ':'
            AND e.reference < 'gift:' || g.code || ';' AND e.kind = 'EARN'
        WHERE e.effective_at >= %(since)s AND e.effective_at <= %(until)s
    )
    SELECT
        day, count(DISTINCT member_id), count(*) FILTER (WHERE bought),
        coalesce(sum(points), 0)::bigint, coalesce(sum(spend) FILTER (WHERE bought), 0)
    FROM done GROUP BY GROUPING SETS ((day), ()) ORDER BY day NULLS FIRST
"""  # noqa: S608 - our own condition


@dataclass(frozen=True, slots=True)
class Figures:
    """
    What a campaign did in some days: less what was returned since.

    `spend` is what was paid in the purchases that it gave points for.
    """

    members: int
    purchases: int
    points: int
    spend: Decimal


@dataclass(frozen=True, slots=True)
class Outcome:
    total: Figures
    # Only days on which something happened.
    by_day: Mapping[date, Figures]


def outcome(run: Run, parts: Sequence[Part]) -> Outcome:
    """What came of a campaign, in one query, by the index of what campaigns gave."""
    with connection.cursor() as cursor:
        cursor.execute(
            FIGURES,
            {
                "code": run.code,
                "gifts": [part.code for part in parts if part.what == "gift"],
                "since": start_of_day(run.first_day),
                "until": start_of_day(run.last_day + timedelta(days=1)),
                "last_day": run.last_day,
                "zone": settings.TIME_ZONE,
            },
        )
        (_day, *total), *days = cursor.fetchall()
    return Outcome(Figures(*total), {day: Figures(*of_day) for day, *of_day in days})
