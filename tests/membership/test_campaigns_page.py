"""Campaigns in the console: the year as a calendar, one with what came of it (C1)."""

import re
from datetime import date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns import campaign_queries, gifts, operations
from campaigns.campaign_queries import Figures, State
from campaigns.models import Evaluation, GiftOccasion
from common.models import AuditRecord
from programme import operations as programme
from tests.factories import buy, identity, member, rulebook, staff
from tests.factories.activities import do, kind, named
from tests.factories.plans import campaigning, plan
from tests.points.returning import give_back

pytestmark = pytest.mark.django_db
QUERIES_MAX = 10

BASE = {"code": "base", "points": "1", "per_amount": "1"}
MORE = {"code": "more", "gives": {"percent": "50"}}
JULY = {"from": "2026-07-01", "until": "2026-07-31"}


def at(day: str) -> datetime:
    """Noon of a day in Shanghai."""
    return timezone.make_aware(datetime.fromisoformat(day).replace(hour=12))


@pytest.fixture(autouse=True)
def _in_june():
    with time_machine.travel(at("2026-06-15"), tick=False):
        yield


@pytest.fixture
def manager(at_work):
    return at_work("campaign manager")


def page(*args, name="campaign"):
    return reverse(f"admin:{name}", args=args)


def text_of(response) -> str:
    assert response.status_code == 200
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))
    return text.replace("&#x27;", "'")


def states(on="2026-06-15"):
    return {run.code: run.state for run in campaign_queries.runs(on=date.fromisoformat(on))}


def drafted(*plans):
    by = staff()
    draft = programme.start_draft(by=by, at=timezone.now())
    document = draft.document | {"campaigns": {"plans": list(plans)}}
    return programme.save_draft(
        draft_id=draft.pk, document=document, revision=draft.revision, by=by, at=timezone.now()
    )


class TestStates:
    def test_go_from_approved_to_running_to_ended_to_evaluated(self):
        campaigning(plan("spring", "more"), rules=[BASE], boosts=[MORE])

        days = ["2026-05-31", "2026-06-01", "2026-06-30", "2026-07-01"]
        assert [states(day)["spring"] for day in days] == [
            State.APPROVED,
            State.RUNNING,
            State.RUNNING,
            State.ENDED,
        ]
        operations.evaluate(code="spring", text="好", at=at("2026-07-01"), by=staff())
        assert states("2026-07-01")["spring"] == State.EVALUATED

    def test_a_campaign_in_a_draft_is_planned_until_it_is_published(self):
        campaigning(plan("spring", "more"), rules=[BASE], boosts=[MORE])

        drafted(plan("spring", "more"), plan("summer", "base", **JULY))

        assert states() == {"spring": State.RUNNING, "summer": State.PLANNED}

    def test_a_later_version_that_leaves_it_out_stops_it(self):
        campaigning(plan("spring", "more"), plan("summer", "base", **JULY), boosts=[MORE])
        rulebook(valid_from="2026-06-10")

        (spring,) = campaign_queries.runs(on=date(2026, 6, 15))

        assert (spring.last_day, spring.was_stopped) == (date(2026, 6, 9), True)
        assert spring.state == State.ENDED
        # What was called off before it began is in nobody's way.
        assert "summer" not in states()

    def test_a_later_version_may_move_its_end(self):
        campaigning(plan("spring", "more"), boosts=[MORE])
        campaigning(
            plan("spring", "more", until="2026-08-31"), boosts=[MORE], valid_from="2026-06-10"
        )

        (spring,) = campaign_queries.runs(on=date(2026, 8, 15))

        assert (spring.first_day, spring.last_day) == (date(2026, 6, 1), date(2026, 8, 31))
        assert spring.state == State.RUNNING


class TestWhatCameOfIt:
    def figures(self, on="2026-07-15"):
        run = campaign_queries.run("spring", on=date.fromisoformat(on))
        return campaign_queries.outcome(run, campaign_queries.parts(run))

    def test_counts_members_purchases_points_and_spend_by_day(self):
        campaigning(
            plan("spring", "more", "event", "welcome"),
            rules=[BASE],
            boosts=[MORE],
            kinds=[kind("event", 50), kind("other", 5)],
            gifts=[named("welcome", when="joined", points="7")],
        )
        one, other = identity(), identity()
        buy(one, "100", at=at("2026-06-01"))
        buy(one, "200.50", at=at("2026-06-02"))
        buy(other, "10", at=at("2026-05-31"))
        do(other, "event", at=at("2026-06-02"))
        do(other, "other", at=at("2026-06-02"))
        gifts.give(member_id=member().pk, occasion=GiftOccasion.JOINED, at=at("2026-06-30"))

        found = self.figures()

        assert found.total == Figures(3, 2, 50 + 100 + 50 + 7, Decimal("300.50"))
        assert found.by_day == {
            date(2026, 6, 1): Figures(1, 1, 50, Decimal("100.00")),
            date(2026, 6, 2): Figures(2, 1, 150, Decimal("200.50")),
            date(2026, 6, 30): Figures(1, 0, 7, Decimal(0)),
        }

    def test_is_less_what_was_returned_since(self):
        campaigning(plan("spring", "more"), rules=[BASE], boosts=[MORE])
        for reference in ("A", "B"):
            buy(identity(), "100", at=at("2026-06-01"), reference=reference)
        give_back("A", "60", reference="R1", at=at("2026-07-05"))
        give_back("B", "40", reference="R2", at=at("2026-06-05"))
        give_back("B", "60", reference="R3", at=at("2026-07-05"))

        found = self.figures()

        assert found.total == Figures(2, 2, 20, Decimal("40.00"))

    def test_what_other_campaigns_gave_does_not_count(self):
        extra = {"code": "extra", "gives": {"points": "30"}}
        campaigning(
            plan("spring", "more"), plan("sale", "extra"), rules=[BASE], boosts=[MORE, extra]
        )
        buy(identity(), "100", at=at("2026-06-01"))

        assert self.figures().total.points == 50


class TestTheCalendar:
    def test_shows_the_campaigns_of_a_year_with_their_states(self, manager):
        campaigning(plan("spring", "more", budget={"points": 1000}), rules=[BASE], boosts=[MORE])
        drafted(plan("spring", "more"), plan("summer", "base", **JULY))
        buy(identity(), "100", at=at("2026-06-02"))

        response = manager.get(page(name="campaigns"))

        text = text_of(response)
        assert "Campaigns in 2026" in text
        assert "The spring Running , June 1, 2026 – June 30, 2026" in text
        assert "The summer Planned" in text
        assert "50 / 1,000" in text
        first, second = response.context["bars"]
        # June is the sixth month.
        assert (first.x, first.width) == (500.0, 100.0)
        assert (second.x, second.width) == (600.0, 100.0)

    def test_cuts_off_what_lies_in_other_years(self, manager):
        window = {"from": "2026-12-16", "until": "2027-01-31"}
        campaigning(plan("winter", "more", **window), boosts=[MORE])

        before = manager.get(page(name="campaigns")).context["bars"][0]
        after = manager.get(page(name="campaigns"), {"year": "2027"}).context["bars"][0]

        assert round(before.x + before.width) == 1200
        assert (after.x, after.width) == (0.0, 100.0)
        assert manager.get(page(name="campaigns"), {"year": "2028"}).context["bars"] == []

    @pytest.mark.parametrize("year", ["", "x", "-1", "0", "99999", "²", "1e3"])
    def test_another_year_than_can_be_is_this_one(self, manager, year):
        assert manager.get(page(name="campaigns"), {"year": year}).context["year"] == "2026"

    def test_needs_a_permission(self, at_work):
        assert at_work("store clerk").get(page(name="campaigns")).status_code == 403
        assert at_work("auditor").get(page(name="campaigns")).status_code == 200

    def test_costs_few_queries_however_many_there_are(self, manager):
        campaigning(
            *(plan(f"c{n}", f"b{n}", budget={"points": 10}) for n in range(20)),
            boosts=[{"code": f"b{n}", "gives": {"percent": "5"}} for n in range(20)],
        )
        manager.get(page(name="campaigns"))

        with CaptureQueriesContext(
            connection,
        ) as done:
            manager.get(page(name="campaigns"))

        assert len(done) < QUERIES_MAX, [query["sql"][:90] for query in done]


class TestOneCampaign:
    def test_tells_its_terms_its_purse_and_what_came_of_it(self, manager):
        campaigning(
            plan(
                "spring",
                "more",
                "event",
                goal={"zh-hans": "让老会员回来", "en": "Bring members back"},
                budget={"money": "100"},
                expected={"members": 4, "points": 500, "spend": "200"},
            ),
            rules=[BASE],
            boosts=[MORE],
            kinds=[kind("event", 50)],
        )
        buy(identity(), "100", at=at("2026-06-02"))
        do(identity(), "event", at=at("2026-06-03"))

        response = manager.get(page("spring"))

        text = text_of(response)
        assert "Bring members back" in text
        assert "Boost 50 % more" in text
        assert "Engagement 50 points" in text
        assert "Used 100 Left 900 In all 1,000" in text
        assert "Members reached 50 % 2 of 4" in text
        assert "Spend 50 %" in text
        assert "June 2, 2026: 50 points" in text
        assert response.context["picture"].most == 50

    def test_of_a_draft_tells_the_plan_and_where_it_is_drafted(self, manager):
        campaigning(plan("spring", "more"), rules=[BASE], boosts=[MORE])
        draft = drafted(
            plan("summer", "base", budget={"points": 5}, expected={"members": 9}, **JULY)
        )

        text = text_of(response := manager.get(page("summer")))

        assert "Planned" in text
        assert "Earning rule 1 points for every 1" in text
        assert "Members reached 9" in text
        assert reverse("admin:draft", args=[draft.pk]) in response.content.decode()
        assert "Points per day" not in text

    def test_nobody_planned_is_not_found(self, manager):
        rulebook()

        assert manager.get(page("nothing")).status_code == 404

    def test_costs_few_queries(self, at_work):
        campaigning(plan("spring", "more", budget={"points": 1000}), rules=[BASE], boosts=[MORE])
        for n in range(12):
            buy(identity(), "10", at=at(f"2026-06-{n + 1:02}"))
        operations.evaluate(code="spring", text="好", at=at("2026-07-01"), by=staff())
        with time_machine.travel(at("2026-07-02"), tick=False):
            late = at_work("campaign manager")
            late.get(page("spring"))
            with CaptureQueriesContext(connection) as done:
                assert "12" in text_of(late.get(page("spring")))

        assert len(done) < QUERIES_MAX, [query["sql"][:90] for query in done]


class TestTheEvaluation:
    @pytest.fixture(autouse=True)
    def _in_july(self):
        campaigning(plan("spring", "more"), rules=[BASE], boosts=[MORE])
        with time_machine.travel(at("2026-07-01"), tick=False):
            yield

    def test_is_written_after_the_end_and_leaves_an_audit_row(self, manager):
        response = manager.post(page("spring"), {"text": " 下次早两周开始。"}, follow=True)
        assert "下次早两周开始。" in text_of(response)
        assert "Evaluated" in text_of(response)

        (written,) = Evaluation.objects.all()
        assert (written.text, written.written_by) == ("下次早两周开始。", manager.user)
        record = AuditRecord.objects.get(action="campaign.evaluated")
        assert (record.target, record.actor) == ("spring", manager.user)

    def test_is_refused_before_the_end(self, manager):
        with time_machine.travel(at("2026-06-30"), tick=False):
            response = manager.post(page("spring"), {"text": "好"})

            assert "Keep this evaluation" not in text_of(response)
            with pytest.raises(operations.CampaignNotOver):
                operations.evaluate(code="spring", text="好", at=timezone.now(), by=manager.user)
        assert not Evaluation.objects.exists()
        assert not AuditRecord.objects.filter(action="campaign.evaluated").exists()

    def test_is_not_for_who_may_only_look(self, at_work):
        auditor = at_work("auditor")
        assert "Keep this evaluation" not in text_of(auditor.get(page("spring")))
        assert auditor.post(page("spring"), {"text": "好"}).status_code == 403
        assert not Evaluation.objects.exists()

    @pytest.mark.parametrize("text", ["", "  ", "好" * 4001])
    def test_says_something_and_not_too_much(self, manager, text):
        with pytest.raises(operations.EvaluationMissing):
            operations.evaluate(code="spring", text=text, at=timezone.now(), by=manager.user)
        assert manager.post(page("spring"), {"text": text}).status_code == 200
        assert not Evaluation.objects.exists()

    def test_of_nothing_is_refused(self):
        with pytest.raises(operations.UnknownCampaign):
            operations.evaluate(code="nothing", text="好", at=timezone.now(), by=staff())

    def test_never_changes(self):
        operations.evaluate(code="spring", text="好", at=at("2026-07-01"), by=staff())

        with pytest.raises(DatabaseError, match="append"), transaction.atomic():
            Evaluation.objects.update(text="坏")
