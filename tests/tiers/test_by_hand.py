"""What somebody or a product gives (T5), and what staff decide."""

from datetime import date

import pytest
from django.db import transaction
from django.utils import translation
from django.utils.timezone import localdate

from common import approvals, events
from common.models import AuditRecord
from members import operations as members
from members.models import Product
from messaging import templates
from messaging.models import Message
from tests.factories import identity, member, staff
from tests.tiers.ladder import (
    BASE,
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
from tiers import approvals as tier_approvals
from tiers import nightly, operations, queries, words
from tiers.models import Decision, Proposal

pytestmark = pytest.mark.django_db

DAY = "2026-06-15"


@pytest.fixture
def of():
    return identity()


@pytest.fixture
def _ladder():
    publish(simple(10, 20, 30))


def by_hand(of, code="t2", *, until="2026-08-31", on=DAY, **more):
    return operations.set_manual(
        member=of,
        level=code,
        until=date.fromisoformat(until) if until else None,
        at=noon(on),
        **{"reason": "a guest of the house", "by": staff()} | more,
    )


@pytest.mark.usefixtures("_ladder")
class TestManual:
    def test_holds_until_its_last_day_and_then_what_was_earned_shows(self, of):
        gather(of, "2026-06-01", points=10)
        decision = by_hand(of)
        assert (decision.actor_id, decision.reason) == (decision.actor_id, "a guest of the house")
        assert standing(of).level == "t2"
        assert standing(of).earned == "t1"

        assert nightly.review_standings(day=date(2026, 8, 31))["members"] == 0
        nightly.review_standings(day=date(2026, 9, 1))
        nightly.review_standings(day=date(2026, 9, 1))

        assert decisions(of)[1:] == [
            ("MANUAL", "t1", "t2", DAY),
            ("MANUAL_END", "t2", "t1", "2026-09-01"),
        ]
        assert standing(of).valid_until == date(2027, 6, 1)
        assert queries.level_code_on(of.id, date(2026, 8, 31)) == "t2"
        assert queries.level_code_on(of.id, date(2026, 9, 1)) == "t1"

    def test_what_is_earned_goes_on_beneath_it(self, of):
        by_hand(of)
        gather(of, "2026-06-16", points=10)
        assert standing(of).level == "t2"

        gather(of, "2026-06-17", points=30)

        assert decisions(of) == [
            ("MANUAL", "regular", "t2", DAY),
            ("UPGRADE", "t2", "t2", "2026-06-16"),
            ("UPGRADE", "t2", "t3", "2026-06-17"),
        ]

    def test_ends_on_its_day_though_the_tier_beneath_it_was_kept_meanwhile(self, of):
        gather(of, "2026-06-01", points=10)
        gather(of, "2026-06-02", points=10)
        by_hand(of, until="2027-12-31")

        nightly.review_standings(day=date(2027, 6, 2))
        assert decisions(of)[-1] == ("KEEP", "t2", "t2", "2027-06-02")
        assert standing(of).review_on == date(2028, 1, 1)
        nightly.review_standings(day=date(2028, 1, 1))

        assert decisions(of)[-1] == ("MANUAL_END", "t2", "t1", "2028-01-01")

    def test_can_be_ended(self, of):
        by_hand(of, until=None)

        operations.end_manual(member=of, reason="a mistake", at=noon("2026-07-01"), by=staff())

        assert decisions(of)[-1] == ("MANUAL_END", "t2", "regular", "2026-07-01")
        with pytest.raises(operations.NothingByHand):
            operations.end_manual(member=of, reason="again", at=noon("2026-07-01"), by=staff())

    @pytest.mark.parametrize(
        ("asked", "refusal"),
        [
            ({"code": "t1"}, operations.NotHigher),
            ({"code": "platinum"}, operations.UnknownLevel),
            ({"until": "2026-06-14"}, operations.EndsTooSoon),
            ({"reason": "  "}, operations.SayWhy),
        ],
    )
    def test_is_refused(self, of, asked, refusal):
        gather(of, "2026-06-01", points=10)

        with pytest.raises(refusal), transaction.atomic():
            by_hand(of, **asked)

        assert len(decisions(of)) == 1
        assert standing(of).manual == ""

    def test_is_written_into_the_audit(self, of):
        by_hand(of)

        assert AuditRecord.objects.filter(action="tier.manual", target=of.number).exists()

    def test_survives_a_return(self, of):
        gather(of, "2026-06-01", points=10)
        by_hand(of)

        gather(of, "2026-06-01", points=-10, now="2026-06-20")

        assert standing(of).level == "t2"
        assert standing(of).earned == "regular"

    def test_takes_two(self, of):
        asking, deciding = staff(), staff()
        request = tier_approvals.ask_for_manual(
            member=of, level="t2", until=date(2026, 8, 31), reason="a guest", reference="F-1",
            at=noon(DAY), by=asking,
        )  # fmt: skip
        assert decisions(of) == []
        assert dict(approvals.facts(request))

        with pytest.raises(approvals.OwnRequest):
            approvals.approve(approval_id=request.pk, by=asking, at=noon(DAY))
        approvals.approve(approval_id=request.pk, by=deciding, at=noon(DAY))

        decision = Decision.objects.get()
        assert (decision.actor, decision.approved_by) == (asking, deciding)
        assert standing(of).manual_until == date(2026, 8, 31)


@pytest.mark.usefixtures("_ladder")
class TestExtension:
    def test_moves_the_end(self, of):
        gather(of, "2025-06-15", points=10)

        operations.extend(
            member=of, until=date(2026, 12, 31), reason="goodwill", at=noon("2026-06-15"),
            by=staff(),
        )  # fmt: skip

        assert decisions(of)[-1] == ("EXTEND", "t1", "t1", DAY)
        assert standing(of).valid_until == date(2026, 12, 31)
        assert nightly.review_standings(day=date(2026, 12, 31))["members"] == 0
        assert nightly.review_standings(day=date(2027, 1, 1))["downgraded"] == 1

    def test_survives_a_late_purchase(self, of):
        gather(of, "2025-06-15", points=10)
        operations.extend(
            member=of, until=date(2026, 12, 31), reason="goodwill", at=noon(DAY), by=staff()
        )

        gather(of, "2025-06-16", points=1, now="2026-06-20")

        assert standing(of).valid_until == date(2026, 12, 31)
        assert decisions(of)[-1][0] == "EXTEND"

    def test_takes_two(self, of):
        gather(of, "2025-06-15", points=10)
        request = tier_approvals.ask_to_extend(
            member=of, until=date(2026, 12, 31), reason="goodwill", reference="F-2",
            at=noon("2026-06-01"), by=staff(),
        )  # fmt: skip

        approvals.approve(approval_id=request.pk, by=staff(), at=noon("2026-06-01"))

        assert standing(of).valid_until == date(2026, 12, 31)

    def test_is_refused_where_there_is_no_end_or_it_is_later(self, of):
        with pytest.raises(operations.NothingToExtend), transaction.atomic():
            operations.extend(
                member=of, until=date(2026, 12, 31), reason="x", at=noon(DAY), by=staff()
            )
        gather(of, DAY, points=10)
        with pytest.raises(operations.EndsTooSoon), transaction.atomic():
            operations.extend(
                member=of, until=date(2027, 6, 15), reason="x", at=noon(DAY), by=staff()
            )


class TestStartingTier:
    @pytest.fixture(autouse=True)
    def _ladder(self):
        publish(
            simple(10, 20, products=[{"name": "S", "level": "t2"}, {"name": "E", "level": "t1"}])
        )

    def bind(self, of, name, identifier="VIN1"):
        with transaction.atomic():
            members.add_product(
                member_id=of.id,
                product=members.ProductFacts(identifier=identifier, name=name),
                bound_at=noon(DAY),
            )
        events.deliver_waiting(now=noon("2099-01-01"))

    def test_comes_with_the_product(self, of):
        self.bind(of, "S")

        assert decisions(of) == [("START", "regular", "t2", DAY)]
        assert standing(of).valid_until == date(2027, 6, 15)

    def test_reads_well(self, of):
        self.bind(of, "S")

        with translation.override("en"):
            assert words.why(queries.decisions(of.id)[0]) == [
                "T2 came with S on June 15, 2026.",
                "It is valid until June 15, 2027, that day included.",
                "Judged by the rulebook's version 1.",
            ]

    def test_comes_once(self, of):
        self.bind(of, "S")
        operations.start_by_products(member=of, at=noon(DAY))
        nightly.review_standings(day=date(2027, 6, 16))
        operations.start_by_products(member=of, at=noon("2027-06-17"))

        assert [kind for kind, *_ in decisions(of)] == ["START", "DOWNGRADE"]

    def test_is_never_a_step_down(self, of):
        gather(of, "2026-06-01", points=20)

        self.bind(of, "E")

        assert [kind for kind, *_ in decisions(of)] == ["UPGRADE"]

    def test_is_nothing_for_other_products(self, of):
        self.bind(of, "X")

        assert decisions(of) == []

    def test_survives_a_return(self, of):
        gather(of, "2026-06-01", points=5)
        self.bind(of, "S")

        gather(of, "2026-06-01", points=-5, now="2026-06-20")

        assert standing(of).level == "t2"
        assert Product.objects.filter(member=of.id).count() == 1


class TestProposal:
    @pytest.fixture(autouse=True)
    def _ladder(self, of):
        section = simple(10, 20)
        section["levels"][2]["approval"] = True
        publish(section)
        gather(of, "2026-06-01", points=10)
        gather(of, "2026-06-10", points=20)

    def test_approved_it_happens_from_that_day(self, of):
        deciding = staff()

        decision = operations.approve_proposal(
            proposal_id=Proposal.objects.get().pk, member=of, at=noon(DAY), by=deciding
        )

        assert decisions(of)[-1] == ("UPGRADE", "t1", "t2", DAY)
        assert decision.evidence["total"] == "20"
        proposal = Proposal.objects.get()
        assert (proposal.state, proposal.decided_by, proposal.decision) == (
            "APPROVED", deciding, decision,
        )  # fmt: skip
        assert standing(of).valid_until == date(2027, 6, 15)

    def test_approved_it_survives_a_late_purchase(self, of):
        operations.approve_proposal(
            proposal_id=Proposal.objects.get().pk, member=of, at=noon(DAY), by=staff()
        )

        gather(of, "2026-06-02", points=1, now="2026-06-20")

        assert standing(of).level == "t2"

    def test_rejected_it_does_not(self, of):
        proposal_id = Proposal.objects.get().pk

        operations.reject_proposal(
            proposal_id=proposal_id, member=of, at=noon(DAY), by=staff(), note="not yet"
        )

        assert standing(of).level == "t1"
        with pytest.raises(operations.ProposalDecided):
            operations.approve_proposal(
                proposal_id=proposal_id, member=of, at=noon(DAY), by=staff()
            )

    def test_of_somebody_else_is_not_found(self):
        with pytest.raises(operations.UnknownProposal):
            operations.approve_proposal(
                proposal_id=Proposal.objects.get().pk, member=identity(), at=noon(DAY), by=staff()
            )


class TestDecidedIsTold:
    @pytest.fixture
    def proposal_id(self, of):
        section = simple(10, 20)
        section["levels"][2]["approval"] = True
        publish(section)
        gather(of, "2026-06-01", points=10)
        gather(of, "2026-06-10", points=20)
        return Proposal.objects.get().pk

    def said(self, of, language="en"):
        [message] = Message.objects.filter(member=of.id)
        with translation.override(language):
            text = templates.shown(message.template, message.variables)
        return text.subject, text.body

    def test_approved_with_the_day_and_the_note(self, of, proposal_id):
        operations.approve_proposal(
            proposal_id=proposal_id, member=of, at=noon(DAY), by=staff(), note="welcome 100 %"
        )

        assert self.said(of) == (
            "Your upgrade to T2 is approved",
            "Your tier is T2 from June 15, 2026 on.\nOur staff add: welcome 100 %",
        )

    def test_approved_without_a_note(self, of, proposal_id):
        operations.approve_proposal(proposal_id=proposal_id, member=of, at=noon(DAY), by=staff())

        assert self.said(of)[1] == "Your tier is T2 from June 15, 2026 on."

    def test_declined_with_the_reason(self, of, proposal_id):
        operations.reject_proposal(
            proposal_id=proposal_id, member=of, at=noon(DAY), by=staff(), note="资料不全"
        )

        assert self.said(of) == (
            "Your upgrade to T2 was declined",
            (
                "Your upgrade to T2, proposed or applied for on June 10, 2026, was declined.\n"
                "Reason: 资料不全"
            ),
        )

    def test_refused_nothing_is_said(self, of, proposal_id):
        with pytest.raises(operations.SayWhy), transaction.atomic():
            operations.reject_proposal(
                proposal_id=proposal_id, member=of, at=noon(DAY), by=staff(), note=" "
            )

        assert not Message.objects.exists()


class TestApplication:
    @pytest.fixture(autouse=True)
    def _ladder(self):
        publish(
            {
                "levels": [
                    BASE,
                    level("t1", upgrade=points(10)),
                    level("t2", application=spend(50000, window="calendar_year")),
                ]
            }
        )

    def apply(self, of, code="t2"):
        return operations.apply(member=of, level=code, text="please", at=noon(DAY))

    def test_waits_for_staff(self, of):
        gather(of, DAY, spend="50000")

        proposal = self.apply(of)
        assert self.apply(of) == proposal
        assert (proposal.kind, proposal.evidence["met"]) == ("APPLICATION", True)
        operations.approve_proposal(proposal_id=proposal.pk, member=of, at=noon(DAY), by=staff())

        assert standing(of).level == "t2"

    def test_needs_the_figures(self, of):
        gather(of, "2025-12-31", spend="50000")
        gather(of, DAY, spend="49999.99")

        with pytest.raises(operations.CannotApply), transaction.atomic():
            self.apply(of)
        with pytest.raises(operations.CannotApply), transaction.atomic():
            self.apply(of, "t1")
        with pytest.raises(operations.UnknownLevel), transaction.atomic():
            self.apply(of, "t9")
        assert not Proposal.objects.exists()


def test_nothing_can_be_given_where_there_are_no_tiers(of):
    from tests.factories import plain

    plain()
    assert operations.start_by_products(member=of, at=noon(DAY)) is None
    assert not queries.ladder_on(localdate(noon(DAY)))
    assert member().number
