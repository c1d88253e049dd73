"""What pages ask: how much of caps and budgets is used, what can be done today."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from campaigns import usage
from tests.factories import buy, identity
from tests.factories.activities import cap, do, kind, named, rewarding
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db

DAY = date(2026, 6, 15)


def test_caps_tell_what_is_used_and_left_in_their_period():
    rewarding(
        kinds=[kind("event", 50), kind("share", 2)],
        caps=[
            cap("event-year", "event", points=120),
            cap("share-month", "share", times=4, per="month"),
            cap("half", "activities", share="50", of_type="consumption"),
            cap("base-life", "base", points=1000, per="lifetime"),
        ],
    )
    of = identity()
    buy(of, "4000.00")
    do(of, "event")
    do(of, "share", at=NOON - timedelta(days=20))
    do(of, "share")

    told = {each.code: each for each in usage.caps(member_id=of.id, on=DAY)}

    assert [(each.used, each.limit, each.left) for each in told.values()] == [
        (50, 120, 70),
        (1, 4, 3),
        (54, 200, 146),
        (400, 1000, 600),
    ]
    month = told["share-month"]
    assert (month.first_day, month.until, month.in_times) == (
        date(2026, 6, 1),
        date(2026, 7, 1),
        True,
    )
    assert (told["base-life"].first_day, told["base-life"].name) == (None, "base-life")


def test_activities_tell_whether_they_were_done_in_their_period():
    rewarding(
        kinds=[kind("check-in", 1, once_per="day"), kind("share", 2)],
        tasks=[named("hello", when="joined", points="20")],
    )
    of = identity()
    before = usage.activities(member_id=of.id, on=DAY)
    do(of, "check-in")

    after = usage.activities(member_id=of.id, on=DAY)

    assert [(each.code, each.points, each.done) for each in before] == [
        ("check-in", 1, 0),
        ("share", 2, None),
    ]
    assert [each.done for each in after] == [1, None]
    assert [each.done for each in usage.activities(member_id=of.id, on=date(2026, 6, 16))] == [
        0,
        None,
    ]


def test_budgets_tell_what_is_spent_and_left():
    version = rewarding(
        kinds=[kind("event", 50)],
        budgets=[
            named("spring", of=["event"], points=120),
            named("autumn", of=["base"], money="20"),
        ],
    )
    do(identity(), "event")

    spring, autumn = usage.budgets(version_id=version.pk)

    assert (spring.points, spring.money, spring.spent, spring.left) == (120, None, 50, 70)
    assert (autumn.points, autumn.money, autumn.spent, autumn.left) == (
        200,
        Decimal("20.00"),
        0,
        200,
    )
