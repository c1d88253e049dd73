"""A member reads what the next tier gives: by the rulebook of the day, in plain words."""

import re
from pathlib import Path

import pytest
import time_machine
from django.test import Client

from benefits.operations.items import Price
from members import operations as members
from programme import documents, operations, queries
from tests.benefits.shop import listed
from tests.factories import identity
from tests.tiers.ladder import gather, noon
from tests.tiers.test_web import text_of

pytestmark = pytest.mark.django_db
DAY = "2026-06-15"
PROGRAMMES = Path(documents.__file__).parent / "programmes"


@pytest.fixture(autouse=True)
def _in_june():
    with time_machine.travel(noon(DAY), tick=False):
        yield


@pytest.fixture
def of():
    return identity()


def load(change=lambda document: None):
    document = documents.parse((PROGRAMMES / "retail.yaml").read_text())
    change(document)
    operations.load(document=document, published_at=noon(DAY))
    queries.forget_cached()


def said(of):
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(members.login_for(member_id=of.id))
    text = text_of(client.get("/tier/"))
    found = re.search(r"What \w+ gives you (.*?) (All tiers|Apply for)", text)
    return found[0] if found else None


def test_compares_the_rates(of):
    load()

    assert said(of).startswith(
        "What Silver gives you Points for purchases Now 1 points for every 10"
        " Then 1 points for every 8"
    )
    assert "How long" not in said(of)


def test_tells_of_points_that_last_longer(of):
    load()
    gather(of, "2026-06-01", points=20000)

    assert "How long points last Now 24 months Then 36 months" in said(of)


def test_tells_of_boosts_only_that_tier_has(of):
    def only_silver(document):
        document["earning"]["boosts"][0]["when"]["tiers"] = ["silver"]

    load(only_silver)

    assert "10 % more in the birthday month Only from Silver on 10 % more" in said(of)


def test_leaves_out_what_does_not_count_on_these_days(of):
    def over(document):
        document["earning"]["boosts"][0]["when"] |= {
            "tiers": ["silver"], "dates": [{"from": "2026-01-01", "until": "2026-06-14"}],
        }  # fmt: skip

    load(over)

    assert "birthday month" not in said(of)


def test_is_silent_at_the_top_and_where_nothing_differs(of):
    def alike(document):
        document["earning"]["rules"][0].pop("tiers")
        document["policies"]["validity"].pop("extra_months")
        document["benefits"]["of_tiers"] = []

    load(alike)
    assert said(of) is None
    gather(of, "2026-06-01", points=30000)
    assert said(of) is None


def test_costs_no_query_more(of, django_assert_max_num_queries):
    load()
    client = Client()
    client.force_login(members.login_for(member_id=of.id))
    client.get("/tier/")

    # session, user with member; standing, days; decisions, applications; shop; unread messages
    with django_assert_max_num_queries(8):
        client.get("/tier/")


def test_tells_what_opens_and_falls_in_price_in_the_shop(of):
    load()
    listed("mug", prices=(Price(1000), Price(900, tier="silver")))
    listed("lounge", tiers=("silver", "gold"))
    for nth in range(4):
        listed(f"gold-and-silver-{nth}", tiers=("silver", "gold"))
    listed("plain")
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(members.login_for(member_id=of.id))

    page = client.get("/tier/")

    assert "At a lower price Thermos Now 1,000 points 900 points Only from Silver on" in (
        text_of(page)
    )
    assert "and 2 more" in text_of(page)
    assert 'href="/shop/mug/"' in page.content.decode()
    assert 'href="/shop/plain/"' not in page.content.decode()


def test_is_silent_where_the_shop_is_the_same(of):
    load()
    listed("plain")
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(members.login_for(member_id=of.id))

    assert "in the shop" not in text_of(client.get("/tier/"))
