"""
Every pair of operations that may want the same points at once, each with its negative control.

The first has done its work and not committed; the second comes on a connection of its own and must
wait. With the locks taken away (see `unlocked`) the same scenario loses or makes points, which
`verify_ledger` finds, or the database's own constraints end it. With them, never.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from campaigns import operations as campaigns
from points import operations, queries, verification
from points.models import AdjustmentReason, Entry
from points.operations import PendingLine
from programme.policies import TransferLimit
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.concurrency.unlocked import without_locks, without_the_unique_reference
from tests.factories import identity, lot, source, staff
from tests.factories.points import NOON
from tests.points.returning import give_back

pytestmark = pytest.mark.concurrency

YEAR_END = date(2027, 12, 31)
LAPSED, JULY = date(2026, 6, 30), date(2026, 7, 1)
LATER = NOON + timedelta(hours=1)
FREELY = [TransferLimit(days=1, count=None, points=None)]


@dataclass
class Race:
    first: Callable[[], object]
    second: Callable[[], object]
    # The functions of the second, whose locks the control takes away.
    unlocked: tuple[str, ...]
    # Balances by member at the end, and what the second answers: a type, or a value.
    left: dict[int, int]
    answer: object = operations.Posting


def spend(of, points, reference="R", at=NOON):
    origin = source()
    return lambda: operations.redeem(
        member=of, points=points, at=at, reference=reference, source=origin
    )


def credit(of, points, reference="E", at=NOON, **fields):
    origin = source()
    return lambda: operations.earn(
        member=of,
        points=points,
        at=at,
        expires_on=YEAR_END,
        reference=reference,
        source=origin,
        **fields,
    )


def sweep(of, on=JULY):
    return lambda: operations.expire(low=of.id, high=of.id, on=on)


def held(of, points):
    posting = operations.hold(
        member=of, points=points, at=NOON, until=LATER, reference="H", source=source()
    )
    return entry(of, posting)


def entry(of, posting):
    return Entry.objects.get(member_id=of.id, seq=posting.seq)


def bought(of):
    """A purchase of 100.00, which the plain programme gives 10 points for."""
    purchase = campaigns.Purchase(
        member=of, reference="P1", at=NOON, amount=Decimal("100.00"), source=source()
    )
    campaigns.post_purchase(purchase=purchase, now=NOON)


def send(giver, receiver, points, reference):
    origin = source()
    return lambda: operations.transfer(
        giver=giver,
        receiver=receiver,
        points=points,
        at=NOON,
        reference=reference,
        source=origin,
        limits=FREELY,
    )


def merge(of, into):
    by, origin = staff(), source()
    return lambda: operations.merge_accounts(
        member=of, into=into, at=NOON, source=origin, by=by, note=""
    )


def unmerge(of, after_spending="debt"):
    by, origin = staff(), source()
    return lambda: operations.unmerge_accounts(
        member=of, at=LATER, source=origin, by=by, note="", after_spending=after_spending
    )


def two_tills(of):
    lot(of, 300)
    return Race(spend(of, 100, "A"), spend(of, 100, "B"), ("points_debit",), {of.id: 100})


def a_spend_and_a_hold(of):
    lot(of, 300)
    origin = source()

    def hold():
        return operations.hold(
            member=of, points=100, at=NOON, until=LATER, reference="H", source=origin
        )

    return Race(spend(of, 100), hold, ("points_debit",), {of.id: 100})


def two_earns(of):
    lot(of, 5)
    return Race(credit(of, 10, "A"), credit(of, 20, "B"), ("points_credit",), {of.id: 35})


def an_earn_while_the_night_sweeps(of):
    lot(of, 100, expires_on=LAPSED)
    return Race(sweep(of), credit(of, 50), ("points_credit",), {of.id: 50})


def the_night_while_a_till_earns(of):
    lot(of, 100, expires_on=LAPSED)
    return Race(credit(of, 50), sweep(of), ("points_expire",), {of.id: 50}, (1, 1, 100))


def the_night_while_a_till_spends(of):
    lot(of, 100, expires_on=LAPSED)
    return Race(spend(of, 70), sweep(of), ("points_expire",), {of.id: 0}, (1, 1, 30))


def a_late_redemption_while_the_night_sweeps(of):
    lot(of, 100, expires_on=LAPSED)
    lot(of, 100)
    return Race(sweep(of), spend(of, 70), ("points_debit", "points_settle"), {of.id: 30})


def a_return_while_a_till_spends(of):
    earned = entry(of, credit(of, 10)())
    lot(of, 5)
    return Race(
        spend(of, 8),
        reversal(of, earned, keep=0),
        ("points_reverse", "points_expire"),
        {of.id: -3},
        list,
    )


def a_till_while_a_return_takes(of):
    bought(of)
    lot(of, 5)
    return Race(
        lambda: give_back("P1", "100.00", reference="B1"),
        spend(of, 3),
        ("points_debit",),
        {of.id: 2},
    )


def a_confirmation_while_the_hold_is_swept(of):
    lot(of, 100)
    hold = held(of, 60)
    origin = source()
    return Race(
        lambda: operations.release_overdue(low=of.id, high=of.id, at=LATER),
        lambda: operations.confirm(held=hold, at=LATER, source=origin),
        ("points_end_hold",),
        {of.id: 100},
        operations.HoldEnded,
    )


def the_sweep_of_a_hold_while_it_is_confirmed(of):
    lot(of, 100)
    hold = held(of, 60)
    origin = source()
    return Race(
        lambda: operations.confirm(held=hold, at=NOON, source=origin),
        lambda: operations.release_overdue(low=of.id, high=of.id, at=LATER),
        ("points_end_hold",),
        {of.id: 40},
        (0, 0, 0),
    )


def a_release_while_it_is_confirmed(of):
    lot(of, 100)
    hold = held(of, 60)
    origin = source()
    return Race(
        lambda: operations.confirm(held=hold, at=NOON, points=10, source=origin),
        lambda: operations.release(held=hold, at=NOON, source=origin),
        ("points_end_hold",),
        {of.id: 90},
        operations.HoldEnded,
    )


def transfers_both_ways(of):
    other = identity()
    lot(of, 100)
    lot(other, 50)
    return Race(
        send(of, other, 30, "A"),
        send(other, of, 20, "B"),
        ("points_transfer", "points_debit", "points_receive"),
        {of.id: 90, other.id: 60},
    )


def a_transfer_while_a_till_spends(of):
    other = identity()
    lot(of, 100)
    return Race(
        spend(of, 50),
        send(of, other, 50, "A"),
        ("points_transfer", "points_debit"),
        {of.id: 0, other.id: 50},
    )


def a_merge_while_a_purchase_is_posted(of):
    other = identity()
    lot(of, 100)
    lot(other, 1)
    return Race(
        credit(of, 10), merge(of, other), ("points_merge_accounts",), {of.id: 0, other.id: 111}
    )


def a_merge_while_the_other_spends(of):
    other = identity()
    lot(of, 100)
    lot(other, 100)
    return Race(
        spend(other, 40),
        merge(of, other),
        ("points_merge_accounts", "points_receive"),
        {of.id: 0, other.id: 160},
    )


def an_unmerge_while_the_other_spends(of):
    other = identity()
    lot(of, 100)
    merge(of, other)()
    return Race(
        spend(other, 30),
        unmerge(of),
        ("points_unmerge_accounts",),
        {of.id: 100, other.id: -30},
        operations.Unmerged,
    )


def the_vesting_night_while_a_return_takes_what_waits(of):
    lot(of, 5)
    earned = waiting(of, 100)
    return Race(
        reversal(of, earned, keep=40),
        lambda: operations.vest_due(low=of.id, high=of.id, on=JULY),
        ("points_vest_due",),
        {of.id: 45},
        (1, 1, 40),
    )


def a_return_while_the_vesting_night_runs(of):
    lot(of, 5)
    earned = waiting(of, 100)
    return Race(
        lambda: operations.vest_due(low=of.id, high=of.id, on=JULY),
        reversal(of, earned, keep=40),
        ("points_reverse", "points_expire"),
        {of.id: 45},
        list,
    )


def a_line_vests_by_event_while_the_night_vests_another(of):
    lines = [PendingLine("1", 60, vests_on=JULY), PendingLine("2", 40, vests_on=None)]
    earned, origin = entry(of, credit(of, 0, "W", pending=lines)()), source()
    return Race(
        lambda: operations.vest_due(low=of.id, high=of.id, on=JULY),
        lambda: operations.vest(earned=earned, at=LATER, reference="V", source=origin, line="2"),
        ("points_vest",),
        {of.id: 100},
    )


def two_cancellations_of_one_redemption(of):
    lot(of, 100)
    spent = entry(of, spend(of, 60)())
    return Race(
        give_redeemed_back(of, spent, "C1"),
        give_redeemed_back(of, spent, "C2"),
        ("points_reinstate",),
        {of.id: 100},
        operations.NothingToReinstate,
    )


def a_member_leaves_while_a_till_earns(of):
    lot(of, 100)
    return Race(
        credit(of, 50),
        lambda: operations.forfeit(member_id=of.id, at=LATER),
        ("points_forfeit", "points_expire"),
        {of.id: 0},
    )


def a_correction_while_a_till_spends(of):
    lot(of, 300)
    by, origin = staff(), source()

    def correct():
        return operations.adjust(
            member=of,
            points=-100,
            at=NOON,
            expires_on=YEAR_END,
            reason=AdjustmentReason.DUPLICATE,
            note="",
            reference="A",
            source=origin,
            by=by,
        )

    return Race(spend(of, 100), correct, ("points_debit",), {of.id: 100})


def waiting(of, points):
    posting = credit(of, 0, "W", pending=[PendingLine("1", points, vests_on=JULY)])()
    return entry(of, posting)


def reversal(of, earned, keep):
    """A return as `campaigns` posts it, of an earn that was made here directly."""

    def take_back():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT points_reverse(%s, %s, %s, %s, 0, 60, 'debt', '{}', %s, 'Asia/Shanghai',"
                " %s, 'B', NULL, NULL, NULL, NULL)",
                [of.id, of.id, earned.seq, keep, NOON, source().issuer_id],
            )
            return cursor.fetchone()[0]

    return take_back


def give_redeemed_back(of, spent, reference):
    origin = source()
    return lambda: operations.reinstate(
        member=of, of=spent, at=LATER, reference=reference, source=origin, floor_days=30
    )


RACES = [
    two_tills,
    a_spend_and_a_hold,
    two_earns,
    an_earn_while_the_night_sweeps,
    the_night_while_a_till_earns,
    the_night_while_a_till_spends,
    a_late_redemption_while_the_night_sweeps,
    a_return_while_a_till_spends,
    a_till_while_a_return_takes,
    a_confirmation_while_the_hold_is_swept,
    the_sweep_of_a_hold_while_it_is_confirmed,
    a_release_while_it_is_confirmed,
    transfers_both_ways,
    a_transfer_while_a_till_spends,
    a_merge_while_a_purchase_is_posted,
    a_merge_while_the_other_spends,
    an_unmerge_while_the_other_spends,
    the_vesting_night_while_a_return_takes_what_waits,
    a_return_while_the_vesting_night_runs,
    a_line_vests_by_event_while_the_night_vests_another,
    two_cancellations_of_one_redemption,
    a_member_leaves_while_a_till_earns,
    a_correction_while_a_till_spends,
]


def run(race, *, may_fail=False):
    """Return what the second answers, once it has waited for the first one's commit."""
    second = Racer(race.second)
    with transaction.atomic():
        race.first()
        second.go()
        until_waiting(second)
    return second.answer(may_fail=may_fail)


@pytest.mark.parametrize("scenario", RACES, ids=lambda scenario: scenario.__name__)
def test_P1_with_the_lock_no_race_loses_a_point(of, scenario):
    race = scenario(of)

    answer = run(race)

    if isinstance(race.answer, type):
        assert isinstance(answer, race.answer), answer
    else:
        assert answer == race.answer
    assert {member: queries.balance(member) for member in race.left} == race.left


@pytest.mark.parametrize("scenario", RACES, ids=lambda scenario: scenario.__name__)
def test_P1_without_the_lock_the_same_race_loses_points(of, scenario, breaks_the_ledger):
    """The control: were the lock not there, the test before would fail."""
    race = scenario(of)

    with without_locks(*race.unlocked):
        answer = run(race, may_fail=True)

    report = verification.Report()
    verification.verify(report=report, low=min(race.left), high=max(race.left))
    assert report.differences or isinstance(answer, DatabaseError), answer


def an_earn(of):
    return credit(of, 10)


def an_earn_that_waits(of):
    return credit(of, 0, pending=[PendingLine("1", 10, vests_on=JULY)])


def a_redemption(of):
    lot(of, 100)
    return spend(of, 40)


def a_hold(of):
    lot(of, 100)
    origin = source()
    return lambda: operations.hold(
        member=of, points=40, at=NOON, until=LATER, reference="H", source=origin
    )


def a_transfer(of):
    lot(of, 100)
    return send(of, identity(), 40, "T")


def a_part_given_back(of):
    lot(of, 100)
    spent, origin = entry(of, spend(of, 60)()), source()
    return lambda: operations.reinstate(
        member=of, of=spent, at=LATER, reference="C", source=origin, floor_days=30, points=20
    )


def _correction(of, points):
    lot(of, 100)
    by, origin = staff(), source()
    return lambda: operations.adjust(
        member=of,
        points=points,
        at=NOON,
        expires_on=YEAR_END,
        reason=AdjustmentReason.DUPLICATE,
        note="",
        reference="A",
        source=origin,
        by=by,
    )


def a_correction_up(of):
    return _correction(of, 10)


def a_correction_down(of):
    return _correction(of, -10)


def a_grant(of):
    line = operations.Grant(member=of, points=10, at=NOON, expires_on=YEAR_END, reference="G")
    origin = source()

    def work():
        with transaction.atomic():
            return operations.grant(grants=[line], source=origin)[0]

    return work


def a_confirmation(of):
    lot(of, 100)
    hold, origin = held(of, 60), source()
    return lambda: operations.confirm(held=hold, at=NOON, points=50, source=origin)


def a_release(of):
    lot(of, 100)
    hold, origin = held(of, 60), source()
    return lambda: operations.release(held=hold, at=NOON, source=origin)


def a_vesting(of):
    earned, origin = waiting(of, 100), source()
    return lambda: operations.vest(earned=earned, at=LATER, reference="V", source=origin)


# What only the unique reference keeps from being done twice.
ONLY_NAMED = [
    an_earn,
    an_earn_that_waits,
    a_redemption,
    a_hold,
    a_transfer,
    a_part_given_back,
    a_correction_up,
    a_correction_down,
]
# What finds its hold or its wait gone, or looks once more when it has the accounts.
ALSO_SEEN = [a_confirmation, a_release, a_vesting, a_grant]


@pytest.mark.parametrize("scenario", ONLY_NAMED + ALSO_SEEN, ids=lambda scenario: scenario.__name__)
def test_P1_one_reference_from_eight_connections_has_one_effect(of, scenario):
    work = scenario(of)
    before = Entry.objects.count()

    answers = at_once(*[work] * 8)

    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 7, answers
    assert len({answer.balance_after for answer in answers}) == 1
    written = Entry.objects.order_by("recorded_at", "member_id", "seq")[before:]
    assert len(written) == len({(one.member_id, one.kind) for one in written})


@pytest.mark.parametrize("scenario", ONLY_NAMED, ids=lambda scenario: scenario.__name__)
def test_P1_without_the_unique_reference_a_replay_is_done_twice(of, scenario):
    """The control of the test before. The ledger still adds up: with the points of both."""
    work = scenario(of)

    with without_the_unique_reference():
        answer = run(Race(work, work, (), {}))
        references = Entry.objects.exclude(reference=None).values_list("kind", "reference")
        twice = len(references) - len(set(references))

    assert not answer.replayed
    assert twice == 1
