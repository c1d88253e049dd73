"""Members are told of what became of their tier, once (P10)."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.translation import override

from messaging import operations, templates
from messaging.models import Message, Telling
from programme import queries as programme
from tests.factories import identity, staff
from tests.tiers.ladder import level, points, publish
from tiers import operations as tiers
from tiers.models import Decision, DecisionKind, Proposal
from tiers.operations import Measured

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
LADDER = {
    "levels": [
        level("regular"),
        level("silver", upgrade=points(100), validity={"months": 12}),
    ],
    "window": "since_change",
}


def tell():
    return operations.tell_changes(clock=timezone.now, behind=timedelta(0))


def told(of):
    with override("en"):
        found = Message.objects.filter(member_id=of.id).order_by("pk")
        return [(each.template, templates.shown(each.template, each.variables)) for each in found]


def gather(of, amount, *, at=None):
    at = at or timezone.now()
    return tiers.gathered(
        member=of,
        at=at,
        measured=Measured(points=amount),
        rulebook=programme.rulebook_on(timezone.localdate(at)),
    )


@pytest.fixture
def of():
    publish(LADDER)
    return identity()


def test_an_upgrade_with_the_new_tier_and_its_last_day(of):
    decision = gather(of, 100)

    assert tell() == 1

    [(template, text)] = told(of)
    assert (template, text.subject) == ("tiers.up", "Your tier is Silver now")
    with override("en"):
        assert (
            templates.template("tiers.up").variables["until"].show(decision.valid_until.isoformat())
            in text.body
        )
    Telling.objects.update(until=timezone.now() - DAY)
    tell()
    assert len(told(of)) == 1


def test_a_tier_that_is_taken_back(of):
    gather(of, 100)
    tell()
    Decision.objects.create(
        member_id=of.id,
        kind=DecisionKind.REVOKE,
        from_level="silver",
        to_level="regular",
        earned="regular",
        effective_on=timezone.localdate(),
        decided_at=timezone.now(),
        version_id=Decision.objects.get().version_id,
    )
    tell()

    template, text = told(of)[-1]
    assert (template, text.subject) == ("tiers.down", "Your tier has changed to Regular")
    assert "without end" in text.body


def test_a_tier_that_was_kept(of):
    earlier = gather(of, 100)
    Decision.objects.create(
        member_id=of.id,
        kind=DecisionKind.KEEP,
        from_level="silver",
        to_level="silver",
        earned="silver",
        effective_on=timezone.localdate(),
        decided_at=timezone.now(),
        valid_until=earlier.valid_until + 365 * DAY,
        version_id=earlier.version_id,
    )
    tell()

    assert "tiers.kept" in dict(told(of))


def test_what_waits_for_staff_is_told_and_then_their_decision_once():
    publish({"levels": [level("regular"), level("gold", upgrade=points(10), approval=True)]})
    of = identity()
    gather(of, 1000)
    tell()
    assert [template for template, _text in told(of)] == ["tiers.proposed"]

    tiers.approve_proposal(
        proposal_id=Proposal.objects.get().pk, member=of, at=timezone.now(), by=staff()
    )
    tell()

    assert [template for template, _text in told(of)] == ["tiers.proposed", "tiers.approved"]


def test_neither_history_nor_what_came_over_with_a_member_is_told(of):
    gather(of, 100, at=timezone.now() - 8 * DAY)
    Decision.objects.create(
        member_id=identity().id,
        kind=DecisionKind.START,
        from_level="regular",
        to_level="silver",
        earned="silver",
        effective_on=timezone.localdate(),
        decided_at=timezone.now(),
        granted=True,
        is_quiet=True,
    )

    assert tell() == 0
