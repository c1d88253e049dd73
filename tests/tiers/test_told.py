"""What members and clerks read: progress, and why (T6)."""

from datetime import date

import pytest
from django.utils import translation

from tests.factories import identity, staff
from tests.tiers.ladder import (
    BASE,
    RETAIL,
    gather,
    level,
    noon,
    points,
    publish,
    simple,
    spend,
)
from tiers import nightly, operations, queries, words
from tiers.models import Decision

pytestmark = pytest.mark.django_db

TODAY = date(2026, 6, 15)


@pytest.fixture(autouse=True)
def _english():
    with translation.override("en"):
        yield


@pytest.fixture
def of():
    return identity()


class TestProgress:
    def test_of_who_never_did_anything(self, of):
        publish(RETAIL)

        progress = queries.progress(of.id, TODAY)

        assert progress.stand.level.code == "regular"
        assert progress.upgrade.level.code == "silver"
        assert words.missing(progress.upgrade.evidence) == (
            "10,000 qualifying points or a spend of 5,000.00 yuan"
        )
        assert progress.keep is progress.keep_by is progress.falls_on is None
        assert progress.projected.code == "regular"

    def test_says_what_the_next_tier_and_this_one_still_need_and_by_when(self, of):
        publish(RETAIL)
        gather(of, "2026-01-10", points=10000)
        gather(of, "2026-02-01", points=3500, spend="1200.50")

        progress = queries.progress(of.id, TODAY)

        assert progress.stand.level.code == "silver"
        assert progress.stand.valid_until == progress.keep_by == date(2028, 1, 10)
        assert words.missing(progress.upgrade.evidence) == (
            "16,500 qualifying points or a spend of 8,799.50 yuan"
        )
        assert words.missing(progress.keep.evidence) == "1,500 qualifying points"
        assert progress.falls_on == date(2028, 1, 11)
        assert progress.projected.code == "regular"

    def test_on_the_day_of_a_change_it_says_from_when_it_counts(self, of):
        publish(RETAIL)
        gather(of, TODAY.isoformat(), points=10000)

        progress = queries.progress(of.id, TODAY)

        assert words.gathered(progress.upgrade.evidence)[0] == (
            "0 qualifying points of 20,000 qualifying points, counting from June 16, 2026"
        )

    def test_projects_that_a_tier_is_kept(self, of):
        publish(RETAIL)
        gather(of, "2026-01-10", points=10000)
        gather(of, "2026-02-01", points=5000)

        progress = queries.progress(of.id, TODAY)

        assert progress.keep.met
        assert words.missing(progress.keep.evidence) == ""
        assert progress.projected.code == "silver"

    def test_a_rolling_window_is_seen_as_it_will_be_at_the_end(self, of):
        """What was gathered early in the period will have left the window by then."""
        publish(simple(10, window={"months": 3}, grace_days=5))
        gather(of, "2026-01-10", points=10)

        progress = queries.progress(of.id, TODAY)

        assert progress.keep.evidence["total"] == "0"
        assert progress.keep.evidence["from"] == "2026-10-11"
        assert progress.falls_on == date(2027, 1, 16)

    def test_at_the_top_there_is_no_next(self, of):
        publish(simple(10))
        gather(of, "2026-01-10", points=10)

        assert queries.progress(of.id, TODAY).upgrade is None

    def test_tells_of_tiers_to_apply_for(self, of):
        publish(
            {
                "levels": [
                    BASE,
                    level("t1", upgrade=points(10)),
                    level("t2", application=spend(50000, window="calendar_year")),
                ]
            }
        )
        gather(of, "2026-01-10", spend="50000")

        [step] = queries.progress(of.id, TODAY).applications

        assert (step.level.code, step.met) == ("t2", True)

    def test_a_tier_by_hand_lies_over_what_is_earned(self, of):
        publish(simple(10, 20))
        gather(of, "2026-01-10", points=10)
        operations.set_manual(
            member=of, level="t2", until=date(2026, 8, 31), reason="guest", at=noon(TODAY),
            by=staff(),
        )  # fmt: skip

        stand = queries.standing(of.id, TODAY)

        assert (stand.level.code, stand.earned.code, stand.by_hand) == ("t2", "t1", True)
        assert stand.valid_until == date(2026, 8, 31)
        assert queries.standing(of.id, date(2026, 9, 1)).level.code == "t1"

    def test_costs_as_much_however_long_the_history(self, of, django_assert_num_queries):
        publish(simple(1000))
        for day in range(1, 29):
            gather(of, date(2026, 1, day), points=1)
        queries.ladder_on(TODAY)

        with django_assert_num_queries(3):
            queries.progress(of.id, TODAY)

    def test_is_nothing_without_tiers(self, of):
        publish({"levels": []})

        assert queries.progress(of.id, TODAY) is None
        assert queries.standing(of.id, TODAY) is None


class TestWhy:
    def why(self, of):
        return words.why(queries.decisions(of.id)[0])

    def test_an_upgrade(self, of):
        publish(RETAIL)
        gather(of, "2026-06-14", points=10000, spend="10.50")

        assert self.why(of) == [
            "Upgraded from Regular to Silver on June 14, 2026.",
            "It is valid until June 14, 2028, that day included.",
            "The rule asks for: 10,000 qualifying points or a spend of 5,000.00 yuan.",
            "Gathered: 10,000 qualifying points of 10,000 qualifying points until June 14, 2026.",
            (
                "Gathered: a spend of 10.50 yuan of a spend of 5,000.00 yuan "
                "from June 15, 2025 to June 14, 2026."
            ),
            "Judged by the rulebook's version 1.",
        ]

    def test_a_downgrade(self, of):
        publish(simple(10))
        gather(of, "2025-06-14", points=10)
        nightly.review_standings(day=date(2026, 6, 15))

        assert self.why(of)[0] == (
            "Moved from T1 to Regular on June 15, 2026: what keeps the tier was not met."
        )
        assert self.why(of)[2].startswith("Gathered: 0 qualifying points of 10")

    def test_a_tier_by_hand(self, of):
        publish(simple(10))
        operations.set_manual(
            member=of, level="t1", until=None, reason="guest", at=noon(TODAY), by=staff()
        )

        assert self.why(of) == [
            "T1 was given by hand on June 15, 2026.",
            "Judged by the rulebook's version 1.",
            "Reason: guest",
        ]

    def test_every_kind_has_its_words(self):
        from tiers.models import DecisionKind

        version = publish(RETAIL)
        for kind in DecisionKind:
            told = words.why(
                Decision(
                    kind=kind,
                    from_level="silver",
                    to_level="gold",
                    effective_on=TODAY,
                    version=version,
                )
            )
            assert "Gold" in told[0]
            assert "%" not in told[0]


LEAF = {"measure": "points", "at_least": "10", "total": "4", "met": False}
DONE = {"measure": "events", "at_least": "1", "total": "1", "met": True}


@pytest.mark.parametrize(
    ("tree", "missing"),
    [
        (LEAF, "6 qualifying points"),
        (DONE, ""),
        ({"word": "all", "of": [LEAF, DONE], "met": False}, "6 qualifying points"),
        (
            {
                "word": "all",
                "of": [LEAF, {"word": "any", "of": [LEAF, LEAF], "met": False}],
                "met": False,
            },
            "6 qualifying points and (6 qualifying points or 6 qualifying points)",
        ),
        (
            {"word": "some", "some": 2, "of": [LEAF, LEAF, DONE], "met": False},
            "1 of: 6 qualifying points; 6 qualifying points",
        ),
        ({}, ""),
    ],
)
def test_what_is_missing_is_said_without_what_is_met(tree, missing):
    assert words.missing(tree) == missing


@pytest.mark.parametrize(
    ("measure", "number", "told"),
    [
        ("points", "1", "1 qualifying point"),
        ("purchases", "2", "2 purchases"),
        ("interactions", "1", "1 interaction"),
        ("events", "3", "3 events"),
        ("referrals", "1", "1 referral"),
        ("products", "2", "2 products"),
    ],
)
def test_amounts_in_words(measure, number, told):
    assert words.amount(measure, number) == told
