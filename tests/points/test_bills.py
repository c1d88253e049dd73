"""Points that pay a part of a bill at the counter (P7)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from common.models import AuditRecord
from points import operations, queries
from points.models import Entry
from points.queries import HoldState
from programme.policies import BillTerms, worth
from tests.factories import identity, lot, rulebook, staff, store
from tests.factories.points import NOON

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sound")]

BILLS = {"share": 50, "points_min": 100, "points_max": 3000, "undo_minutes": 20}


@pytest.fixture
def till():
    # Ten points are worth one yuan.
    rulebook(bills=BILLS, valid_from="2020-01-01")
    at = store()
    return operations.Till(by=staff(username="clerk"), store_id=at.pk, issuer_id=at.organization_id)


@pytest.fixture
def of():
    one = identity()
    lot(one, 5000, expires_on=date(2027, 6, 30))
    return one


def hold(of, till, bill="200", points=None, *, reference="K", at=NOON):
    return operations.hold_for_bill(
        member=of, points=points, bill=Decimal(bill), reference=reference, at=at, till=till
    )


def held(till, reference="K"):
    return queries.hold(issuer_id=till.issuer_id, reference=reference)


def done():
    found = AuditRecord.objects.filter(action__startswith="points.bill").order_by("pk")
    return [(each.action, each.actor.username, each.details["store"]) for each in found]


class TestHolding:
    def test_takes_as_many_as_the_share_of_the_bill_allows(self, of, till):
        hold(of, till)

        found = held(till)
        assert found.points == -1000  # half of 200 yuan, at ten points a yuan
        assert ("200.00" in found.note, "100.00" in found.note) == (True, True)
        assert done() == [("points.bill_held", "clerk", till.store_id)]

    @pytest.mark.parametrize(
        ("bill", "points", "refusal"),
        [
            ("200", 99, operations.TooFewForBill),
            ("200", 1001, operations.TooManyForBill),
            ("10000", 3001, operations.TooManyForBill),
            # 50 points at most: less than the least.
            ("10", None, operations.TooFewForBill),
            ("0", None, operations.InvalidBill),
            ("-5", None, operations.InvalidBill),
            ("10.005", None, operations.InvalidBill),
            ("NaN", None, operations.InvalidBill),
            ("10000000", None, operations.InvalidBill),
        ],
    )
    def test_refuses_what_the_rulebook_does_not_allow(self, of, till, bill, points, refusal):
        with pytest.raises(refusal):
            hold(of, till, bill, points)

        assert not Entry.objects.filter(kind="HOLD").exists()
        assert done() == []

    def test_is_not_offered_without_a_policy(self, of):
        rulebook(valid_from="2020-01-01")
        at = store()
        till = operations.Till(by=staff(), store_id=at.pk, issuer_id=at.organization_id)

        with pytest.raises(operations.NotForBills):
            hold(of, till)

    def test_a_second_tap_holds_no_more_also_where_the_number_was_left_open(self, of, till):
        first = hold(of, till, "100000")
        second = hold(of, till, "100000")

        assert (first.seq, first.replayed) == (second.seq, False)
        assert second.replayed
        assert queries.balance(of.id) == 2000
        assert len(done()) == 1

    def test_never_takes_more_than_there_is(self, till):
        poor = identity()
        lot(poor, 150, expires_on=date(2027, 6, 30))

        hold(poor, till)

        assert held(till).points == -150
        with pytest.raises(operations.InsufficientPoints):
            hold(poor, till, points=120, reference="K2")


class TestAfterwards:
    def test_paid_spends_once(self, of, till):
        hold(of, till)

        operations.pay_bill(held=held(till), at=NOON, till=till)
        again = operations.pay_bill(held=held(till), at=NOON, till=till)

        assert again.replayed
        assert queries.hold_status(held(till), at=NOON).state == HoldState.CONFIRMED
        assert queries.balance(of.id) == 4000
        assert [action for action, _, _ in done()] == ["points.bill_held", "points.bill_paid"]

    def test_dropped_gives_all_back(self, of, till):
        hold(of, till)

        operations.drop_bill(held=held(till), at=NOON, till=till)

        assert queries.balance(of.id) == 5000
        with pytest.raises(operations.HoldEnded):
            operations.pay_bill(held=held(till), at=NOON, till=till)

    def test_is_undone_within_its_minutes_to_the_same_lot(self, of, till):
        hold(of, till)
        operations.pay_bill(held=held(till), at=NOON, till=till)

        last = NOON + timedelta(minutes=20)
        operations.give_back_bill(held=held(till), at=last, till=till)
        again = operations.give_back_bill(held=held(till), at=last, till=till)

        assert again.replayed
        assert queries.balance(of.id) == 5000
        (left,) = queries.lots(of.id, on=NOON.date())
        assert (left.remaining, left.expires_on) == (5000, date(2027, 6, 30))
        assert done()[-1][0] == "points.bill_undone"

    def test_is_not_undone_later(self, of, till):
        hold(of, till)
        operations.pay_bill(held=held(till), at=NOON, till=till)

        with pytest.raises(operations.TooLateToGiveBack):
            operations.give_back_bill(
                held=held(till), at=NOON + timedelta(minutes=20, seconds=1), till=till
            )

        assert queries.balance(of.id) == 4000

    def test_what_was_not_paid_cannot_be_undone(self, of, till):
        hold(of, till)

        with pytest.raises(operations.HoldEnded):
            operations.give_back_bill(held=held(till), at=NOON, till=till)


@pytest.mark.parametrize("per_unit", [1, 3, 7, 10, 100, 1_000_000])
@pytest.mark.parametrize("share", [1, 33, 50, 99, 100])
@pytest.mark.parametrize("bill", ["0.01", "0.99", "7.77", "268.00", "9999999.99"])
def test_points_never_pay_more_than_their_share(bill, share, per_unit):
    amount = Decimal(bill)
    most = BillTerms(share=share).most(amount, points_per_unit=per_unit)

    assert worth(most, points_per_unit=per_unit) * 100 <= amount * share
