"""Who pays for points, and what a debit cost whom (P13)."""

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest
from django.db import transaction

from points import operations, queries
from points.models import AdjustmentReason, Entry, Funding
from points.queries import Cost
from programme.policies import FundingShare
from tests.factories import (
    brand,
    buy,
    dealer,
    identity,
    lot,
    rulebook,
    source,
    staff,
    store,
)
from tests.factories.points import NOON
from tests.points.ledger import entry, latest
from tests.points.returning import give_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sound")]

SOON = date(2026, 6, 30)
LATEST = date(2027, 6, 30)


def earn(of, points, funding, *, reference, expires_on=LATEST):
    return operations.earn(
        member=of,
        points=points,
        at=NOON,
        expires_on=expires_on,
        reference=reference,
        source=source(funding_id=funding),
    )


def redeem(of, points, reference="R"):
    operations.redeem(member=of, points=points, at=NOON, reference=reference, source=source())
    return latest(of)


def borne(entry):
    """What each payer bears of an entry, together."""
    total = Counter()
    for cost in queries.cost_of(entry):
        total[cost.organization_id] += cost.points
    return dict(total)


class TestFunding:
    def test_the_same_payers_are_known_by_the_same_id(self):
        one, other = dealer(), dealer()

        first = operations.funding([(one.pk, 6_000, "spring"), (other.pk, 4_000, "")])
        operations.forget_cached()
        again = operations.funding([(other.pk, 4_000, ""), (one.pk, 6_000, "spring")])

        assert first == again
        assert Funding.objects.count() == 1
        assert str(Funding.objects.get()) == f"{one.pk}: 60 %, {other.pk}: 40 %"

    def test_other_shares_and_other_purses_are_others(self):
        one, other = dealer(), dealer()

        known = {
            operations.funding([(one.pk, 10_000, "")]),
            operations.funding([(one.pk, 10_000, "spring")]),
            operations.funding([(other.pk, 10_000, "")]),
            operations.funding([(one.pk, 5_000, ""), (other.pk, 5_000, "")]),
            operations.funding([(one.pk, 5_000, ""), (one.pk, 5_000, "spring")]),
        }

        assert len(known) == 5

    @pytest.mark.parametrize(
        "shares",
        [[], [9_999], [10_001], [10_000, 0], [10_001, -1], [5_000, 4_999], [5_000, 5_001]],
    )
    def test_shares_are_positive_and_together_the_whole(self, shares):
        purses = [(dealer().pk, share, "") for share in shares]

        with pytest.raises(operations.InvalidFunding):
            operations.funding(purses)
        assert not Funding.objects.exists()

    def test_nobody_is_named_twice(self):
        one = dealer()

        with pytest.raises(operations.InvalidFunding):
            operations.funding([(one.pk, 5_000, ""), (one.pk, 5_000, "")])

    def test_is_asked_of_the_database_once(
        self, django_assert_num_queries, django_capture_on_commit_callbacks
    ):
        one = dealer()
        with django_capture_on_commit_callbacks(execute=True):
            first = operations.funding([(one.pk, 10_000, "")])

        with django_assert_num_queries(0):
            assert operations.funding([(one.pk, 10_000, "")]) == first

    def test_what_was_rolled_back_is_not_remembered(self):
        one = dealer()
        with transaction.atomic():
            operations.funding([(one.pk, 10_000, "")])
            transaction.set_rollback(True)

        assert Funding.objects.filter(pk=operations.funding([(one.pk, 10_000, "")])).exists()


class TestPolicy:
    def payers(self, *shares, store_id=None, issuer_id=None):
        funding_id = operations.funding_by_policy(
            shares, store_id=store_id, issuer_id=issuer_id or brand().pk
        )
        found = Funding.objects.get(pk=funding_id)
        return set(zip(found.organizations, found.shares, found.budgets, strict=True))

    def test_names_the_brand_the_stores_organization_and_others_by_their_codes(self):
        shop, partner = store(), dealer(code="BANK")

        assert self.payers(
            FundingShare("brand", 5_000),
            FundingShare("store", 3_000, "spring"),
            FundingShare("BANK", 2_000),
            store_id=shop.pk,
        ) == {
            (brand().pk, 5_000, ""),
            (shop.organization_id, 3_000, "spring"),
            (partner.pk, 2_000, ""),
        }

    def test_without_a_store_the_issuer_pays_its_share(self):
        issuer = dealer()

        assert self.payers(FundingShare("store", 10_000), issuer_id=issuer.pk) == {
            (issuer.pk, 10_000, "")
        }

    def test_shares_of_one_purse_are_added_up(self):
        shop = store(brand())

        assert self.payers(
            FundingShare("brand", 6_000), FundingShare("store", 4_000), store_id=shop.pk
        ) == {(brand().pk, 10_000, "")}

    def test_an_organization_nobody_knows_cannot_pay(self):
        with pytest.raises(operations.InvalidFunding):
            self.payers(FundingShare("NOBODY", 10_000))

    def test_a_purchase_is_paid_as_its_rulebook_says(self):
        rulebook(
            funding=[
                {"payer": "brand", "share": "60"},
                {"payer": "store", "share": "40", "budget": "sales"},
            ]
        )
        of, shop = identity(), store()

        buy(of, "100.00", store=shop)

        assert queries.cost_of(redeem(of, 5)) == [
            Cost(1, brand().pk, "", Decimal(3)),
            Cost(1, shop.organization_id, "sales", Decimal(2)),
        ]


class TestCost:
    @pytest.fixture
    def payers(self):
        return [dealer() for _ in range(3)]

    @pytest.fixture
    def of(self, payers):
        """11 until the end of June, paid 60 to 40; 100 later, a third each, as near as can be."""
        rulebook()
        of = identity()
        first, second, third = (payer.pk for payer in payers)
        shared = operations.funding([(first, 6_000, ""), (second, 4_000, "spring")])
        thirds = operations.funding([(first, 3_333, ""), (second, 3_333, ""), (third, 3_334, "")])
        earn(of, 11, shared, reference="E-1", expires_on=SOON)
        earn(of, 100, thirds, reference="E-2")
        return of

    def test_of_a_redemption_is_told_lot_by_lot(self, of, payers):
        first, second, third = (payer.pk for payer in payers)

        costs = queries.cost_of(redeem(of, 18))

        assert costs == [
            Cost(1, first, "", Decimal("6.6")),
            Cost(1, second, "spring", Decimal("4.4")),
            Cost(2, first, "", Decimal("2.3331")),
            Cost(2, second, "", Decimal("2.3331")),
            Cost(2, third, "", Decimal("2.3338")),
        ]
        assert sum(cost.points for cost in costs) == 18

    def test_what_nobody_is_known_to_pay_is_told_so(self, of):
        lot(of, 4, expires_on=date(2026, 6, 20))

        costs = queries.cost_of(redeem(of, 15))

        assert costs[0] == Cost(3, None, "", Decimal(4))
        assert sum(cost.points for cost in costs) == 15

    def test_of_a_hold_that_was_spent_in_part(self, of, payers):
        operations.hold(
            member=of, points=18, at=NOON, until=NOON.replace(hour=5), reference="H",
            source=source(),
        )  # fmt: skip
        operations.confirm(held=entry(of, 3), points=10, at=NOON, source=source())

        assert borne(entry(of, 4)) == {payers[0].pk: Decimal(6), payers[1].pk: Decimal(4)}
        # What went back cost nobody anything.
        assert queries.cost_of(entry(of, 5)) == []

    def test_of_what_expired(self, of, payers):
        operations.expire(low=of.id, high=of.id, on=date(2026, 7, 1))

        assert borne(latest(of)) == {
            payers[0].pk: Decimal("6.6"),
            payers[1].pk: Decimal("4.4"),
        }

    def test_of_a_correction_and_of_a_return(self, of, payers):
        operations.adjust(
            member=of, points=-11, at=NOON, expires_on=LATEST, reason=AdjustmentReason.DUPLICATE,
            note="", reference="A", source=source(), by=staff(),
        )  # fmt: skip
        assert borne(latest(of)) == {payers[0].pk: Decimal("6.6"), payers[1].pk: Decimal("4.4")}

        buy(of, "50.00", reference="P")
        give_back("P", "20.00", reference="B")
        assert borne(latest(of)) == {brand().pk: Decimal(2)}

    def test_of_a_credit_is_who_pays_for_it(self, of, payers):
        assert borne(entry(of, 1)) == {payers[0].pk: Decimal("6.6"), payers[1].pk: Decimal("4.4")}

    def test_goes_along_with_a_transfer(self, of, payers):
        to = identity()
        operations.transfer(
            giver=of, receiver=to, points=11, at=NOON, reference="T", source=source(), limits=[]
        )

        assert borne(redeem(to, 10, "R-2")) == {payers[0].pk: Decimal(6), payers[1].pk: Decimal(4)}

    def test_of_points_given_back_and_spent_again_is_the_same(self, of):
        before = borne(redeem(of, 18))
        operations.reinstate(
            member=of, of=latest(of), at=NOON, reference="C", source=source(), floor_days=30
        )

        assert borne(redeem(of, 18, "R-2")) == before

    def test_is_one_query_for_the_lots_and_one_for_the_payers(self, of, django_assert_num_queries):
        spent = redeem(of, 18)

        with django_assert_num_queries(2):
            queries.cost_of(spent)

    def test_all_that_was_earned_is_borne_by_somebody_in_the_end(self, of, payers):
        redeem(of, 70)
        operations.expire(low=of.id, high=of.id, on=date(2028, 1, 1))

        total = Counter()
        for debit in Entry.objects.filter(member_id=of.id, points__lt=0):
            total.update(borne(debit))
        first, second, third = (payer.pk for payer in payers)
        assert total == {
            first: Decimal("6.6") + Decimal("33.33"),
            second: Decimal("4.4") + Decimal("33.33"),
            third: Decimal("33.34"),
        }
