"""Campaigns: what belongs to one counts in its days, and one budget pays for all of it (C1)."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import DatabaseError, transaction
from django.db.models import Sum
from django.utils import translation

from campaigns import gifts, operations, steps
from campaigns.models import BudgetSlice, Campaign, GiftOccasion, TaskStep
from points import statements
from points.models import Account, Activity, Entry
from programme import documents, queries
from programme.documents import InvalidProgramme
from tests.factories import buy, identity, member, rulebook
from tests.factories.activities import do, kind, named
from tests.factories.plans import campaigning, plan
from tests.factories.points import NOON
from tests.factories.programme import PLAIN
from tests.points.returning import give_back

pytestmark = pytest.mark.django_db

GUIDE = Path(__file__).parents[2] / "docs" / "programme.md"
BEFORE = datetime(2026, 5, 31, 15, 59, tzinfo=UTC)  # one minute to June in Shanghai
FIRST = datetime(2026, 5, 31, 16, 0, tzinfo=UTC)
LAST = datetime(2026, 6, 30, 15, 59, tzinfo=UTC)
AFTER = datetime(2026, 6, 30, 16, 0, tzinfo=UTC)

BASE = {"code": "base", "points": "1", "per_amount": "1"}
MORE = {"code": "more", "gives": {"percent": "50"}}
EXTRA = {"code": "extra", "gives": {"points": "30"}}
EVENT = kind("event", 50)


def left(code="spring"):
    return BudgetSlice.objects.filter(purse_id=code).aggregate(left=Sum("remaining"))["left"]


def points_of(*ats, amount="100"):
    return [buy(identity(), amount, at=at).points for at in ats]


def explanation():
    return Activity.objects.latest("pk").explanation


class TestItsDays:
    def test_a_boost_counts_from_the_first_to_the_last_day(self):
        campaigning(plan("spring", "more"), rules=[BASE], boosts=[MORE])

        assert points_of(BEFORE, FIRST, LAST, AFTER) == [100, 150, 150, 100]

    def test_a_rule_counts_only_in_them_and_leaves_the_lines_to_the_next(self):
        double = {"code": "double", "points": "2", "per_amount": "1"}
        campaigning(plan("spring", "double"), rules=[double, BASE])

        assert points_of(BEFORE, FIRST, AFTER) == [100, 200, 100]

    def test_what_belongs_to_no_campaign_counts_on_every_day(self):
        campaigning(plan("spring", "more"), rules=[BASE], boosts=[MORE, EXTRA])

        assert points_of(BEFORE, FIRST) == [130, 180]

    def test_an_activity_gives_nothing_outside_them_and_counts_towards_nothing(self):
        campaigning(plan("spring", "event"), kinds=[EVENT | {"once_per": "lifetime"}])
        of = identity()

        assert do(of, "event", at=BEFORE).posted.points == 0
        assert do(of, "event", at=FIRST).posted.points == 50  # it had not been done yet
        assert do(identity(), "event", at=AFTER).posted.points == 0

    def test_a_gift_is_given_only_in_them(self):
        campaigning(plan("spring", "welcome"), gifts=[named("welcome", when="joined", points="9")])
        of = member()

        assert gifts.give(member_id=of.pk, occasion=GiftOccasion.JOINED, at=BEFORE) == 0
        assert gifts.give(member_id=of.pk, occasion=GiftOccasion.JOINED, at=FIRST) == 9

    def test_a_task_can_still_be_done_in_them_when_its_step_was_taken_before(self):
        campaigning(plan("spring", "go"), tasks=[named("go", when="activated", points="9")])
        of = member()

        assert steps.take(member_id=of.pk, step=TaskStep.ACTIVATED, at=BEFORE) == 0
        assert not Activity.objects.exists()
        assert steps.take(member_id=of.pk, step=TaskStep.ACTIVATED, at=FIRST) == 9

    def test_two_may_have_a_code_one_after_the_other(self):
        campaigning(
            plan("spring", "more", **{"from": "2026-05-01", "until": "2026-05-31"}),
            plan("summer", "more", **{"from": "2026-06-30", "until": "2026-07-31"}),
            rules=[BASE],
            boosts=[MORE],
        )

        assert points_of(BEFORE, FIRST, LAST) == [150, 100, 150]
        assert [each.explanation.get("campaigns") for each in Activity.objects.order_by("pk")] == [
            {"spring": 50},
            None,
            {"summer": 50},
        ]

    def test_several_may_overlap(self):
        campaigning(
            plan("spring", "more"), plan("sale", "extra"), rules=[BASE], boosts=[MORE, EXTRA]
        )

        assert points_of(FIRST) == [180]
        assert explanation()["campaigns"] == {"spring": 50, "sale": 30}


class TestTheExplanation:
    def test_says_that_the_campaign_has_not_begun_or_is_over(self):
        campaigning(plan("spring", "more"), rules=[BASE], boosts=[MORE])

        buy(identity(), "100", at=BEFORE)
        assert explanation()["not_applied"] == [{"reason": "campaign_not_begun", "codes": ["more"]}]
        buy(identity(), "100", at=AFTER)
        assert explanation()["not_applied"] == [{"reason": "campaign_over", "codes": ["more"]}]

    def test_of_an_activity_names_the_campaign(self):
        campaigning(plan("spring", "event"), kinds=[EVENT])

        told = do(identity(), "event", at=AFTER).explanation
        assert told["cut"] == [{"by": "spring", "reason": "campaign_over", "points": 50}]
        assert do(identity(), "event", at=FIRST).explanation["campaigns"] == {"spring": 50}

    def test_a_quote_says_it_too(self):
        campaigning(plan("spring", "more"), rules=[BASE], boosts=[MORE])

        quoted = operations.quote(amount=Decimal(100), lines=(), at=FIRST)

        assert (quoted.points, quoted.explanation["campaigns"]) == (150, {"spring": 50})

    def test_of_a_return_after_the_end_is_judged_by_the_day_of_the_purchase(self):
        campaigning(plan("spring", "more"), rules=[BASE], boosts=[MORE])
        of = identity()
        buy(of, "100", at=FIRST, reference="A")

        back = give_back("A", "60", reference="R", at=AFTER)

        assert back.points == -90
        assert explanation()["campaigns"] == {"spring": 20}

    def test_of_the_statement_names_the_campaign(self):
        campaigning(plan("spring", "more", "event"), rules=[BASE], boosts=[MORE], kinds=[EVENT])
        of = identity()
        buy(of, "100", at=FIRST)
        do(of, "event", at=FIRST)

        entries = list(Entry.objects.filter(member_id=of.id).order_by("seq"))
        around = statements.around(entries)
        with translation.override("en"):
            told = [
                list(statements.sentences(each, around, statements.Reader())) for each in entries
            ]

        assert all("Campaign: The spring." in sentences for sentences in told)


class TestItsBudget:
    def test_is_one_purse_for_all_that_belongs_to_it(self):
        campaigning(
            plan("spring", "more", "event", "welcome", budget={"points": 125}),
            rules=[BASE],
            boosts=[MORE],
            kinds=[EVENT],
            gifts=[named("welcome", when="joined", points="40")],
        )
        of = member()

        assert buy(identity(), "100", at=FIRST).points == 150
        assert do(identity(), "event", at=FIRST).posted.points == 50
        assert left() == 25
        # The gift gets what is left …
        assert gifts.give(member_id=of.pk, occasion=GiftOccasion.JOINED, at=FIRST) == 25
        assert left() == 0
        # … and then there is only what belongs to no campaign.
        assert buy(identity(), "100", at=FIRST).points == 100
        assert do(identity(), "event", at=FIRST).posted.points == 0

    def test_in_money_is_what_it_buys(self):
        campaigning(plan("spring", "more", budget={"money": "1.25"}), rules=[BASE], boosts=[MORE])

        assert points_of(FIRST, amount="100") == [112]

    def test_gets_back_what_a_return_takes(self):
        campaigning(plan("spring", "more", budget={"points": 80}), rules=[BASE], boosts=[MORE])
        of = identity()
        buy(of, "100", at=FIRST, reference="A")
        assert left() == 30

        give_back("A", "60", reference="R", at=AFTER)

        assert left() == 60
        assert explanation()["freed"] == {"spring": 30}

    def test_pays_once_for_a_gift_however_often_it_is_told(self):
        campaigning(
            plan("spring", "welcome", budget={"points": 100}),
            gifts=[named("welcome", when="joined", points="40")],
        )
        of = member()

        given = [
            gifts.give(member_id=of.pk, occasion=GiftOccasion.JOINED, at=FIRST) for _ in range(2)
        ]

        assert (given, left()) == ([40, 0], 60)

    def test_may_be_changed_by_a_later_version(self):
        told = plan("spring", "more", budget={"points": 50})
        campaigning(told, rules=[BASE], boosts=[MORE])
        assert points_of(FIRST) == [150]
        campaigning(
            told | {"budget": {"points": 70}}, rules=[BASE], boosts=[MORE], valid_from="2026-06-10"
        )

        assert points_of(NOON) == [120]


class TestTheFile:
    def document(self, *plans, valid_from="2026-01-01"):
        document = queries.export(rulebook(rules=[BASE], boosts=[MORE, EXTRA]))
        return document | {"valid_from": valid_from, "campaigns": {"plans": list(plans)}}

    def test_comes_back_as_it_was(self):
        told = plan(
            "spring",
            "more",
            goal={"zh-hans": "让老会员回来"},
            budget={"money": "1200.5"},
            expected={"members": 1000, "points": 50000, "spend": "80000.00"},
        )

        version = campaigning(told, plan("sale", "base"), boosts=[MORE])

        assert queries.export(version)["campaigns"]["plans"] == [told, plan("sale", "base")]

    def test_without_campaigns_says_nothing_of_them(self):
        assert "campaigns" not in queries.export(rulebook())

    @pytest.mark.parametrize(
        ("plans", "where"),
        [
            ([plan("a", "more", until="2026-05-31")], "plans[0].until"),
            ([plan("a", "nothing")], "plans[0].of"),
            ([plan("a", "more"), plan("b", "more")], "plans[1].of"),
            ([plan("a", "more"), plan("a", "extra")], "plans[1].code"),
            ([plan("a", "more", budget={"points": 0})], "plans[0].budget.points"),
            ([plan("a", "more", budget={"money": "0.00"})], "plans[0].budget.money"),
            ([plan("a", "more", budget={"money": "0.05"})], "plans[0].budget.money"),
            ([plan("a", "more", budget={})], "plans[0].budget"),
            (
                [plan("a", "more", **{"from": "2025-11-01", "until": "2025-12-31"})],
                "plans[0].until",
            ),
        ],
    )
    def test_is_refused_at_the_place_that_makes_no_sense(self, plans, where):
        with pytest.raises(InvalidProgramme) as refusal:
            documents.validate(self.document(*plans))

        assert refusal.value.details["where"] == f"$.campaigns.{where}"

    def test_a_code_in_two_campaigns_is_no_mistake_where_they_do_not_meet(self):
        later = {"from": "2026-07-01", "until": "2026-07-31"}
        documents.validate(self.document(plan("a", "more"), plan("b", "more", **later)))

    def test_what_was_published_may_stand_on_when_it_is_over(self):
        over = plan("a", "more", **{"from": "2025-11-01", "until": "2025-12-31"})
        campaigning(over, boosts=[MORE], valid_from="2025-01-01")

        documents.validate(self.document(over))

    def test_what_is_published_never_changes(self):
        campaigning(plan("spring", "more"), boosts=[MORE])

        for change in (
            lambda: Campaign.objects.update(last_day="2030-01-01"),
            lambda: Campaign.objects.all().delete(),
        ):
            with pytest.raises(DatabaseError, match="published"), transaction.atomic():
                change()


def test_nothing_is_written_when_a_gift_finds_the_purse_empty():
    campaigning(
        plan("spring", "welcome", budget={"points": 1}),
        gifts=[named("welcome", when="joined", points="40")],
    )
    one, other = member(), member()

    assert gifts.give(member_id=one.pk, occasion=GiftOccasion.JOINED, at=FIRST) == 1
    assert gifts.give(member_id=other.pk, occasion=GiftOccasion.JOINED, at=FIRST) == 0
    assert list(Account.objects.filter(balance__gt=0).values_list("pk", flat=True)) == [one.pk]


def test_the_example_of_the_guide_can_be_loaded():
    text = GUIDE.read_text()
    examples = [
        re.findall(rf"```yaml\n({section}:.*?)```", text, re.DOTALL)[0]
        for section in ("activities", "campaigns")
    ]

    documents.validate(documents.parse(PLAIN.read_text() + "".join(examples)))
