"""Whole-programme work on the ledger, set by set. Never called by a request."""

import logging
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext_lazy as _

from common import jobs, night_queries
from members.models import Member
from points import operations, queries, verification
from programme import queries as programme

logger = logging.getLogger(__name__)

# A credit recorded this long before a sweep began had been committed by then, so the sweep saw it.
# Imports go on after the night: what they bring may have lapsed years ago and waits for the next.
UNCOMMITTED_FOR = timedelta(hours=1)
VERIFIED_AT_ONCE = 5_000

# Whose clock should have started with their activation, had the event not been late.
WAITING_MEMBERS = """
    SELECT DISTINCT w.member_id FROM (
        SELECT l.member_id, l.seq FROM points_lot AS l WHERE l.expires_on = '9999-12-31'
        UNION
        SELECT p.member_id, p.seq FROM points_pending AS p WHERE p.expires_on = '9999-12-31'
    ) AS w
    JOIN members_member AS m ON m.id = w.member_id
    JOIN points_entry AS e ON e.member_id = w.member_id AND e.seq = w.seq
    JOIN programme_version AS v ON v.id = e.version_id
    WHERE m.activated_at IS NOT NULL AND v.policies ->> 'clock' = 'activation'
        AND v.policies -> 'validity' <> '"never"'
        AND NOT v.policies -> 'validity' ?| ARRAY['cycle_years', 'inactive_months']
"""

# Whose points came back or vested after everything on the account had lapsed: what lapses together
# must not live for ever. Those of pre-registered members wait for their activation.
ENDLESS_MEMBERS = """
    SELECT DISTINCT a.member_id FROM points_account AS a
    JOIN members_member AS m ON m.id = a.member_id
    JOIN points_lot AS l ON l.member_id = a.member_id
    JOIN points_entry AS e ON e.member_id = l.member_id AND e.seq = l.seq
    JOIN programme_version AS v ON v.id = e.version_id
    WHERE a.lapses_on = '9999-12-31' AND l.expires_on = '9999-12-31'
        AND v.policies -> 'validity' ?| ARRAY['cycle_years', 'inactive_months']
        AND (v.policies ->> 'clock' IS DISTINCT FROM 'activation' OR m.activated_at IS NOT NULL)
"""

# By the clock of the programme's zone, as the work itself asks.
OVERDUE_MEMBERS = f"""
    SELECT DISTINCT member_id FROM points_hold
    WHERE until <= %(day)s::timestamp AT TIME ZONE '{settings.TIME_ZONE}'
"""  # noqa: S608 - our own setting

# By their places, past ones too: most members never had one.
SHARING_MEMBERS = """
    SELECT DISTINCT p.member_id FROM members_groupmember AS p
    JOIN points_lot AS l ON l.member_id = p.member_id
    JOIN points_entry AS e ON e.member_id = l.member_id AND e.seq = l.seq
    WHERE e.kind = 'POOL_IN'
"""

VESTING_MEMBERS = "SELECT DISTINCT member_id FROM points_pending WHERE vests_on <= %(day)s"

LAST_DAY_MEMBERS = """
    SELECT member_id FROM points_lot WHERE expires_on <= %(day)s
    UNION
    SELECT member_id FROM points_account WHERE lapses_on <= %(day)s
"""

DUE_MEMBERS = """
    SELECT member_id FROM points_lot WHERE expires_on < %(day)s
    UNION
    SELECT member_id FROM points_account WHERE lapses_on < %(day)s
"""


@jobs.nightly(
    name="points.start_waiting_clocks",
    order=5,
    title=_("Beginning of points' validity"),
    plan=jobs.members_in(f"{WAITING_MEMBERS} UNION {ENDLESS_MEMBERS}"),
    figures={"members": _("Members")},
)
def start_waiting_clocks(*, day: date, low: int, high: int) -> dict[str, int]:
    """
    Begin the validity of points posted while their member was being activated, and of those that
    came to an account after everything on it had lapsed.
    """
    activated = Member.objects.filter(
        pk__in=_found(WAITING_MEMBERS, low, high), activated_at__lt=queries.end_of_day(day)
    )
    postings = [
        operations.start_clock(member_id=member_id, activated_at=activated_at)
        for member_id, activated_at in activated.values_list("pk", "activated_at")
        if activated_at
    ]
    postings += [
        operations.start_account_clock(member_id=member_id, on=day)
        for member_id in _found(ENDLESS_MEMBERS, low, high)
    ]
    return {"members": sum(posting is not None for posting in postings)}


def _found(query: str, low: int, high: int) -> list[int]:
    """Those of a range of members whom a query finds."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT member_id FROM ({query}) AS found WHERE member_id BETWEEN %s AND %s",  # noqa: S608
            (low, high),
        )
        return [member_id for (member_id,) in cursor.fetchall()]


@jobs.nightly(
    name="points.release_overdue_holds",
    order=10,
    title=_("End of holds"),
    plan=jobs.members_in(OVERDUE_MEMBERS),
    figures={"holds": _("Holds"), "members": _("Members"), "points": _("Points")},
)
def release_overdue_holds(*, day: date, low: int, high: int) -> dict[str, int]:
    """Give back what holds set aside whose time was over when the day began."""
    members, holds, points = operations.release_overdue(
        low=low, high=high, at=queries.start_of_day(day)
    )
    return {"holds": holds, "members": members, "points": points}


@jobs.nightly(
    name="points.send_home",
    order=12,
    title=_("Return of shared points"),
    plan=jobs.members_in(SHARING_MEMBERS),
    figures={"members": _("Members"), "points": _("Points")},
)
def send_home(*, day: date, low: int, high: int) -> dict[str, int]:
    """Return what holds that are over had fetched of others' points to whom they are."""
    members, points = operations.send_home(low=low, high=high, at=queries.start_of_day(day))
    return {"members": members, "points": points}


@jobs.nightly(
    name="points.vest_due_points",
    order=15,
    title=_("Vesting of points"),
    plan=jobs.members_in(VESTING_MEMBERS),
    figures={"earns": _("Earns"), "members": _("Members"), "points": _("Points")},
)
def vest_due_points(*, day: date, low: int, high: int) -> dict[str, int]:
    """Make spendable what is due by the day."""
    members, earns, points = operations.vest_due(low=low, high=high, on=day)
    return {"earns": earns, "members": members, "points": points}


def _due_notices(day: date) -> list[operations.Window]:
    """Which last days the rulebook of a day wants announced on it."""
    try:
        return operations.windows(programme.rulebook_on(day).policies.notices, day=day)
    except programme.NoRulebook:
        return []


def _unannounced(day: date) -> Iterator[jobs.Range]:
    found = operations.unannounced_members(_due_notices(day))
    for start in range(0, len(found), settings.NIGHT_CHUNK_MEMBERS):
        chunk = found[start : start + settings.NIGHT_CHUNK_MEMBERS]
        yield chunk[0], chunk[-1]


@jobs.nightly(
    name="points.announce_expiry",
    order=25,
    title=_("Notices of expiry"),
    plan=_unannounced,
    figures={"notices": _("Notices"), "points": _("Points")},
)
def announce_expiry(*, day: date, low: int, high: int) -> dict[str, int]:
    """Tell members which of their points lapse soon, as long before as the rulebook says."""
    notices, points = operations.announce(
        low=low, high=high, due=_due_notices(day), at=queries.start_of_day(day)
    )
    return {"notices": notices, "points": points}


def _on_their_last_day(day: date) -> Iterable[jobs.Range]:
    """Nobody, unless the programme demands: no notice, no expiry."""
    try:
        notices = programme.rulebook_on(day).policies.notices
    except programme.NoRulebook:
        return []
    return jobs.members_in(LAST_DAY_MEMBERS)(day) if notices.required else []


@jobs.nightly(
    name="points.keep_unnoticed_lots",
    order=30,
    title=_("No notice, no expiry"),
    plan=_on_their_last_day,
    figures={"lots": _("Lots"), "members": _("Members"), "points": _("Points")},
)
def keep_unnoticed_lots(*, day: date, low: int, high: int) -> dict[str, int]:
    """Move the last day of lots no notice has announced, where the programme demands one."""
    members, lots, points = operations.keep_unnoticed(
        low=low,
        high=high,
        day=day,
        extension_days=programme.rulebook_on(day).policies.notices.extension_days,
        zone=settings.TIME_ZONE,
    )
    return {"lots": lots, "members": members, "points": points}


@jobs.nightly(
    name="points.expire_due_lots",
    order=40,
    title=_("Expiry of points"),
    plan=jobs.members_in(DUE_MEMBERS),
    figures={"lots": _("Lots"), "members": _("Members"), "points": _("Points")},
)
def expire_due_lots(*, day: date, low: int, high: int) -> dict[str, int]:
    """Write off every lot whose last day is before `day`."""
    members, lots, points = operations.expire(low=low, high=high, on=day)
    return {"members": members, "lots": lots, "points": points}


@jobs.nightly(
    name="points.verify_ledger",
    order=70,
    title=_("Verification of the ledger"),
    plan=lambda _day: verification.ranges(size=VERIFIED_AT_ONCE),
    figures={"members": _("Members"), "differences": _("Differences")},
    upkeep=True,
    alarm="differences",
)
def verify_ledger(*, day: date, low: int, high: int) -> dict[str, Any]:
    """Derive every balance anew and raise the alarm at the first difference."""
    report = verification.Report()
    verification.verify(report=report, low=low, high=high, sweep=_latest_sweep(day))
    findings = [",".join(line) for line in told(report.differences[: jobs.FINDINGS_MAX])]
    if findings:
        logger.critical("verify_ledger found differences: %s", findings)
    return {
        "members": report.members,
        "differences": len(report.differences),
        "findings": findings,
    }


def told(differences: list[verification.Difference]) -> Iterator[tuple[str, str, str]]:
    """Name differences as people can look them up: equation, member's number, entry."""
    ids = {each.member_id for each in differences}
    numbers = dict(Member.objects.filter(pk__in=ids).values_list("pk", "number"))
    for each in differences:
        yield each.equation, numbers[each.member_id], "" if each.seq is None else str(each.seq)


def differences_by_range(
    *, report: verification.Report, day: date, size: int = VERIFIED_AT_ONCE
) -> Iterator[int]:
    """Verify range by range into `report`, yielding how many members were done in each."""
    sweep = _latest_sweep(day)
    for low, high in verification.ranges(size=size):
        yield verification.verify(report=report, low=low, high=high, sweep=sweep)


def _latest_sweep(day: date) -> verification.Sweep | None:
    run = night_queries.latest_finished(expire_due_lots.name, day=day)
    if run is None or run.started_at is None:
        return None
    return verification.Sweep(run.day, run.started_at - UNCOMMITTED_FOR)
