"""The night: periods that end are decided, ends announced, counters derived anew (T4, T7)."""

from datetime import date, timedelta

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import translation

from common import events
from common.models import OutboxEvent
from messaging.models import Message
from messaging.templates import shown
from tests.factories import buy, identity, plain
from tests.factories.activities import do, kind, rewarding
from tests.factories.points import NOON
from tests.nights import done
from tests.points.returning import give_back
from tests.tiers.ladder import (
    BASE,
    GOLD,
    RETAIL,
    SILVER,
    decisions,
    gather,
    level,
    points,
    publish,
    simple,
    standing,
)
from tiers import nightly, queries, verification
from tiers.judging import COUNTED
from tiers.models import Decision, DowngradeWarning, Gathered, Standing

pytestmark = pytest.mark.django_db

WON = "2024-06-15"
LAST = date(2025, 6, 15)
AFTER = LAST + timedelta(days=1)


@pytest.fixture
def of():
    return identity()


def night(day):
    return nightly.review_standings(day=date.fromisoformat(day) if isinstance(day, str) else day)


def ladder(**terms):
    """t1 at 10, t2 at 20, t3 at 30 points since the last change, each for a year."""
    return publish(simple(10, 20, 30, **terms))


class TestKeep:
    def test_for_another_period_what_was_earned_in_this_one(self, of):
        ladder()
        gather(of, WON, points=10)
        gather(of, "2025-06-15", points=10)

        assert night(AFTER) == {"members": 1, "kept": 1, "downgraded": 0}

        assert decisions(of)[1:] == [("KEEP", "t1", "t1", "2025-06-16")]
        assert standing(of).valid_until == date(2026, 6, 15)
        assert standing(of).period_from == AFTER
        assert Decision.objects.latest("pk").evidence["total"] == "10"

    def test_has_a_rule_of_its_own(self, of):
        publish({"levels": [BASE, SILVER, GOLD]})
        gather(of, WON, points=10000)
        gather(of, "2024-07-01", points=5000)

        night("2026-06-16")

        assert decisions(of)[-1] == ("KEEP", "silver", "silver", "2026-06-16")

    @pytest.mark.parametrize(
        ("until", "first", "second"),
        [
            ("day", "2025-06-15", "2026-06-15"),
            ("month_end", "2025-06-30", "2026-06-30"),
            ("quarter_end", "2025-06-30", "2026-06-30"),
            ("year_end", "2025-12-31", "2026-12-31"),
        ],
    )
    def test_ends_where_the_rulebook_says(self, of, until, first, second):
        section = simple(10)
        section["levels"][1]["validity"]["until"] = until
        publish(section)
        gather(of, WON, points=10)
        gather(of, "2024-08-01", points=10)
        assert standing(of).valid_until == date.fromisoformat(first)

        # Some nights were missed.
        night(date.fromisoformat(first) + timedelta(days=5))

        assert standing(of).valid_until == date.fromisoformat(second)
        assert standing(of).period_from == date.fromisoformat(first) + timedelta(days=1)

    def test_is_decided_by_what_came_before_the_end(self, of):
        ladder()
        gather(of, WON, points=10)
        gather(of, "2025-06-16", points=10)

        assert decisions(of)[-2:] == [
            ("DOWNGRADE", "t1", "regular", "2025-06-16"),
            ("UPGRADE", "regular", "t1", "2025-06-16"),
        ]

    def test_is_nothing_to_do_while_it_is_valid(self, of):
        ladder()
        gather(of, WON, points=10)

        assert night(LAST)["members"] == 0

    def test_a_year_from_29_february_ends_on_the_28th(self, of):
        ladder()
        gather(of, "2024-02-29", points=10)

        assert standing(of).valid_until == date(2025, 2, 28)
        assert night("2025-02-28")["members"] == 0
        assert night("2025-03-01")["downgraded"] == 1

    def test_two_periods_that_ended_are_two_decisions(self, of):
        ladder()
        gather(of, WON, points=10)
        gather(of, "2025-01-01", points=10)

        night("2027-01-01")

        assert decisions(of)[1:] == [
            ("KEEP", "t1", "t1", "2025-06-16"),
            ("DOWNGRADE", "t1", "regular", "2026-06-16"),
        ]


class TestDowngrade:
    @pytest.mark.parametrize(
        ("mode", "gained", "lands"),
        [
            ("one_level", 0, "t2"),
            ("one_level", 10, "t2"),
            ("earned", 0, "regular"),
            ("earned", 10, "t1"),
            ("earned", 29, "t2"),
            ("base", 29, "regular"),
        ],
    )
    def test_falls_as_the_rulebook_says(self, of, mode, gained, lands):
        ladder(downgrade=mode)
        gather(of, WON, points=30)
        gather(of, "2024-06-16", points=gained)

        assert night(AFTER)["downgraded"] == 1

        assert decisions(of)[1:] == [("DOWNGRADE", "t3", lands, "2025-06-16")]
        ends = None if lands == "regular" else date(2026, 6, 16)
        assert standing(of).valid_until == ends

    def test_keeps_its_evidence(self, of):
        version = ladder()
        gather(of, WON, points=10)
        night(AFTER)

        decision = Decision.objects.latest("pk")
        assert decision.version_id == version.pk
        assert decision.evidence == {
            "measure": "points", "at_least": "10", "total": "0", "met": False,
            "from": "2024-06-16", "until": "2025-06-15",
        }  # fmt: skip

    def test_counts_anew_from_its_own_day(self, of):
        ladder()
        gather(of, WON, points=10)
        night(AFTER)

        gather(of, AFTER, points=10)

        assert standing(of).level == "t1"

    def test_twice_is_once(self, of):
        ladder()
        gather(of, WON, points=10)
        run = done(nightly.review_standings, day=AFTER)
        assert run.report == {"members": 1, "kept": 0, "downgraded": 1}

        assert night(AFTER) == {"members": 0, "kept": 0, "downgraded": 0}
        assert len(decisions(of)) == 2

    def test_does_not_wait_for_the_night(self, of):
        """A purchase before the night came finds the period over."""
        ladder()
        gather(of, WON, points=20)

        gather(of, AFTER, points=1)

        assert decisions(of)[-1] == ("DOWNGRADE", "t2", "t1", "2025-06-16")
        assert night(AFTER)["members"] == 0


class TestGrace:
    def test_falls_when_it_is_over(self, of):
        ladder(grace_days=30)
        gather(of, WON, points=10)

        assert night(AFTER) == {"members": 1, "kept": 0, "downgraded": 0}
        assert standing(of).review_on == date(2025, 7, 16)
        assert night("2025-07-15")["members"] == 0
        assert night("2025-07-16")["downgraded"] == 1
        assert decisions(of)[-1] == ("DOWNGRADE", "t1", "regular", "2025-07-16")

    def test_what_is_gathered_in_it_keeps_the_tier_at_once(self, of):
        ladder(grace_days=30)
        gather(of, WON, points=10)
        gather(of, "2024-12-01", points=6)
        night(AFTER)

        decision = gather(of, "2025-07-15", points=4)

        assert decision is not None
        assert decisions(of)[-1] == ("KEEP", "t1", "t1", "2025-06-16")
        assert standing(of).valid_until == date(2026, 6, 15)
        assert night("2025-07-16")["members"] == 0

    def test_what_kept_it_may_come_back_the_same_day(self, of):
        ladder(grace_days=30)
        gather(of, WON, points=10)
        night(AFTER)
        gather(of, "2025-07-01", points=10)

        gather(of, "2025-07-01", points=-1)

        assert standing(of).valid_until == LAST
        assert night("2025-07-16")["downgraded"] == 1

    def test_a_tier_stays_at_least_so_long(self, of):
        ladder(minimum_stay_days=400)
        gather(of, WON, points=10)

        night(AFTER)
        assert standing(of).review_on == date(2025, 7, 20)
        assert night("2025-07-20")["downgraded"] == 1


class TestLate:
    def test_a_purchase_of_the_old_period_gives_the_tier_back(self, of):
        ladder()
        gather(of, WON, points=10)
        night(AFTER)

        gather(of, "2025-06-01", points=10, now="2025-06-20")

        assert decisions(of)[-1] == ("RESTORE", "regular", "t1", "2024-06-15")
        assert standing(of).valid_until == date(2026, 6, 15)

    def test_a_return_takes_back_what_had_kept_it(self, of):
        ladder()
        gather(of, WON, points=10)
        gather(of, "2025-06-01", points=10)
        night(AFTER)

        gather(of, "2025-06-01", points=-1, now="2025-06-20")

        assert decisions(of)[-1] == ("REVOKE", "t1", "regular", "2025-06-20")


class TestWarning:
    @pytest.fixture(autouse=True)
    def _won(self, of):
        ladder(warn_days=[60, 7])
        gather(of, WON, points=10)
        gather(of, "2024-08-01", points=4)

    def test_says_what_is_missing_once_for_each_lead(self, of):
        days = [LAST - timedelta(days=days) for days in (61, 60, 59, 8, 7, 6, 0)]

        told = [nightly.warn_of_downgrades(day=day)["warnings"] for day in days]

        assert told == [0, 1, 0, 0, 1, 0, 0]
        assert [warning.days for warning in DowngradeWarning.objects.order_by("pk")] == [60, 7]
        message = Message.objects.filter(member=of.id).latest("pk")
        with translation.override("en"):
            text = shown(message.template, message.variables)
        assert "T1" in text.subject
        assert "still missing: 6 qualifying points." in text.body

    def test_a_missed_night_is_made_up(self):
        assert nightly.warn_of_downgrades(day=LAST - timedelta(days=3))["warnings"] == 1
        assert DowngradeWarning.objects.get().days == 7

    def test_not_to_who_has_kept_it_already(self, of):
        gather(of, "2025-01-01", points=6)

        assert nightly.warn_of_downgrades(day=LAST - timedelta(days=7))["warnings"] == 0

    def test_twice_is_once(self):
        first, again = (
            done(nightly.warn_of_downgrades, day=LAST - timedelta(days=7)).report,
            nightly.warn_of_downgrades(day=LAST - timedelta(days=7)),
        )

        assert (first, again) == ({"warnings": 1}, {"warnings": 0})


class TestListeners:
    @pytest.mark.parametrize("heard", [True, False])
    def test_are_told_who_keeps_a_tier(self, of, heard, monkeypatch):
        if heard:
            monkeypatch.setitem(events._subscribers, "tier.retained", {"a.listener": print})
        ladder()
        gather(of, WON, points=10)
        gather(of, "2025-06-15", points=10)
        night(AFTER)

        told = [each.payload for each in OutboxEvent.objects.filter(name="tier.retained")]
        kept = Decision.objects.get(kind="KEEP")
        assert told == heard * [
            {
                "member_id": of.id,
                "decision_id": kept.pk,
                "from": "t1",
                "to": "t1",
                "on": "2025-06-16",
            }
        ]


class TestVerification:
    def verify(self):
        report = nightly.verify_counters(day=date(2026, 6, 15))
        return [line.split(",")[::2] for line in report.get("findings", [])]

    @pytest.fixture(autouse=True)
    def _bought(self, of):
        rewarding(
            tiers=simple(10),
            kinds=[
                kind("share", once_per="day"),
                kind("event", group="event"),
                kind("friend", group="referral"),
            ],
        )
        buy(of, "500.00", reference="P")
        buy(of, "300.00", reference="Q")

    def test_finds_nothing_in_what_was_posted(self, of):
        give_back("P", "200.00", reference="B", at=NOON + timedelta(days=3))
        give_back("Q", "300.00", reference="C", at=NOON + timedelta(days=4))
        for code in ("share", "event", "friend", "share"):
            do(of, code)

        assert self.verify() == []
        counters = [each.value for each in COUNTED]
        assert Gathered.objects.values_list(*counters)[0] == (30, 300, 1, 1, 1, 1)

    @pytest.mark.parametrize("counter", [each.value for each in COUNTED])
    def test_finds_a_counter_that_is_wrong(self, of, counter):
        Gathered.objects.update(**{counter: F(counter) + 1})

        assert self.verify()[0] == ["gathered", "2026-06-15"]

    def test_finds_a_purchase_that_was_not_counted(self, of):
        Gathered.objects.update(day="2026-06-14")

        assert [day for what, day in self.verify() if what == "gathered"] == [
            "2026-06-14", "2026-06-15",
        ]  # fmt: skip

    def test_finds_an_activity_that_was_not_counted(self, of):
        do(of, "share", at=NOON + timedelta(days=2))
        Gathered.objects.filter(interactions=1).delete()

        assert self.verify() == [["gathered", "2026-06-17"]]

    @pytest.mark.parametrize("size", [1, 2, 5000])
    def test_looks_at_members_whose_standing_is_missing(self, of, size, monkeypatch):
        """Also between two ranges, and behind the last."""
        monkeypatch.setattr(nightly, "VERIFIED_AT_ONCE", size)
        for _ in range(3):
            buy(identity(), "10.00")
        Standing.objects.exclude(pk=of.id).delete()
        Gathered.objects.exclude(member_id=of.id).delete()

        assert self.verify() == [["gathered", "2026-06-15"]] * 3

    def test_finds_a_standing_nothing_explains(self, of):
        Standing.objects.filter(pk=of.id).update(valid_until=date(2030, 1, 1), level="regular")

        assert self.verify() == [["standing", ""], ["decision", ""]]


def test_there_is_nothing_to_verify_without_tiers():
    plain()
    buy(identity(), "10.00")

    assert list(verification.ranges(size=1)) == []


def test_all_of_a_chunk_costs_a_fixed_number_of_queries(django_assert_max_num_queries):
    ladder()
    for _ in range(5):
        gather(identity(), WON, points=10)
    queries.ladder_on(AFTER)

    # One for each tier, and what is the same for all: the last writes what other rooms are told.
    with django_assert_max_num_queries(14), transaction.atomic():
        nightly.review_standings.do(day=AFTER, low=1, high=2**62)

    assert set(Standing.objects.values_list("level", flat=True)) == {"regular"}
    assert RETAIL["levels"][0] == level("regular") == BASE
    assert points(1)["at_least"] == "1"
