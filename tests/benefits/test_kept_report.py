"""
The report of what was promised and kept, beside the same question asked otherwise: right by right
in Python, from the tables alone, over random lives of rights (B2).
"""

from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pytest
from django.db import connection

from benefits import operations
from benefits.models import Failure, Right
from benefits.nightly.rights import lapse_rights
from benefits.queries.kept import kept
from tests.benefits.plan import STORE_SAYS, night, noon, on, publish, service, someone
from tests.factories import dealer, staff, store

pytestmark = pytest.mark.django_db

FIRST, LAST = date(2026, 7, 1), date(2026, 8, 31)


def rows(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def told_otherwise(first, last):
    """(by, of) → what `Kept` tells, counted one right after the other."""
    rights = {each["id"]: each for each in rows("SELECT * FROM benefits_right")}
    dealers = {each["id"]: each["name"] for each in rows("SELECT * FROM partners_organization")}
    at = {
        each["id"]: dealers[each["organization_id"]]
        for each in rows("SELECT * FROM partners_store")
    }
    stars = {each["right_id"]: each["stars"] for each in rows("SELECT * FROM benefits_rating")}
    instead = {each["compensates_id"]: each for each in rights.values() if each["compensates_id"]}
    found = defaultdict(Counter)
    for pk, right in rights.items():
        if right["compensates_id"] or right["ended"] in ("UNDONE", "MERGED"):
            continue
        if not first <= right["granted_on"] <= last:
            continue
        for part in (
            ("all", ""),
            ("tier", right["level"]),
            ("benefit", right["benefit"]),
            ("dealer", at.get(right["store_id"], "")),
        ):
            tell(found[part], right, instead.get(pk), stars.get(pk))
    return found


def tell(sums, right, instead, stars):
    sums["promised"] += 1
    match right["state"]:
        case "DELIVERED" | "RATED":
            sums["delivered"] += 1
            sums["cost"] += right["cost"]
        case "GRANTED" | "BOOKED":
            sums["open"] += 1
        case "FAILED" | "COMPENSATED":
            sums["failed"] += 1
            sums["made_up_for"] += right["state"] == "COMPENSATED"
        case state:
            sums[state.lower()] += 1
    sums["failures_points"] += right["compensated_points"] or 0
    if instead and instead["state"] in ("DELIVERED", "RATED"):
        sums["failures_cost"] += instead["cost"]
    if stars:
        sums["stars"] += stars
        sums["stars_given"] += 1


def live(random, members, at_stores):
    """Two months of members at stores, as chance has it."""
    by = [operations.Who(by=staff(), store_id=each.pk) for each in at_stores]
    day = FIRST
    while day <= LAST:
        if day.day == 1:
            night(day.isoformat())
        one, who = random.choice(members), random.choice(by)
        held = Right.objects.filter(member=one.id, state="GRANTED", last_on__gte=day)
        right = held.order_by("pk").first()
        if right:
            meet(random, one, right, who, noon(day))
        day += timedelta(days=1)
    lapse_rights(day=date(2026, 8, 15))


def meet(random, one, right, who, at):
    fate = random.random()
    if fate < 0.35:
        operations.fail(right_id=right.pk, reason=Failure.LATE, note="", at=at, who=who)
        if fate < 0.15:
            operations.compensate_by_points(
                right_id=right.pk, points_given=random.randint(1, 500), note="", at=at, who=who
            )
        elif fate < 0.3:
            operations.compensate_by_right(
                right_id=right.pk, benefit="tea", days=90, note="", at=at, who=who
            )
        return
    handed = operations.deliver(member=one, benefit=right.benefit, shown=STORE_SAYS, at=at, who=who)
    if fate < 0.6:
        operations.rate(
            right_id=handed.pk, member_id=one.id, stars=random.randint(1, 5), words="", at=at
        )
    elif fate < 0.7:
        operations.undo(right_id=handed.pk, at=at, who=who)


@pytest.mark.parametrize("seed", range(3))
def test_tells_what_the_tables_say_right_by_right(seed):
    random = Random(seed)
    publish(
        service("wash", cost="30.50", t1=2, t2=3),
        service("check", "year", cost="200", t1=1, t2=2),
        service("tea", cost="0.10", regular=1, t1=1),
        undo_minutes=60,
    )
    members = [*(someone() for _each in range(3)), *(on("t1") for _each in range(4)), on("t2")]
    live(random, members, [store(dealer(name=name)) for name in ("North", "North II", "South")])

    for first, last in ((FIRST, LAST), (FIRST, FIRST), (date(2026, 8, 1), LAST)):
        expected = told_otherwise(first, last)
        told = {(each.by.value, each.of): each for each in kept(first, last)}
        assert set(told) == set(expected) | {("all", "")}
        for part, each in told.items():
            sums = expected[part]
            for name in (
                "promised", "delivered", "open", "lapsed", "ended", "failed", "made_up_for",
                "failures_points",
            ):  # fmt: skip
                assert getattr(each, name) == sums[name], (part, name)
            assert each.cost == Decimal(sums["cost"]), part
            assert each.failures_cost == Decimal(sums["failures_cost"]), part
            if sums["stars_given"]:
                assert round(each.stars, 9) == round(
                    Decimal(sums["stars"]) / sums["stars_given"], 9
                )
            else:
                assert each.stars is None
    everything = told_otherwise(FIRST, LAST)["all", ""]
    assert min(everything[each] for each in ("delivered", "failed", "made_up_for", "lapsed")) > 0
    assert everything["failures_points"] > 0
