"""Rights come with a tier and with each period, once each, and go by rule."""

from datetime import date

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction

from benefits import operations
from benefits.models import Right, Step
from benefits.nightly.rights import grant_rights
from common import events
from members import operations as members
from members.models import Member
from tests.benefits.plan import (
    LADDER,
    always,
    discount,
    left,
    night,
    noon,
    on,
    publish,
    rights,
    service,
    someone,
    stand,
    steps,
    told,
)
from tests.factories import identity, member, staff
from tests.tiers.ladder import gather, simple
from tiers import operations as tiers

pytestmark = pytest.mark.django_db

JULY = date(2026, 7, 1)


class TestANight:
    def test_grants_what_begins_to_everybody_of_the_tier(self):
        publish(service("wash", t1=1, t2=2), service("check", "quarter", t2=1))
        base, silver, gold = identity(), on("t1"), on("t2")

        assert night("2026-07-01") == 1 + 3
        assert rights(base) == []
        assert rights(silver) == [("wash", "2026-07", 1, "GRANTED")]
        assert rights(gold) == [
            ("check", "2026-Q3", 1, "GRANTED"),
            ("wash", "2026-07", 1, "GRANTED"),
            ("wash", "2026-07", 2, "GRANTED"),
        ]

    def test_the_base_is_a_tier(self):
        publish(service("tow", "year", regular=1))
        one = identity()

        night("2027-01-01")

        assert rights(one) == [("tow", "2027", 1, "GRANTED")]

    def test_twice_grants_nothing_twice(self):
        publish(service("wash", t1=2))
        one = on("t1")
        night("2026-07-01")

        assert night("2026-07-01") == 0
        assert len(rights(one)) == 2
        assert Step.objects.count() == 2

    def test_other_nights_have_nothing_to_do(self):
        publish(service("wash", t1=1), service("check", "quarter", t1=1))
        on("t1")

        assert list(grant_rights.plan(date(2026, 7, 2))) == []
        assert night("2026-07-02") == 0
        # A month begins, but no quarter.
        assert night("2026-08-01") == 1

    def test_a_version_that_begins_grants_at_once_what_is_new(self):
        publish(service("wash", t1=1))
        one = on("t1")
        night("2026-07-01")
        publish(service("wash", t1=2), service("check", "year", t1=1), valid_from="2026-07-15")

        assert night("2026-07-15") == 2
        assert rights(one) == [
            ("check", "2026", 1, "GRANTED"),
            ("wash", "2026-07", 1, "GRANTED"),
            ("wash", "2026-07", 2, "GRANTED"),
        ]

    def test_nobody_gets_what_is_not_counted(self):
        publish(
            always("tow", "t1"), discount("off", t1="90"), always("lane", "t1", kind="standing")
        )
        on("t1")

        assert night("2026-07-01") == 0

    @pytest.mark.parametrize("status", ["FROZEN", "CLOSED", "PRE_REGISTERED"])
    def test_only_active_members_get_anything(self, status):
        publish(service("wash", t1=1))
        one = on("t1", active=status != "PRE_REGISTERED")
        if status == "FROZEN":
            members.freeze(member_id=one.id, by=staff(), reason="test")
        if status == "CLOSED":
            members.close(member_id=one.id, closed_at=noon("2026-06-01"), by=None, reason="test")

        night("2026-07-01")

        assert rights(one) == []

    def test_does_a_range_in_two_statements_however_many_members(self, django_assert_num_queries):
        publish(service("wash", t1=1), service("check", "quarter", t1=2))
        found = [on("t1") for _ in range(20)]
        operations.grant_by_range(low=1, high=1, day=JULY, at=noon(JULY))

        with django_assert_num_queries(3):  # a savepoint around one statement
            granted = operations.grant_by_range(
                low=found[0].id, high=found[-1].id, day=JULY, at=noon(JULY)
            )

        assert granted == 60


class TestTheBirthday:
    @pytest.mark.parametrize(
        ("birthday", "first", "last"),
        [
            ("1990-07-31", "2026-07-01", "2026-07-31"),
            ("1988-02-29", "2026-02-01", "2026-02-28"),
            ("1988-02-29", "2028-02-01", "2028-02-29"),
        ],
    )
    def test_grants_for_its_month(self, birthday, first, last):
        publish(service("gift", "birthday_month", t1=1))
        one = on("t1", birthday=date.fromisoformat(birthday))
        on("t1", birthday=date(1990, 12, 1))
        on("t1")

        assert night(first) == 1
        right = Right.objects.get(member=one.id)
        assert (right.period, str(right.last_on)) == (f"{first[:4]}-birthday", last)

    def test_told_later_in_its_month_still_counts(self):
        publish(service("gift", "birthday_month", t1=1))
        one = on("t1")
        night("2026-07-01")
        self.tell(one, "1990-07-20", "2026-07-10")

        assert rights(one) == [("gift", "2026-birthday", 1, "GRANTED")]

    def test_moved_to_another_month_is_no_second_gift(self):
        publish(service("gift", "birthday_month", t1=1))
        one = on("t1", birthday=date(1990, 7, 20))
        night("2026-07-01")
        self.tell(one, "1990-08-20", "2026-08-10")
        night("2026-08-01")

        assert len(rights(one)) == 1

    def tell(self, one, birthday, day):
        members.update_profile(
            member_id=one.id,
            changes={"birthday": date.fromisoformat(birthday)},
            at=noon(day),
            by=staff(),
            reason="test",
        )
        told()


class TestATierWon:
    def test_grants_at_once_what_the_tier_has(self):
        publish(service("wash", t1=1, t2=2), service("check", "year", t1=1))
        one = someone()

        gather(one, "2026-07-10", points=10)
        told()

        assert rights(one) == [
            ("check", "2026", 1, "GRANTED"),
            ("wash", "2026-07", 1, "GRANTED"),
        ]
        right = Right.objects.get(benefit="wash")
        assert (str(right.granted_on), str(right.last_on)) == ("2026-07-10", "2026-07-31")
        assert (right.level, right.cost) == ("t1", 10)

    def test_within_a_period_grants_the_difference_once(self):
        publish(service("wash", t1=1, t2=3))
        one = someone()
        gather(one, "2026-07-10", points=10)
        told()
        gather(one, "2026-07-20", points=20)
        told()
        night("2026-07-01")

        assert rights(one) == [("wash", "2026-07", n, "GRANTED") for n in (1, 2, 3)]

    def test_what_comes_once_with_a_tier_comes_for_each_time_it_is_won(self):
        publish(
            service("welcome", "upgrade", t1=1, t2=1, lapse_days=365),
            tiers=simple(10, 20, months=24),
        )
        one = someone()
        gather(one, "2026-07-10", points=10)
        told()
        night("2026-08-01")
        gather(one, "2026-08-20", points=20)
        told()

        assert rights(one) == [
            ("welcome", "upgrade-2026-07-10", 1, "GRANTED"),
            ("welcome", "upgrade-2026-08-20", 1, "GRANTED"),
        ]
        assert str(Right.objects.get(period="upgrade-2026-07-10").last_on) == "2027-07-10"

    def test_won_by_what_became_known_late_gives_from_now_on(self):
        publish(service("wash", t1=1))
        one = someone()

        gather(one, "2026-06-28", now="2026-07-02", points=10)
        told()

        assert rights(one) == [("wash", "2026-07", 1, "GRANTED")]

    def test_the_event_told_twice_grants_nothing_twice(self):
        publish(service("wash", t1=2), service("welcome", "upgrade", t1=1, lapse_days=9))
        one = someone()
        gather(one, "2026-07-10", points=10)
        told()
        before = rights(one)

        for _ in range(2):
            operations.win_tier(
                member_id=one.id, won_on=date(2026, 7, 10), day=date(2026, 7, 10), at=noon(JULY)
            )

        assert rights(one) == before
        assert len(before) == 3

    def test_by_hand_is_won_too(self):
        publish(service("wash", t2=1))
        one = someone()

        tiers.set_manual(
            member=one, level="t2", until=None, reason="test", at=noon("2026-07-10"), by=staff(),
            approved_by=staff(),
        )  # fmt: skip
        told()

        assert rights(one) == [("wash", "2026-07", 1, "GRANTED")]


class TestJoining:
    @pytest.fixture(autouse=True)
    def _on_a_day_in_july(self):
        with time_machine.travel("2026-07-10T04:00:00Z", tick=False):
            yield

    def test_grants_what_the_base_has(self):
        publish(service("wash", regular=1))
        one = member()

        told()

        assert rights(identity(one)) == [("wash", "2026-07", 1, "GRANTED")]

    def test_waits_for_the_activation(self):
        publish(service("wash", regular=1, t1=2), service("hi", "upgrade", t1=1, lapse_days=30))
        one = identity(active=False, joined_at=noon("2026-06-10"))
        told()
        stand(one, "t1", since="2026-06-20")
        assert rights(one) == []

        members.activate(member_id=one.id, activated_at=noon("2026-07-10"))
        told()

        assert rights(one) == [
            ("hi", "upgrade-2026-06-20", 1, "GRANTED"),
            ("wash", "2026-07", 1, "GRANTED"),
            ("wash", "2026-07", 2, "GRANTED"),
        ]

    def test_of_many_at_once(self):
        publish(service("wash", regular=1))
        found = [member(active=False) for _ in range(3)]
        Member.objects.update(status="ACTIVE", activated_at=noon("2019-07-10"))

        with transaction.atomic():
            events.publish(
                "members.joined",
                {"members": [[each.pk, each.joined_at.isoformat()] for each in found]},
            )
        told()

        assert [len(rights(identity(each))) for each in found] == [1, 1, 1]


class TestLapsing:
    def test_after_the_last_day_and_not_on_it(self):
        publish(service("wash", t1=1))
        one = on("t1")
        night("2026-07-01")

        night("2026-07-31")
        assert rights(one) == [("wash", "2026-07", 1, "GRANTED")]
        night("2026-08-01")

        assert rights(one) == [("wash", "2026-07", 1, "LAPSED"), ("wash", "2026-08", 1, "GRANTED")]
        right = Right.objects.get(period="2026-07")
        assert steps(right) == [(1, "GRANTED"), (2, "LAPSED")]

    def test_by_days_where_the_rules_say_so(self):
        publish(service("wash", t1=1, lapse_days=45))
        on("t1")
        night("2026-07-01")

        assert str(Right.objects.get().last_on) == "2026-08-15"

    def test_what_is_booked_stays(self):
        publish(service("wash", t1=1))
        one = on("t1")
        night("2026-07-01")
        operations.book(
            member=one, benefit="wash", booked_for=noon("2026-07-31"), at=noon("2026-07-02")
        )

        night("2026-08-01")

        assert rights(one)[0] == ("wash", "2026-07", 1, "BOOKED")

    def test_cannot_be_used_after_its_last_day_even_before_the_night(self):
        publish(service("wash", t1=1))
        one = on("t1")
        night("2026-07-01")

        assert left(one, "wash", "2026-07-31") == 1
        assert left(one, "wash", "2026-08-01") == 0


class TestADowngrade:
    def fall(self, one, to="t1", day="2026-07-15"):
        stand(one, to, since=day)
        operations.lose_tier(member_id=one.id, day=date.fromisoformat(day), at=noon(day))

    def test_keeps_what_was_granted(self):
        publish(service("wash", t1=1, t2=2))
        one = on("t2")
        night("2026-07-01")

        self.fall(one)

        assert rights(one) == [("wash", "2026-07", n, "GRANTED") for n in (1, 2)]

    def test_ends_what_the_lower_tier_does_not_have(self):
        publish(
            service("wash", t1=1, t2=3, on_downgrade="end"),
            service("check", "year", t2=1, on_downgrade="end"),
        )
        one = on("t2")
        night("2026-01-01")
        operations.book(
            member=one, benefit="wash", booked_for=noon("2026-01-30"), at=noon("2026-01-02")
        )

        self.fall(one, day="2026-01-15")

        assert rights(one) == [
            ("check", "2026", 1, "ENDED"),
            ("wash", "2026-01", 1, "BOOKED"),
            ("wash", "2026-01", 2, "ENDED"),
            ("wash", "2026-01", 3, "ENDED"),
        ]
        ended = Right.objects.get(benefit="check")
        assert (ended.ended, steps(ended)) == ("DOWNGRADE", [(1, "GRANTED"), (2, "ENDED")])

    def test_what_ended_comes_back_with_the_tier(self):
        publish(service("wash", t1=1, t2=2, on_downgrade="end"))
        one = on("t2")
        night("2026-07-01")
        self.fall(one)
        stand(one, "t2")

        operations.win_tier(
            member_id=one.id, won_on=date(2026, 7, 20), day=date(2026, 7, 20), at=noon("2026-07-20")
        )

        assert rights(one) == [("wash", "2026-07", n, "GRANTED") for n in (1, 2)]
        assert steps(Right.objects.get(ordinal=2)) == [
            (1, "GRANTED"),
            (2, "ENDED"),
            (3, "RESTORED"),
        ]

    def test_the_review_tells_of_it(self):
        publish(
            service("wash", t1=1, on_downgrade="end"),
            tiers=simple(10, months=1),
            valid_from="2020-01-01",
        )
        one = someone()
        gather(one, "2026-06-05", points=10)
        told()
        night("2026-07-01")
        day = date(2026, 7, 6)
        tiers.review(low=one.id, high=one.id, day=day, at=noon(day))
        told()

        assert rights(one)[-1] == ("wash", "2026-07", 1, "ENDED")


def test_who_leaves_has_no_rights():
    publish(service("wash", t1=2))
    one = on("t1")
    night("2026-07-01")
    operations.book(
        member=one, benefit="wash", booked_for=noon("2026-07-09"), at=noon("2026-07-02")
    )

    members.close(member_id=one.id, closed_at=noon("2026-07-05"), by=None, reason="test")
    told()

    assert [state for *_rest, state in rights(one)] == ["ENDED", "ENDED"]
    assert set(Right.objects.values_list("ended", flat=True)) == {"CLOSED"}


def test_steps_are_never_changed_nor_deleted():
    publish(service("wash", t1=1))
    on("t1")
    night("2026-07-01")

    for change in ("UPDATE benefits_step SET note = 'x'", "DELETE FROM benefits_step"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(change)


def test_without_benefits_a_night_asks_nothing():
    publish(tiers=LADDER)

    assert list(grant_rights.plan(JULY)) == []
