"""What members do moves them at once, exactly by the rules of the day (T2, T4)."""

from datetime import date

import pytest
from django.db import DatabaseError, transaction

from common.models import OutboxEvent
from programme import queries as programme
from tests.factories import identity
from tests.tiers.ladder import (
    BASE,
    RETAIL,
    YEAR,
    decisions,
    gather,
    level,
    noon,
    points,
    publish,
    simple,
    spend,
    standing,
)
from tiers import queries
from tiers.models import Decision, Gathered, Proposal, Standing
from tiers.operations import Measured, gathered_many

pytestmark = pytest.mark.django_db


@pytest.fixture
def of():
    return identity()


class TestLadder:
    def test_has_its_levels_lowest_first(self):
        ladder = queries.ladder(publish().pk)

        assert [(each.code, each.position) for each in ladder.levels] == [
            ("regular", 0), ("silver", 1), ("gold", 2),
        ]  # fmt: skip
        assert ladder.levels[1].name == "Silver"
        assert [each.code for each in ladder.above(ladder.base)] == ["gold", "silver"]
        assert ladder.above(ladder.levels[2]) == ()

    def test_is_falsy_where_there_are_no_tiers(self, of, django_assert_num_queries):
        publish({"levels": []})

        assert not queries.ladder_on(date(2026, 6, 15))
        assert queries.level_code_on(of.id, date(2026, 6, 15)) is None
        with django_assert_num_queries(0):
            assert gather_nothing_is_asked(of) is None
        assert not Standing.objects.exists()

    def test_is_read_once(self, django_assert_num_queries):
        version = publish()
        queries.ladder(version.pk)

        with django_assert_num_queries(0):
            queries.ladder(version.pk)


def gather_nothing_is_asked(of):
    from programme.queries import rulebook_on
    from tests.tiers.ladder import noon
    from tiers import operations

    rulebook_on(date(2026, 6, 15))
    return operations.gathered(
        member=of,
        at=noon("2026-06-15"),
        measured=operations.Measured(points=99999),
        rulebook=rulebook_on(date(2026, 6, 15)),
    )


class TestUpgrade:
    def test_comes_with_the_purchase_that_reaches_the_threshold(self, of):
        publish()
        assert gather(of, "2026-06-14", points=9999) is None

        decision = gather(of, "2026-06-15", points=1)

        assert decision is not None
        assert decisions(of) == [("UPGRADE", "regular", "silver", "2026-06-15")]
        assert decision.valid_until == date(2028, 6, 15)
        assert standing(of).level == standing(of).earned == "silver"
        assert standing(of).valid_until == date(2028, 6, 15)
        assert standing(of).review_on == date(2028, 6, 16)

    def test_keeps_its_evidence(self, of):
        version = publish()
        gather(of, "2026-06-14", points=9000, spend="10.50")

        decision = gather(of, "2026-06-15", points=1500)

        assert decision.version_id == version.pk
        assert decision.evidence == {
            "word": "any",
            "met": True,
            "of": [
                {
                    "measure": "points", "at_least": "10000", "total": "10500", "met": True,
                    "from": None, "until": "2026-06-15",
                },
                {
                    "measure": "spend", "at_least": "5000", "total": "10.5", "met": False,
                    "from": "2025-06-16", "until": "2026-06-15",
                },
            ],
        }  # fmt: skip

    def test_may_skip_levels(self, of):
        publish()

        gather(of, "2026-06-15", points=20000)

        assert decisions(of) == [("UPGRADE", "regular", "gold", "2026-06-15")]

    def test_counts_anew_from_the_day_after(self, of):
        publish()
        gather(of, "2026-06-15", points=19999)
        gather(of, "2026-06-16", points=19999)
        assert standing(of).level == "silver"

        gather(of, "2026-06-17", points=1)

        assert standing(of).level == "gold"

    def test_counts_all_of_its_own_day_together(self, of):
        publish()
        gather(of, "2026-06-15", points=10000)

        gather(of, "2026-06-15", points=10000)

        assert decisions(of) == [
            ("UPGRADE", "regular", "silver", "2026-06-15"),
            ("UPGRADE", "silver", "gold", "2026-06-15"),
        ]
        assert standing(of).period_from == date(2026, 6, 16)

    def test_is_told(self, of):
        from common import events

        seen = []
        events.subscribe("tier.upgraded")(seen.append)
        try:
            publish()
            decision = gather(of, "2026-06-15", points=10000)
            payload = OutboxEvent.objects.filter(name="tier.upgraded").latest("pk").payload
        finally:
            events._subscribers["tier.upgraded"].popitem()
        assert payload == {
            "member_id": of.id, "decision_id": decision.pk, "from": "regular", "to": "silver",
            "on": "2026-06-15",
        }  # fmt: skip

    def test_costs_one_round_trip_when_nothing_moves(self, of, django_assert_num_queries):
        publish()
        gather(of, "2026-06-14", points=1)

        # And the two of the test's own transaction.
        with django_assert_num_queries(3):
            gather(of, "2026-06-15", points=1)


class TestCriteria:
    def climbs(self, criterion, *amounts, **terms):
        publish({"levels": [BASE, level("t1", upgrade=criterion)], **terms})
        of = identity()
        for day, gained in amounts:
            gather(of, day, **gained)
        return queries.level_code_on(of.id, date(2030, 1, 1)) == "t1"

    @pytest.mark.parametrize(
        "measure", ["points", "purchases", "interactions", "events", "referrals"]
    )
    def test_any_measure_counts(self, measure):
        wanted = {"measure": measure, "at_least": "3"}

        assert not self.climbs(wanted, ("2026-06-15", {measure: 2}))
        Gathered.objects.all().delete()
        assert self.climbs(wanted, ("2026-06-15", {measure: 2}), ("2026-06-16", {measure: 1}))

    def test_spend_counts_to_the_cent(self):
        assert not self.climbs(spend("100.01"), ("2026-06-15", {"spend": "100.00"}))
        assert self.climbs(spend("100.01"), ("2026-06-15", {"spend": "100.01"}))

    @pytest.mark.parametrize(
        ("amounts", "climbs"),
        [
            ({"points": 9, "spend": "5"}, False),
            ({"points": 10, "spend": "4"}, False),
            ({"points": 10, "spend": "5"}, True),
        ],
    )
    def test_all(self, amounts, climbs):
        wanted = {"all": [points(10), spend(5)]}

        assert self.climbs(wanted, ("2026-06-15", amounts)) is climbs

    @pytest.mark.parametrize(
        ("amounts", "climbs"),
        [({"points": 10}, False), ({"points": 10, "events": 1}, True), ({}, False)],
    )
    def test_some_of(self, amounts, climbs):
        wanted = {
            "some": 2, "of": [points(10), spend(5), {"measure": "events", "at_least": "1"}],
        }  # fmt: skip

        assert self.climbs(wanted, ("2026-06-15", amounts)) is climbs

    def test_products_are_those_owned_on_the_day(self, of):
        from members.models import Product

        publish({"levels": [BASE, level("t1", upgrade={"measure": "products", "at_least": "2"})]})
        for number, (bought, until) in enumerate(
            [(None, None), (date(2026, 6, 16), None), (None, date(2026, 6, 15))]
        ):
            Product.objects.create(
                member_id=of.id, identifier=f"VIN{number}", purchased_on=bought, owned_until=until
            )

        assert gather(of, "2026-06-15", points=1) is None
        assert gather(of, "2026-06-16", points=1).to_level == "t1"

    @pytest.mark.parametrize(
        ("window", "days", "climbs"),
        [
            ("calendar_year", ("2025-12-31", "2026-01-01"), False),
            ("calendar_year", ("2026-01-01", "2026-12-31"), True),
            ({"months": 12}, ("2025-06-15", "2026-06-15"), False),
            ({"months": 12}, ("2025-06-16", "2026-06-15"), True),
            ({"months": 12}, ("2027-02-28", "2028-02-29"), False),
            ({"months": 12}, ("2027-03-01", "2028-02-29"), True),
            ({"months": 1}, ("2026-02-28", "2026-03-31"), False),
            ({"months": 1}, ("2026-03-01", "2026-03-31"), True),
            # The member joined on 29 February 2024.
            ("anniversary", ("2025-02-27", "2025-02-28"), False),
            ("anniversary", ("2025-02-28", "2026-02-27"), True),
            ("anniversary", ("2027-02-28", "2028-02-28"), True),
            ("anniversary", ("2028-02-28", "2028-02-29"), False),
            ("since_change", ("2020-01-01", "2028-02-29"), True),
        ],
    )
    def test_windows_hold_exactly_their_days(self, window, days, climbs):
        from tests.tiers.ladder import noon

        publish({"levels": [BASE, level("t1", upgrade=points(10))], "window": window})
        of = identity(joined_at=noon("2024-02-29"))

        for day in days:
            gather(of, day, points=5)

        assert (standing(of).level == "t1") is climbs

    def test_the_day_is_the_programmes(self, of):
        from datetime import UTC, datetime

        from programme.queries import rulebook_on
        from tiers import operations

        publish(simple(5, window="calendar_year"))
        at = datetime(2025, 12, 31, 16, tzinfo=UTC)  # midnight in Shanghai
        with transaction.atomic():
            operations.gathered(
                member=of,
                at=at,
                measured=operations.Measured(points=3),
                rulebook=rulebook_on(date(2026, 1, 1)),
            )
        gather(of, "2026-12-31", points=2)

        assert Gathered.objects.filter(day=date(2026, 1, 1)).exists()
        assert standing(of).level == "t1"


class TestLevelOnADay:
    def test_is_the_base_before_and_the_tier_from_the_day_on(self, of):
        publish()
        gather(of, "2026-06-15", points=10000)

        assert queries.level_code_on(of.id, date(2026, 6, 14)) == "regular"
        assert queries.level_code_on(of.id, date(2026, 6, 15)) == "silver"
        assert queries.level_code_on(of.id, date(2030, 1, 1)) == "silver"

    def test_is_one_indexed_query(self, of, django_assert_num_queries):
        publish()
        gather(of, "2026-06-15", points=10000)
        queries.ladder_on(date(2026, 6, 15))

        with django_assert_num_queries(1):
            queries.level_code_on(of.id, date(2026, 6, 15))

    def test_is_the_base_for_who_never_did_anything(self, of):
        publish()

        assert queries.level_code_on(of.id, date(2026, 6, 15)) == "regular"


class TestReturn:
    def test_takes_back_the_tier_its_purchase_won(self, of):
        publish()
        gather(of, "2026-06-10", points=9000, purchases=1)
        gather(of, "2026-06-15", points=1000, purchases=1)

        decision = gather(of, "2026-06-15", points=-1, now="2026-06-20")

        assert decisions(of)[1:] == [("REVOKE", "silver", "regular", "2026-06-20")]
        assert decision.evidence["met"] is False
        assert decision.evidence["of"][0]["total"] == "9999"
        assert standing(of).valid_until is standing(of).review_on is None
        assert queries.level_code_on(of.id, date(2026, 6, 19)) == "silver"
        assert queries.level_code_on(of.id, date(2026, 6, 20)) == "regular"

    def test_leaves_what_is_earned_without_it(self, of):
        publish()
        gather(of, "2026-06-10", points=9000)
        gather(of, "2026-06-15", points=2000)

        assert gather(of, "2026-06-15", points=-1000, now="2026-06-20") is None

        assert standing(of).level == "silver"

    def test_leaves_a_tier_that_a_later_purchase_would_have_won(self, of):
        publish()
        gather(of, "2026-06-10", points=10000)
        gather(of, "2026-06-15", points=10000)

        gather(of, "2026-06-10", points=-10000, now="2026-06-20")

        assert decisions(of)[1:] == [("REJUDGE", "silver", "silver", "2026-06-15")]
        assert standing(of).valid_until == date(2028, 6, 15)

    def test_of_a_step_takes_back_that_step_only(self, of):
        publish()
        gather(of, "2026-06-10", points=10000)
        gather(of, "2026-06-15", points=20000)

        gather(of, "2026-06-15", points=-20000, now="2026-06-20")

        assert decisions(of)[-1] == ("REVOKE", "gold", "silver", "2026-06-20")
        assert standing(of).valid_until == date(2028, 6, 10)


class TestLatePurchase:
    def test_counts_on_its_own_day(self, of):
        publish()
        gather(of, "2026-06-15", points=9000)

        gather(of, "2026-06-01", points=1000, now="2026-06-20")

        assert decisions(of) == [("UPGRADE", "regular", "silver", "2026-06-15")]

    def test_may_win_a_tier_that_a_later_one_had_won(self, of):
        publish()
        gather(of, "2026-06-15", points=10000)

        gather(of, "2026-06-01", points=10000, now="2026-06-20")

        assert decisions(of)[-1] == ("REJUDGE", "silver", "silver", "2026-06-01")
        assert standing(of).valid_until == date(2028, 6, 1)

    def test_still_counts_after_tiers_were_given_up(self, of):
        publish(simple(100), valid_from="2020-01-01")
        publish({"levels": []}, valid_from="2026-06-01")

        gather(of, "2026-05-30", points=100, now="2026-06-15")

        assert decisions(of) == [("UPGRADE", "regular", "t1", "2026-05-30")]
        assert queries.level_code_on(of.id, date(2026, 6, 15)) is None


class TestMany:
    """Of many members, one thing each."""

    @pytest.fixture(autouse=True)
    def _ladder(self):
        publish({"levels": [BASE, level("gold", upgrade=points(10), approval=True),
                            level("vip", upgrade=points(20))]})  # fmt: skip

    def told(self, *amounts, of=None, day="2026-06-15"):
        of = of or [identity() for _ in amounts]
        with transaction.atomic():
            gathered_many(
                [
                    (each, noon(day), Measured(points=n), programme.rulebook_on(noon(day).date()))
                    for each, n in zip(of, amounts, strict=True)
                ]
            )
        return of

    def test_each_moves_by_what_they_did(self):
        nothing, one, two = self.told(5, 20, 25)

        assert decisions(nothing) == []
        assert decisions(one) == decisions(two) == [("UPGRADE", "regular", "vip", "2026-06-15")]
        assert Gathered.objects.get(member=two.id).points == 25

    def test_what_staff_decide_waits_for_each(self):
        nothing, one, two = self.told(5, 10, 12)

        waiting = Proposal.objects.filter(state="WAITING")
        assert {each.member_id for each in waiting} == {one.id, two.id}
        assert standing(nothing).level == standing(one).level == "regular"

    @pytest.mark.parametrize("many", [2, 40])
    def test_costs_the_same_however_many_they_are(self, many, django_assert_num_queries):
        of = self.told(*[1] * many)

        # Two for the savepoint, one to count, one for what waits for staff.
        with django_assert_num_queries(4):
            self.told(*[1] * many, of=of)


class TestApproval:
    @pytest.fixture(autouse=True)
    def _ladder(self):
        section = simple(10, 20)
        section["levels"][2]["approval"] = True
        publish(section)

    def test_proposes_once_and_gives_what_needs_none(self, of):
        gather(of, "2026-06-15", points=20)
        gather(of, "2026-06-15", points=1)

        assert standing(of).level == "t1"

    def test_waits_for_staff(self, of):
        gather(of, "2026-06-15", points=10)
        assert gather(of, "2026-06-16", points=20) is None
        assert gather(of, "2026-06-17", points=1) is None

        [proposal] = Proposal.objects.all()
        assert (proposal.level, proposal.state) == ("t2", "WAITING")
        assert proposal.proposed_on == date(2026, 6, 16)
        assert proposal.evidence["total"] == "20"

    def test_waits_no_more_when_the_purchase_comes_back(self, of):
        gather(of, "2026-06-15", points=10)
        gather(of, "2026-06-16", points=20)

        gather(of, "2026-06-16", points=-1)

        assert Proposal.objects.get().state == "OBSOLETE"


def test_decisions_are_never_changed(of):
    publish()
    gather(of, "2026-06-15", points=10000)

    for change in (
        lambda: Decision.objects.update(to_level="gold"),
        lambda: Decision.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError, match="cannot be changed"), transaction.atomic():
            change()


def test_a_new_version_judges_what_happens_from_its_day_on(of):
    publish(simple(100))
    publish(simple(50), valid_from="2026-07-01")
    gather(of, "2026-06-30", points=60)
    assert standing(of).level == "regular"

    gather(of, "2026-07-01", points=0, purchases=1)

    assert standing(of).level == "t1"


def test_the_retail_ladder_by_yearly_spend(of):
    publish(RETAIL)
    gather(of, "2025-06-15", spend="4999.99")
    gather(of, "2026-06-15", spend="4999.99")
    assert standing(of).level == "regular"

    gather(of, "2026-06-16", spend="0.01")

    assert standing(of).level == "silver"
    assert YEAR == {"months": 12}
