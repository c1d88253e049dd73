"""What a higher tier gets in the shop (B2, B3)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from benefits.operations.items import Price
from benefits.queries.tier_items import EXAMPLES, openings
from members.models import Tag, Tagging, TagSource
from tests import factories
from tests.benefits.plan import noon
from tests.benefits.shop import AT, DAY, listed

pytestmark = pytest.mark.django_db


@pytest.fixture
def of():
    return factories.identity()


def found(of, *, own="t1", higher="t2"):
    return openings(of.id, own=own, higher=higher, at=noon(DAY))


def cheaper(of, **tiers):
    return [
        (each.code, each.before_points, each.points, each.cash)
        for each in found(of, **tiers).cheaper
    ]


def opened(of, **tiers):
    return {each.code for each in found(of, **tiers).opened}


def test_an_item_that_costs_less(of):
    listed("mug", prices=(Price(1000), Price(800, tier="t2")))

    assert cheaper(of) == [("mug", 1000, 800, Decimal(0))]
    assert opened(of) == set()
    assert not found(of, own="t2", higher="t3")


def test_compares_with_the_lower_tiers_own_price(of):
    listed("mug", prices=(Price(1000), Price(900, tier="t1"), Price(800, tier="t2")))
    listed("cap", prices=(Price(1000), Price(900, tier="t1"), Price(900, tier="t2")))
    listed("bag", prices=(Price(1000), Price(900, tier="t1")))

    assert cheaper(of) == [("mug", 900, 800, Decimal(0))]


def test_the_general_price_is_not_the_tiers_where_it_has_its_own(of):
    own = (Price(3600), Price(1800, Decimal(180)), Price(3200, tier="t2"))
    listed("oil", prices=own)

    assert cheaper(of) == [("oil", 3600, 3200, Decimal(0))]


def test_fewer_points_for_more_money_are_no_lower_price(of):
    listed("oil", prices=(Price(1000), Price(500, Decimal(50), tier="t2")))

    assert not found(of)


def test_nor_is_one_of_several_prices_that_both_have(of):
    both = (Price(1000, tier="t1"), Price(500, tier="t1"))
    listed("oil", prices=(*both, Price(1000, tier="t2"), Price(500, tier="t2")))

    assert not found(of)


def test_less_money_is_a_lower_price(of):
    listed("oil", prices=(Price(500, Decimal(50)), Price(500, Decimal(30), tier="t2")))

    assert cheaper(of) == [("oil", 500, 500, Decimal(30))]


def test_an_item_that_opens(of):
    listed("lounge", tiers=("t2", "t3"))
    listed("later", tiers=("t3",))
    listed("priced", prices=(Price(800, tier="t2"),))
    listed("all")
    listed("both", tiers=("t1", "t2"))

    assert opened(of) == {"lounge", "priced"}
    assert cheaper(of) == []


def test_what_nobody_can_have_is_none_of_it(of):
    past = AT - timedelta(days=1)
    listed("over", tiers=("t2",), on_sale_from=past - timedelta(days=1), on_sale_until=past)
    listed("sold-out", tiers=("t2",), is_counted=True)
    listed("there", tiers=("t2",), pieces=1)

    assert opened(of) == {"there"}


def test_what_is_for_chosen_members_is_told_only_them(of):
    tag = Tag.objects.create(name="VIP")
    listed("chosen", tiers=("t2",), tags=(tag.pk,))

    assert opened(of) == set()
    Tagging.objects.create(member_id=of.id, tag=tag, source=TagSource.HAND, tagged_at=AT)
    assert opened(of) == {"chosen"}


def test_few_examples_and_how_many_there_are(of, django_assert_num_queries):
    for nth in range(EXAMPLES + 2):
        listed(f"cheap-{nth}", prices=(Price(1000), Price(900 - nth, tier="t2")))
        listed(f"open-{nth}", tiers=("t2",))

    with django_assert_num_queries(1):
        told = found(of)

    assert [each.points for each in told.cheaper] == [896, 897, 898]
    assert (told.cheaper_count, told.opened_count) == (EXAMPLES + 2, EXAMPLES + 2)
    assert len(told.opened) == EXAMPLES
