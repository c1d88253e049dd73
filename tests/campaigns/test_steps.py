"""New-member and upgrade tasks: a step is rewarded once, when it is taken (M7)."""

from datetime import UTC, date, datetime

import pytest

from campaigns import steps, usage
from campaigns.activities import UnknownActivity
from campaigns.models import TaskStep
from campaigns.subscribers import reward_upgrade
from common import events
from members import operations as members
from points.models import Account, Activity, Entry
from tests.factories import buy, identity, member, staff
from tests.factories.activities import cap, do, kind, named, rewarding
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db


def task(code, when, points=20):
    return named(code, when=when, points=str(points))


def deliver():
    events.deliver_waiting(now=datetime(2100, 1, 1, tzinfo=UTC))


def done(of):
    return set(Activity.objects.filter(member_id=of.pk).values_list("code", "points"))


class TestATask:
    def test_is_rewarded_once_when_its_step_is_taken(self):
        rewarding(tasks=[task("activate", "activated")])
        of = member(active=False, joined_at=NOON)
        deliver()
        assert done(of) == set()

        members.activate(member_id=of.pk, activated_at=NOON)
        deliver()
        again = steps.take(member_id=of.pk, step=TaskStep.ACTIVATED, at=NOON)

        assert again == 0
        assert done(of) == {("activate", 20)}
        activity = Activity.objects.get()
        assert activity.reference == f"task:activate:{of.number}"
        assert Entry.objects.get().type == "ACTIVITY"

    def test_of_binding_a_product(self):
        rewarding(tasks=[task("bind", "product_bound")])
        of = member()

        members.add_product(
            member_id=of.pk,
            product=members.ProductFacts(identifier="LSVAA4187C2184841"),
            bound_at=NOON,
        )
        deliver()

        assert done(of) == {("bind", 20)}

    def test_of_completing_the_profile_waits_until_it_is_complete(self):
        rewarding(tasks=[task("profile", "profile_complete")])
        of = member(joined_at=NOON)
        deliver()
        assert done(of) == set()

        members.update_profile(
            member_id=of.pk,
            changes={"birthday": date(1990, 1, 1)},
            at=NOON,
            by=staff(),
            reason="",
        )
        deliver()

        assert done(of) == {("profile", 20)}

    def test_of_the_first_purchase_is_done_with_it(self):
        rewarding(tasks=[task("buy", "first_purchase")])
        of = member()

        first = buy(identity(of), "100.00", reference="P1")
        buy(identity(of), "100.00", reference="P1")
        buy(identity(of), "100.00", reference="P2")

        assert first.points == 10  # of the purchase alone
        assert done(of) == {(None, 10), ("buy", 20)}
        assert Account.objects.get().balance == 40

    def test_of_an_upgrade(self):
        rewarding(tasks=[task("up", "upgraded")])
        of = member()

        told = {"member_id": of.pk, "on": "2026-06-15"}
        reward_upgrade(told)
        reward_upgrade(told)

        assert done(of) == {("up", 20)}

    def test_of_an_upgrade_follows_it(self):
        levels = [
            named("regular", color="#9aa0a6"),
            named("silver", color="#c0c0c0", upgrade={"measure": "events", "at_least": "1"}),
        ]
        rewarding(
            kinds=[kind("event", 50, group="event")],
            tasks=[task("up", "upgraded")],
            tiers={"levels": levels, "window": "calendar_year", "downgrade": "base"},
        )
        of = member(joined_at=NOON)

        do(identity(of), "event")
        deliver()

        assert done(of) == {("event", 50), ("up", 20)}

    def test_cannot_be_reported_by_a_till(self):
        rewarding(tasks=[task("activate", "activated")])

        with pytest.raises(UnknownActivity):
            do(identity(), "activate")

    def test_is_capped_as_activities_are(self):
        rewarding(
            kinds=[kind("event", 50)],
            tasks=[task("activate", "activated")],
            caps=[cap("all", "activities", points=60)],
        )
        of = member(joined_at=NOON)
        do(identity(of), "event")
        deliver()

        assert done(of) == {("event", 50), ("activate", 10)}

    def test_of_a_frozen_member_is_not_rewarded(self):
        rewarding(tasks=[task("activate", "activated")])
        of = member(joined_at=NOON)
        members.freeze(member_id=of.pk, by=staff(), reason="")

        deliver()

        assert not Account.objects.exists()


class TestProgress:
    def test_tells_what_is_done_and_what_is_open(self):
        rewarding(tasks=[task("activate", "activated"), task("buy", "first_purchase", 50)])
        of = member(joined_at=NOON)
        deliver()

        told = usage.tasks(member_id=of.pk, on=NOON.date())

        assert [(each.code, each.points, each.done_at, each.given) for each in told] == [
            ("activate", 20, NOON, 20),
            ("buy", 50, None, 0),
        ]
