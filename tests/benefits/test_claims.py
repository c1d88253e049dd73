"""Who may have an item: tiers, tags, sale windows, limits and prices (B3)."""

from datetime import UTC, date, datetime, timedelta

import pytest

from benefits.operations import claims
from benefits.operations import items as operations
from benefits.operations.items import Limit, Price
from benefits.queries import items as queries
from members import operations as members
from members.models import Tag
from tests.benefits.plan import on, publish, someone
from tests.benefits.shop import AT, claim, drafted, listed, price
from tests.factories import staff
from tests.tiers.ladder import noon

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _tiers():
    publish()


def day(text):
    return noon(date.fromisoformat(text))


def test_a_claim_names_what_the_member_was_offered():
    item = listed(pieces=3, prices=(Price(1000), Price(400, 60)))
    found = claim(someone(), item, 2, price_id=price(item).pk)

    assert (found.listing, found.quantity, found.price.points) == (item.live, 2, 400)


def test_a_tier_with_prices_of_its_own_pays_these_only():
    item = listed(prices=(Price(1000), Price(800, tier="t1"), Price(500, 20, tier="t1")))
    everybodys, of_t1 = (
        [each.points for each in queries.said(item.live).paid(tier)] for tier in ("t2", "t1")
    )

    assert (everybodys, of_t1) == ([1000], [500, 800])
    with pytest.raises(claims.PriceChanged):
        claim(on("t1"), item, price_id=item.live.prices.get(points=1000).pk)


def test_what_is_for_tiers_is_for_these_tiers():
    item = listed(tiers=("t2",))

    with pytest.raises(queries.ItemNotForTier):
        claim(on("t1"), item)
    assert claim(on("t2"), item)


def test_what_only_some_tiers_have_a_price_for_is_for_these():
    item = listed(prices=(Price(10, tier="t1"),))

    with pytest.raises(queries.ItemNotForTier):
        claim(someone(), item)
    assert claim(on("t1"), item)


def test_what_is_for_a_tag_is_for_who_has_it():
    tag = Tag.objects.create(name="车友会")
    item = listed(tags=(tag.pk,))
    other, chosen = someone(), someone()
    members.set_tags(member_id=chosen.id, names=["车友会"], at=AT, by=staff(), reason="活动")

    with pytest.raises(queries.ItemNotForMember):
        claim(other, item)
    assert claim(chosen, item)


def test_a_sale_begins_and_ends_at_its_moments():
    opens, ends = datetime(2026, 7, 1, 2, tzinfo=UTC), datetime(2026, 7, 8, 16, tzinfo=UTC)
    item, one = listed(on_sale_from=opens, on_sale_until=ends), someone()
    a_moment = timedelta(microseconds=1)

    with pytest.raises(queries.ItemNotOnSaleYet):
        claim(one, item, at=opens - a_moment)
    with pytest.raises(queries.ItemSaleOver):
        claim(one, item, at=ends)
    assert claim(one, item, at=opens)
    assert claim(one, item, at=ends - a_moment)


def test_what_was_never_listed_or_is_delisted_cannot_be_had():
    draft, item, one = drafted(), listed(), someone()

    with pytest.raises(queries.UnknownItem):
        claim(one, draft.item, price_id=draft.prices.get().pk)
    operations.delist(item_id=item.pk, reason="售后问题", by=staff(), at=AT)
    with pytest.raises(queries.ItemNotListed):
        claim(one, item)


@pytest.mark.parametrize(
    ("period", "same", "next_"),
    [
        ("DAY", "2026-07-05", "2026-07-06"),
        # Monday to Sunday.
        ("WEEK", "2026-07-06", "2026-07-13"),
        ("MONTH", "2026-07-31", "2026-08-01"),
        ("YEAR", "2026-12-31", "2027-01-01"),
        ("LIFETIME", "2036-01-01", None),
    ],
)
def test_a_limit_counts_the_calendars_periods(period, same, next_):
    first = "2026-07-06" if period == "WEEK" else "2026-07-05"
    item, one = listed(limits=(Limit(2, period),)), someone()
    claim(one, item, at=day(first))
    claim(one, item, at=day(same))

    with pytest.raises(queries.ItemLimitReached) as refusal:
        claim(one, item, at=day(same))
    assert refusal.value.details["left"] == 0
    if next_:
        assert claim(one, item, at=day(next_))


def test_days_are_the_programmes():
    item, one = listed(limits=(Limit(1, "DAY"),)), someone()
    claim(one, item, at=datetime(2026, 7, 5, 15, 59, tzinfo=UTC))

    assert claim(one, item, at=datetime(2026, 7, 5, 16, 0, tzinfo=UTC)).on == date(2026, 7, 6)


def test_all_limits_hold_together_and_pieces_count():
    item = listed(limits=(Limit(3, "MONTH"), Limit(2, "DAY")))
    one = someone()

    with pytest.raises(queries.ItemLimitReached) as refusal:
        claim(one, item, 3)
    assert refusal.value.details["count"] == 2
    claim(one, item, 2)
    with pytest.raises(queries.ItemLimitReached) as refusal:
        claim(one, item, 2, at=day("2026-07-06"))
    assert (refusal.value.details["count"], refusal.value.details["left"]) == (3, 1)


def test_a_tier_has_a_limit_of_its_own_in_place_of_the_general_one():
    item = listed(limits=(Limit(1, "MONTH"), Limit(3, "MONTH", tier="t1")))

    assert claim(on("t1"), item, 3)
    with pytest.raises(queries.ItemLimitReached):
        claim(on("t2"), item, 2)


def test_what_was_given_back_counts_no_more():
    item, one = listed(limits=(Limit(1, "LIFETIME"),)), someone()
    claim(one, item, reference="first")
    claims.give_back(reference="first", at=AT)

    assert claim(one, item)


def test_a_limit_is_each_members_own():
    item = listed(limits=(Limit(1, "LIFETIME"),))

    assert claim(someone(), item)
    assert claim(someone(), item)
