"""What members own: identifiers, and how a product changes hands (M2)."""

from datetime import date, timedelta

import pytest
from django.utils.timezone import localdate
from hypothesis import given
from hypothesis import strategies as st

from common.models import AuditRecord, OutboxEvent
from members import operations, products
from members.models import Product
from members.operations import NotOwned, OwnershipOutOfRange, ProductTaken
from tests.factories import member, rulebook, staff
from tests.factories.points import NOON

VIN = "LSVAA49J132047371"
TODAY = localdate(NOON)
VINS = st.text(sorted(products.VIN_VALUES), min_size=17, max_size=17).map(products.with_check_digit)


class TestVin:
    # The example of 49 CFR 565.15(c), and numbers of which all weights are the sum.
    @pytest.mark.parametrize("vin", ["1M8GDM9AXKP042788", "11111111111111111", VIN])
    def test_published_ones_fit(self, vin):
        products.require_vin(vin)

    @given(VINS, st.integers(0, 16), st.sampled_from(sorted(products.VIN_VALUES)))
    def test_one_other_character_of_another_value_is_found(self, vin, place, character):
        values = products.VIN_VALUES
        wrong = vin[:place] + character + vin[place + 1 :]
        same = values.get(character) == values.get(vin[place]) if place != 8 else wrong == vin

        if same:
            products.require_vin(vin)
        else:
            with pytest.raises(products.InvalidVin):
                products.require_vin(wrong)

    @pytest.mark.parametrize(
        "identifier", ["", "LSVAA49J13204737", "LSVAA49J1320473711", "LSVAA49J13204737I", "SN-001"]
    )
    def test_what_has_another_form_is_none(self, identifier):
        with pytest.raises(products.InvalidVin):
            products.require_vin(identifier)


@pytest.mark.django_db
class TestBinding:
    def bind(self, of, identifier=VIN, **facts):
        return operations.add_product(
            member_id=of.pk,
            product=operations.ProductFacts(identifier=identifier, **facts),
            bound_at=NOON,
        )

    def test_a_programme_of_cars_takes_none_but_true_vins(self):
        rulebook(product_identifiers="vin")
        of = member()

        with pytest.raises(products.InvalidVin):
            self.bind(of, "LSVAA49J132047372")
        assert not Product.objects.exists()
        assert self.bind(of, VIN.lower()).identifier == VIN

    def test_any_other_programme_takes_serial_numbers(self):
        rulebook()

        assert self.bind(member(), "LSVAA49J132047372")

    def test_a_product_goes_from_one_member_to_another_and_its_past_stays(self):
        first, second, clerk = member(), member(), staff()
        mine = self.bind(first, name="朗逸", purchased_on=date(2026, 1, 31))
        OutboxEvent.objects.all().delete()

        theirs = operations.hand_over(
            product_id=mine.pk, member_id=first.pk, to_id=second.pk, on=TODAY, at=NOON,
            by=clerk, reason="二手车过户",
        )  # fmt: skip

        mine.refresh_from_db()
        assert (mine.member_id, mine.owned_until) == (first.pk, TODAY)
        assert (theirs.member_id, theirs.identifier, theirs.name) == (second.pk, VIN, "朗逸")
        assert (theirs.purchased_on, theirs.owned_until) == (TODAY, None)
        # One for each room that hears it.
        for told in OutboxEvent.objects.all():
            assert told.name == "member.product_bound"
            assert told.payload == {"member_id": second.pk, "bound_at": NOON.isoformat()}
        assert OutboxEvent.objects.exists()
        assert list(
            AuditRecord.objects.filter(actor=clerk).order_by("pk").values_list("action", "target")
        ) == [
            ("member.product_released", first.number),
            ("member.product_bound", second.number),
        ]

    def test_what_was_sold_is_free_for_whoever_binds_it_next(self):
        first, second = member(), member()
        mine = self.bind(first)
        with pytest.raises(ProductTaken):
            self.bind(second)

        operations.end_ownership(
            product_id=mine.pk, member_id=first.pk, on=TODAY, at=NOON, by=staff(), reason="卖出"
        )

        assert self.bind(second)

    @pytest.mark.parametrize("on", [TODAY + timedelta(days=1), date(2026, 1, 30)])
    def test_nobody_sells_tomorrow_nor_before_the_purchase(self, on):
        of, other = member(), member()
        mine = self.bind(of, purchased_on=date(2026, 1, 31))

        for act in (
            operations.end_ownership,
            lambda **k: operations.hand_over(to_id=other.pk, **k),
        ):
            with pytest.raises(OwnershipOutOfRange):
                act(product_id=mine.pk, member_id=of.pk, on=on, at=NOON, by=None, reason="")
        mine.refresh_from_db()
        assert mine.owned_until is None

    def test_what_somebody_does_not_own_cannot_be_given(self):
        owner, other, closed = member(), member(), member()
        mine = self.bind(owner)
        operations.close(member_id=closed.pk, closed_at=NOON, by=None, reason="")

        def give(product_id, from_id, to_id):
            operations.hand_over(
                product_id=product_id, member_id=from_id, to_id=to_id, on=TODAY, at=NOON,
                by=None, reason="",
            )  # fmt: skip

        for wrong, refusal in (
            ((mine.pk, other.pk, owner.pk), NotOwned),
            ((mine.pk + 999, owner.pk, other.pk), NotOwned),
            ((mine.pk, owner.pk, owner.pk), operations.OwnedElsewhere),
            ((mine.pk, owner.pk, closed.pk), operations.WrongState),
        ):
            with pytest.raises(refusal):
                give(*wrong)
        give(mine.pk, owner.pk, other.pk)
        with pytest.raises(NotOwned):
            give(mine.pk, owner.pk, other.pk)
        assert Product.objects.filter(owned_until=None).count() == 1
