"""What caps on earning rules and boosts leave a purchase of what they would give."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns import limits
from campaigns.activity_rules import compiled
from points import operations as points
from points.models import Activity
from tests.factories import identity, source
from tests.factories.activities import cap, do, kind, named, rewarding
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db

DAY = date(2026, 6, 15)
_numbers = count(1)


def judged(of, version, parts, *, at=NOON, reference=None):
    """A purchase posted as the engine does, which says what each rule gave."""
    worth = sum(parts.values())
    return points.post_purchase(
        purchase=points.JudgedPurchase(
            member=of,
            reference=reference or f"P{next(_numbers)}",
            at=at,
            amount=Decimal(100),
            lines=[],
            fingerprint=b"1",
            points=worth,
            expires_on=date(2027, 6, 30),
            explanation={"parts": parts},
            source=source(version_id=version.pk),
        )
    )


def taken_back(of, posted, kept, *, reference):
    """A return after which so much is left of what each rule gave."""
    purchase = Activity.objects.get(pk=posted.activity_id)
    return points.post_return(
        returned=points.JudgedReturn(
            member=of,
            purchase=purchase,
            reference=reference,
            at=NOON,
            amount=Decimal(1),
            lines=[],
            fingerprint=b"2",
            keep=sum(kept.values()),
            points=sum(kept.values()) - posted.points,
            explanation={"parts": kept},
            after_spending="debt",
            source=source(version_id=purchase.version_id),
        )
    )


def found(of, version, *codes, day=DAY):
    caps = compiled(version.pk).purchase_caps
    rooms = limits.purchase_rooms(member_id=of.id, caps=caps, day=day)
    return limits.PurchaseLimits(tuple(rooms), codes or ("base",))


def asked(of, version, *codes, day=DAY):
    return found(of, version, *codes, day=day).by_code


class TestAPurchase:
    def test_is_the_cap_less_what_was_given(self):
        version = rewarding(caps=[cap("most", "base", points=100)])
        of = identity()

        assert asked(of, version) == {"base": 100}
        judged(of, version, {"base": 30})
        assert asked(of, version) == {"base": 70}
        judged(of, version, {"base": 70})
        assert asked(of, version) == {"base": 0}

    def test_knows_no_limit_of_rules_without_a_cap(self):
        version = rewarding(caps=[cap("most", "base", points=100)])

        assert asked(identity(), version, "base", "birthday") == {"base": 100}

    def test_counts_the_period_of_the_purchase(self):
        version = rewarding(caps=[cap("most", "base", points=100, per="month")])
        of = identity()
        judged(of, version, {"base": 30}, at=datetime(2026, 5, 31, 15, 59, tzinfo=UTC))
        judged(of, version, {"base": 20}, at=datetime(2026, 5, 31, 16, tzinfo=UTC))

        assert asked(of, version) == {"base": 80}
        assert asked(of, version, day=date(2026, 5, 1)) == {"base": 70}

    def test_of_all_consumption_is_of_every_rule(self):
        version = rewarding(caps=[cap("most", "consumption", points=100)])
        of = identity()
        judged(of, version, {"base": 30, "birthday": 3})

        assert asked(of, version, "base", "birthday") == {"base": 67, "birthday": 67}

    def test_takes_the_tightest_of_several_caps(self):
        version = rewarding(
            caps=[
                cap("day", "base", points=50, per="day"),
                cap("life", "base", points=60, per="lifetime"),
            ]
        )
        of = identity()
        judged(of, version, {"base": 30})

        assert asked(of, version) == {"base": 20}
        assert asked(of, version, day=date(2026, 6, 16)) == {"base": 30}

    def test_of_times_is_no_limit_until_it_is_reached(self):
        version = rewarding(caps=[cap("twice", "base", times=2)])
        of = identity()
        judged(of, version, {"base": 30})
        judged(of, version, {"base": 0})
        assert asked(of, version) == {}

        judged(of, version, {"base": 1})

        assert asked(of, version) == {"base": 0}

    def test_is_freed_by_returns(self):
        version = rewarding(caps=[cap("most", "base", points=100)])
        of = identity()
        bought = judged(of, version, {"base": 100})

        taken_back(of, bought, {"base": 40}, reference="R1")
        assert asked(of, version) == {"base": 60}
        taken_back(of, bought, {"base": 10}, reference="R2")
        assert asked(of, version) == {"base": 90}


class TestWithin:
    def test_shares_one_cap_out_in_the_order_of_the_rules(self):
        version = rewarding(caps=[cap("both", "consumption", points=100)])
        of = identity()

        left = found(of, version, "base", "birthday")

        assert left.within({"base": 80, "birthday": 50}) == {"base": 80, "birthday": 20}
        assert left.within({"base": 130, "birthday": 5}) == {"base": 100, "birthday": 0}
        assert left.within({"base": 30, "birthday": 5}) == {"base": 30, "birthday": 5}


class TestForReturn:
    """What is kept of a purchase gives no more than was given for it."""

    def test_is_what_each_rule_gave(self):
        version = rewarding(caps=[cap("most", "base", points=100)])
        bought = judged(identity(), version, {"base": 20})

        assert limits.for_return(Activity.objects.get(pk=bought.activity_id)) == {"base": 20}

    def test_is_nothing_of_what_a_cap_let_give_nothing(self):
        version = rewarding(caps=[cap("most", "base", points=0)])
        bought = judged(identity(), version, {})

        assert limits.for_return(Activity.objects.get(pk=bought.activity_id)) == {"base": 0}

    def test_knows_budgets_too(self):
        version = rewarding(budgets=[named("pot", of=["consumption"], points=5)])
        bought = judged(identity(), version, {"base": 5})

        assert limits.for_return(Activity.objects.get(pk=bought.activity_id)) == {"base": 5}

    def test_without_caps_and_budgets_is_no_limit(self):
        version = rewarding()
        bought = judged(identity(), version, {"base": 5})

        assert limits.for_return(Activity.objects.get(pk=bought.activity_id)) == {}


def test_what_was_done_is_counted_from_the_index_alone():
    """However much a member has done, no row of the journal is read."""
    version = rewarding(
        kinds=[kind("event", 50), kind("visit", 1)], caps=[cap("most", "event", points=100)]
    )
    [rule] = compiled(version.pk).caps
    of = identity()
    do(of, "event")
    did = do(of, "visit").posted
    # Enough else that no other index answers as cheaply.
    [visit] = Activity.objects.filter(pk=did.activity_id).values()
    del visit["id"]
    Activity.objects.bulk_create(
        Activity(**visit | {"reference": f"visit-{n}"}) for n in range(2000)
    )
    with CaptureQueriesContext(connection) as made:
        limits.rooms(member_id=of.id, caps=[rule], day=DAY)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE points_activity")
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute("EXPLAIN " + made[0]["sql"].replace("%", "%%"))
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "Index Only Scan using points_activity_of_code" in plan, plan
